"""The gate: may the model's rows go out, or must a rival's?

The model is published unless a rival, a baseline or the reigning champion refitted, is better by more than one standard
error of the paired difference over entities. Losses of an entity are summed over all cases and cutoffs first: its cases
resemble each other, and counting them apart would make the error look smaller than it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.schema import NotEnoughData

MODEL, CHAMPION = "model", "champion"


@dataclass(frozen=True)
class Verdict:
    """`subject_to_publish`: "model", or the rival with the smallest loss. `rival`: the rival that came closest to the
    model or beat it most clearly; None where there is none. `difference`: total loss of the model minus that of
    `rival` (negative: the model is better), and its `standard_error`; None without a model or a rival. `reason`: a
    sentence for people."""

    passed: bool
    subject_to_publish: str
    rival: str | None
    difference: float | None
    standard_error: float | None
    reason: str


def decide(losses: Mapping[str, np.ndarray], entity: np.ndarray) -> Verdict:
    """Judge the subject "model" beside every other subject.

    `losses`: float [n] per subject, the gate metric's additive contributions of the same n cases, pooled over cutoffs,
    smaller is better; a subject with a loss that is not finite is out of the running. `entity`: int64 [n], the entity
    of each case. Without a usable model the best rival goes out. With a single entity there is no standard error, and
    any better rival wins. Raises NotEnoughData where nobody can be judged.
    """
    by_entity = {subject: _per_entity(loss, entity) for subject, loss in losses.items()}
    totals = {subject: float(loss.sum()) for subject, loss in by_entity.items() if np.isfinite(loss).all()}
    if not totals or not len(entity):
        raise NotEnoughData("No forecast can be judged: there is no case whose outcome is known.")
    rivals = {subject: total for subject, total in totals.items() if subject != MODEL}
    best = min(rivals, key=lambda subject: rivals[subject]) if rivals else None
    if MODEL not in totals:
        assert best is not None
        why = "its losses are not finite" if MODEL in losses else "there is none"
        return Verdict(False, best, best, None, None, f"The model cannot be judged, {why}: {best} goes out.")
    if best is None:
        return Verdict(True, MODEL, None, None, None, "The model has no rival.")

    pairs = {rival: _paired(by_entity[MODEL], by_entity[rival]) for rival in rivals}
    excess = {rival: difference - error for rival, (difference, error) in pairs.items()}
    closest = max(excess, key=lambda rival: excess[rival])
    difference, error = pairs[closest]
    share = f"{_share(abs(difference), totals[closest])}, standard error {_share(error, totals[closest])}"
    if excess[closest] > 0:
        reason = f"{closest} is better than the model by more than one standard error ({share}): {best} goes out."
        return Verdict(False, best, closest, difference, error, reason)
    if difference <= 0:
        reason = f"The model is at least as good as every rival (ahead of {closest} by {share})."
    else:
        reason = f"The model is within one standard error of {closest} (behind by {share})."
    return Verdict(True, MODEL, closest, difference, error, reason)


def _per_entity(loss: np.ndarray, entity: np.ndarray) -> np.ndarray:
    """Sums float64 [E] of `loss` over the cases of each entity, entities in order."""
    if loss.shape != entity.shape:
        raise ValueError(f"losses have shape {loss.shape}, entities {entity.shape}")
    _, number = np.unique(entity, return_inverse=True)
    return np.bincount(number, weights=loss)


def _paired(model: np.ndarray, rival: np.ndarray) -> tuple[float, float]:
    """Difference of the totals, and its standard error with entities as independent draws: the sum of n differences
    has the variance n s^2."""
    difference = model - rival
    n = len(difference)
    error = math.sqrt(n) * float(np.std(difference, ddof=1)) if n > 1 else 0.0
    return float(difference.sum()), error


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole > 0 else f"{part:.4g}"

"""Where to train, calibrate and evaluate: split by time, and by entity only where history is too short for that.

A cutoff has a label window, [cutoff, cutoff + horizon): what happens next. A part of a split may be used once the label
windows of all earlier parts have closed, so that nothing learnt on the one part has seen the outcomes of the next.

Cutoffs are instants (datetime64[us] with timedelta64 horizons) or period numbers of a grid (int64 with int horizons);
the arithmetic is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.schema import NotEnoughData


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Cutoffs of three parts, each ascending: every label window of `train` closes by the first cutoff of
    `calibrate`, and every one of `calibrate` by the first of `evaluate`."""

    train: np.ndarray
    calibrate: np.ndarray
    evaluate: np.ndarray


def rolling_cutoffs(end: Any, horizon: Any, count: int, *, step: Any = None, earliest: Any = None) -> np.ndarray:
    """The last `count` cutoffs whose label windows closed by `end`, ascending: end - horizon and every `step`
    (the horizon by default) before it, none before `earliest`. May be fewer than `count`, down to none.

    `end` and `earliest` are instants, `horizon` and `step` durations (or period numbers and counts of periods).
    """
    step = horizon if step is None else step
    if not (step > step * 0 and horizon > horizon * 0):
        raise ValueError("horizon and step must be positive")
    cutoffs = (end - horizon) - step * np.arange(count - 1, -1, -1)
    return cutoffs if earliest is None else cutoffs[cutoffs >= earliest]


def split_in_time(cutoffs: np.ndarray, horizon: Any, *, calibrate: int = 1, evaluate: int = 1) -> TimeSplit:
    """The latest `evaluate` cutoffs to evaluate on, the latest `calibrate` closed before those to calibrate on,
    and all that closed before these to train on. `cutoffs` come in any order, repeats count once.

    Raises NotEnoughData where a part would be empty or short; entities in folds (`fold_of`) are the way out then.
    """
    remaining = np.unique(cutoffs)
    found = len(remaining)
    later = []
    for wanted in (evaluate, calibrate):
        if len(remaining) < wanted or wanted < 1:
            break
        later.append(remaining[-wanted:])
        remaining = remaining[:-wanted]
        remaining = remaining[remaining + horizon <= later[-1][0]]
    if len(later) < 2 or not len(remaining):
        raise NotEnoughData(
            f"{found} cutoffs with a horizon of {horizon} leave none to train on before {calibrate} to calibrate "
            f"and {evaluate} to evaluate on.",
            remedy="Shorten the horizon or wait for more history.",
        )
    return TimeSplit(train=remaining, calibrate=later[1], evaluate=later[0])


def fold_of(entity_ids: np.ndarray | Sequence[str], k: int, seed: int = 0) -> np.ndarray:
    """The fold, int64 [n] in 0 ... k - 1, of each entity: by a hash of its id and the seed alone, so that it stays
    where it is when entities come and go."""
    if k < 2:
        raise ValueError("entities are split into two folds or more")
    return (stable_hash(entity_ids, seed) % np.uint64(k)).astype(np.int64)

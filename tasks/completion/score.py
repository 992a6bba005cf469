"""What a completion forecast was worth: in days, as a distribution, and as the probability of missing the promise."""

from __future__ import annotations

import numpy as np

from forecasting.metrics import auc, coverage, pinball
from forecasting.task import Cases, Score
from tasks.completion.case_facts import due_days, stages
from tasks.completion.forecast import CompletionForecast
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes

GATE_METRIC = "pinball"
"""The metric that decides publication."""

GATE_LEVELS = (0.1, 0.5, 0.9)
"""Levels over which it is the mean."""

BINS = 10
"""Bins of equal mass of the reliability of lateness."""

LEAST_CASES = 50
"""Cases from which a reliability curve is drawn, and a stage is judged for itself."""

MOST_STAGES = 20
"""Stages judged for themselves: those of most cases."""


def score(orders: Orders, options: CompletionOptions, cases: Cases, forecast: CompletionForecast) -> Score:
    """Judge a forecast against when orders were completed; those that are not, or were cancelled, count nowhere.

    `pinball` decides: the mean of the pinball loss at .1, .5 and .9, in days (Koenker and Bassett 1978, Econometrica
    46). Beside it, in days, `mae` and `bias` (forecast minus actual) of the median, `width80` and `coverage80` of the
    interval from .1 to .9, both ends included, the shares `below10` and `above90` of outcomes outside it, and
    `crossing`, the share of cases with a quantile below a lower one's.

    Where there is a promise, of completing after it: `late_auc`, `late_brier`, `late_rate`, `mean_late_probability`,
    and the reliability curve, `predicted@dK` and `observed@dK` of the tenths K = 1 ... 10 from the least likely.
    `mae@STAGE`, `pinball@STAGE` and `coverage80@STAGE` are those of the cases at a stage. What cannot be said (the AUC
    where nothing was late) is left out.
    """
    became = outcomes(orders, cases)
    known = np.flatnonzero(became.completed)
    days, count = became.days[known], len(known)
    quantiles = np.column_stack([forecast.at(level)[known] for level in GATE_LEVELS])
    each = pinball(days, quantiles, GATE_LEVELS).mean(axis=1)
    loss = np.zeros(len(cases))
    loss[known] = each / max(count, 1)
    found = {GATE_METRIC: float(loss.sum()), "samples": float(count)}
    if count:
        found |= _in_days(days, quantiles)
        found["crossing"] = float((np.diff(forecast.remaining[known], axis=1) < -1e-9).any(axis=1).mean())
        due_at = orders.due_at[cases.entity]
        promised = known[~np.isnat(due_at[known])]
        late = (orders.completed_at[cases.entity] > due_at)[promised].astype(np.float64)
        found |= judged_lateness(late, forecast.later_than(due_days(orders, cases))[promised])
        found |= _by_stage(stages(orders, cases)[known], orders.statuses, days, quantiles, each)
    return Score({name: value for name, value in found.items() if np.isfinite(value)}, loss, cases.entity)


def judged_lateness(late: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """What probabilities (float64 [n]) of missing promises were worth, `late` being float64 [n] of 0 and 1; NaN where
    it cannot be said, nothing where n is 0."""
    if not len(late):
        return {}
    found = {
        "late_auc": auc(late, probability),
        "late_brier": float(np.square(probability - late).mean()),
        "late_rate": float(late.mean()),
        "mean_late_probability": float(probability.mean()),
    }
    if len(late) >= LEAST_CASES:
        for k, one in enumerate(np.array_split(np.argsort(probability, kind="stable"), BINS)):
            found[f"predicted@d{k + 1}"] = float(probability[one].mean())
            found[f"observed@d{k + 1}"] = float(late[one].mean())
    return found


def _in_days(days: np.ndarray, quantiles: np.ndarray) -> dict[str, float]:
    low, middle, high = quantiles.T
    return {
        "mae": float(np.abs(middle - days).mean()),
        "bias": float((middle - days).mean()),
        "coverage80": coverage(days, low, high),
        "below10": float((days < low).mean()),
        "above90": float((days > high).mean()),
        "width80": float((high - low).mean()),
    }


def _by_stage(
    stage: np.ndarray, statuses: np.ndarray, days: np.ndarray, quantiles: np.ndarray, loss: np.ndarray
) -> dict[str, float]:
    """Figures of each stage (int codes [n] into `statuses`) of at least LEAST_CASES cases."""
    size = np.bincount(stage, minlength=len(statuses))
    found: dict[str, float] = {}
    for code in np.argsort(-size, kind="stable")[:MOST_STAGES]:
        if size[code] < LEAST_CASES:
            break
        at = stage == code
        here = _in_days(days[at], quantiles[at]) | {GATE_METRIC: float(loss[at].mean())}
        found |= {f"{name}@{statuses[code]}": here[name] for name in ("mae", GATE_METRIC, "coverage80")}
    return found

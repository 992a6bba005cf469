"""Whether as many customers have bought of late as the model expects when it looks back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from forecasting.calibration_drift import drift_figures
from forecasting.task import Cases, Instant
from tasks.churn.customers import Customers
from tasks.churn.folds import eligible
from tasks.churn.forecast import ChurnForecast
from tasks.churn.outcomes import outcomes
from tasks.churn.part import EVENTS
from tasks.churn.snapshot import snapshot

if TYPE_CHECKING:
    from tasks.churn.model import ChurnModel

LEAST_WEEKS, MOST_WEEKS = 1, 4
"""How far a look goes back: to the training, in whole weeks."""

MOST_CUSTOMERS = 2_000
"""Customers looked at, evenly drawn."""

LEAST_BUYERS = 20
"""Buyers expected, or found, from which anything is said."""

_WEEK = np.timedelta64(7, "D")


def watch(model: ChurnModel, customers: Customers, as_of: Instant) -> Mapping[str, float]:
    """Figures of the weeks since the model was trained (of the last one where it was this week) that are known as of an
    instant: `drift_alarm`, `drift_z` and `drift_log_ratio` of customers who bought to those expected, and both shares,
    `bought` and `bought_expected`. Customers decide each for themselves; what all of them share, a busy week, is usual
    as far as weeks differed before. Empty where too few buy."""
    end = customers.observed(as_of)
    if np.isnat(end):
        return {}
    weeks = int(np.clip((end - model.trained_until) // _WEEK, LEAST_WEEKS, MOST_WEEKS))
    cases = eligible(customers, np.array([end - weeks * _WEEK]), model.setting.options.active_days)
    cases = cases.take(np.arange(0, len(cases), max(-(-len(cases) // MOST_CUSTOMERS), 1)))
    if not len(cases):
        return {}
    days = 7.0 * weeks
    curves = model.curves(snapshot(customers, cases, model.setting.options.features, EVENTS))
    chance = 1.0 - ChurnForecast(*curves).at(days)
    bought = ~_known(customers, cases, as_of, days)
    if max(bought.sum(), chance.sum()) < LEAST_BUYERS:
        return {}
    error = float(np.sqrt((chance * (1.0 - chance)).sum()))
    usual = _usual(np.log(model.setting.activity.weekly), weeks)
    figures = drift_figures(float(bought.sum()), float(chance.sum()), error, usual)
    return {**figures, "bought": float(bought.mean()), "bought_expected": float(chance.mean())}


def _known(customers: Customers, cases: Cases, as_of: Instant, days: float) -> np.ndarray:
    """Whether each case is known to have bought nothing within so many days, bool [n]."""
    return outcomes(customers, cases, as_of).churned(days)


def _usual(level: np.ndarray, weeks: int) -> float:
    """By how much the logarithm of so many weeks' activity differs from that of the four before: float64 [W] levels by
    week. 0 where there are too few to tell."""
    if len(level) < 8 + weeks:
        return 0.0
    sums = np.append(0.0, np.cumsum(level))
    at = np.arange(4, len(level) - weeks + 1)
    step = (sums[at + weeks] - sums[at]) / weeks - (sums[at] - sums[at - 4]) / 4
    return float(1.4826 * np.median(np.abs(step)))  # of a normal distribution: its standard deviation

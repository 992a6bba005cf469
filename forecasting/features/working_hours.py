"""At which hours of the week, and how much less on holidays, things happen: the weights of an operational clock."""

from __future__ import annotations

import numpy as np

WEEK_HOURS = 168

SLOWEST, FASTEST = 0.02, 2.0
"""No hour is slower than this, so that there is a way back from operational to calendar time; and no holiday is faster
than twice a working day."""

_PRIOR_EVENTS = 20.0
"""How many events at the usual rate an hour, a weekday or the holidays have seen before any is counted."""

_NEIGHBOUR_DAYS = 14
"""Holidays are held against the days so near."""


def expected_by_weekday(row: np.ndarray, off: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """How many of the events of each row (`row` int64 [m]) would fall on each weekday, did all days that are not `off`
    (bool [R, D]) have as many, float64 [7]."""
    events = np.bincount(row, minlength=len(off))
    worked = (~off) @ np.eye(7)[weekday]
    return (events[:, None] * worked / np.maximum(worked.sum(axis=1, keepdims=True), 1.0)).sum(axis=0)


def weekly_weights(hours: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Weights float64 [168] from counts [7, 24] and expected counts of the weekdays [7]."""
    k = _PRIOR_EVENTS
    by_weekday = (hours.sum(axis=1) + k) / (expected + k)
    by_hour = (hours.sum(axis=0) + k) / (hours.sum() / 24 + k)
    product = by_weekday[:, None] * by_hour / by_hour.mean()
    weights = product * (hours + k) / (expected[:, None] / 24 * product + k)
    for _ in range(3):  # to lift the slowest lifts the mean, and so on, ever less
        weights = np.maximum(weights / weights.mean(), SLOWEST)
    return (weights / weights.mean()).ravel()


def holiday_weight(totals: np.ndarray, off: np.ndarray, usual: np.ndarray) -> float:
    """The weight of holidays from events a day [R, D], which days are off, and the usual weight of each day [D]."""
    near = np.minimum(np.arange(off.shape[1])[:, None] + [-_NEIGHBOUR_DAYS, _NEIGHBOUR_DAYS + 1], off.shape[1])
    near = np.maximum(near, 0)

    def around(values: np.ndarray) -> np.ndarray:
        running = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        return running[:, near[:, 1]] - running[:, near[:, 0]]

    level = around(np.where(off, 0.0, totals)) / np.maximum(around(np.where(off, 0.0, usual)), 1e-9)
    seen, due = totals[off].sum(), (level * usual)[off].sum()
    return float(np.clip((seen + _PRIOR_EVENTS) / (due + _PRIOR_EVENTS), SLOWEST, FASTEST))

"""The Population Stability Index: how far the shares of bins have moved between two samples.

Sum over bins of (q - p) log(q / p), the symmetrised Kullback-Leibler divergence; N. Siddiqi, "Credit Risk Scorecards"
(Wiley 2006), chapter 9, with the customary limits: below 0.1 nothing has changed, above 0.25 the population is another.
Where nothing has, its distribution is about (1/n + 1/m) times chi-square with as many degrees of freedom as there are
bins less one: B. Yurdakul, "Statistical Properties of Population Stability Index" (dissertation, Western Michigan
University 2018), chapter 3.
"""

from __future__ import annotations

import numpy as np

SURPRISE = 4.0
"""Standard deviations above the mean from which an index is more than chance, or than usual."""

_PRIOR = 0.5
_LEAST_PAIRS = 8
_LEAST_ROWS = 100


def stability(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The index of counts in the same bins, [..., B] each, less what chance alone would make of it on average: float64
    [...], not below 0. Every bin counts half a row more than it has, so that an empty one is no infinity."""
    p, q = _shares(then), _shares(now)
    index = ((q - p) * np.log(q / p)).sum(axis=-1)
    return np.maximum(index - _freedom(then, now) * _noise(then, now), 0.0)


def chance(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """How much of an index is no surprise between samples of independent rows, as `stability` has it: float64 [...]."""
    return SURPRISE * np.sqrt(2.0 * _freedom(then, now)) * _noise(then, now)


def usual_stability(weekly: np.ndarray, weeks: int) -> float | None:
    """How much of an index is no surprise to this shop: rows come in clusters (a customer, a campaign, the weather of a
    day), and what is sold changes. Neighbouring windows of so many `weeks` are compared, of `weekly` counts by week and
    bin, [W, B], latest first: the largest index found, or the mean and SURPRISE standard deviations. None where there
    are too few windows to tell."""
    sums = np.cumsum(np.concatenate([np.zeros((1, weekly.shape[1])), weekly]), axis=0)
    windows = sums[weeks:] - sums[:-weeks]
    now, then = windows[:-weeks], windows[weeks:]
    kept = (now.sum(axis=1) >= _LEAST_ROWS) & (then.sum(axis=1) >= _LEAST_ROWS)
    if kept.sum() < _LEAST_PAIRS:
        return None
    found = stability(then[kept], now[kept])
    return float(max(found.max(), found.mean() + SURPRISE * found.std()))


def share_between(daily: np.ndarray) -> float:
    """How much of the variety of values lies between days, not between the rows of a day: 1 for the weather, which is
    the same for all rows of a day, about 0 where days are alike. Variety is the Gini-Simpson index (E. H. Simpson,
    "Measurement of Diversity", Nature 163, 1949), the probability that two rows differ; 0 without any. `daily`: counts
    by day and bin, [D, B]."""
    total = daily.sum(axis=0)
    rows = daily.sum(axis=1)
    kept = rows >= 2
    overall = 1.0 - float(((total / max(total.sum(), 1)) ** 2).sum())
    if overall <= 0 or not kept.any():
        return 0.0
    share = daily[kept] / rows[kept, None]
    within = (1.0 - (share**2).sum(axis=1)) * rows[kept] / (rows[kept] - 1)  # unbiased
    return 1.0 - float(np.average(within, weights=rows[kept])) / overall


def _shares(counts: np.ndarray) -> np.ndarray:
    known = np.asarray(counts, np.float64) + _PRIOR
    return known / known.sum(axis=-1, keepdims=True)


def _freedom(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Degrees of freedom: bins that are not empty in both, less one."""
    return np.maximum(((np.asarray(then) + np.asarray(now)) > 0).sum(axis=-1) - 1, 0)


def _noise(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    n, m = (np.maximum(np.asarray(counts).sum(axis=-1), 1) for counts in (then, now))
    return 1.0 / n + 1.0 / m

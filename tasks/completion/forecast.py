"""What forecasters of completion answer: quantiles of the time that remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = np.array([0.01, 0.025, *np.round(np.arange(0.05, 0.951, 0.05), 2), 0.975, 0.99])
"""Levels of all quantiles, float64 [Q], ascending; .1, .5 and .9 among them."""

SOONEST_DAYS = 1e-6
"""No order is complete at the cutoff itself: about a tenth of a second later at the earliest."""


@dataclass(frozen=True, eq=False)
class CompletionForecast:
    """Quantiles of the days from the cutoffs of n cases to completion: `remaining` float64 [n, Q] at LEVELS, finite, at
    least SOONEST_DAYS, never falling along a row."""

    remaining: np.ndarray

    def __post_init__(self) -> None:
        if self.remaining.ndim != 2 or self.remaining.shape[1] != len(LEVELS):
            raise ValueError(f"remaining must have {len(LEVELS)} columns, it has shape {self.remaining.shape}")

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.remaining)

    def at(self, level: float) -> np.ndarray:
        """The quantile at one of LEVELS, float64 [n] days."""
        return self.remaining[:, int(np.flatnonzero(np.isclose(LEVELS, level))[0])]

    def later_than(self, days: np.ndarray) -> np.ndarray:
        """The probability of completing more than `days` (float64 [n], NaN: no answer) after the cutoff, float64 [n]:
        1 where that is not after the cutoff. Between quantiles the distribution is linear; beyond the outer ones it
        falls as an exponential whose rate is that of the last step."""
        later = np.ones(len(self))
        days = np.asarray(days, np.float64)
        ahead = days > 0
        q, level = self.remaining, LEVELS
        below = (q <= days[:, None]).sum(axis=1)  # quantiles that have passed by then
        row = np.arange(len(q))
        inside = ahead & (below > 0) & (below < len(level))
        k = np.clip(below, 1, len(level) - 1)
        width = np.maximum(q[row, k] - q[row, k - 1], 1e-12)
        share = np.clip((days - q[row, k - 1]) / width, 0.0, 1.0)
        later = np.where(inside, 1 - (level[k - 1] + share * (level[k] - level[k - 1])), later)
        first = np.maximum(q[:, 0], 1e-12)
        later = np.where(ahead & (below == 0), 1 - level[0] * np.clip(days / first, 0.0, 1.0), later)
        step = np.maximum(q[:, -1] - q[:, -2], 1e-12)
        rate = np.log((1 - level[-2]) / (1 - level[-1])) / step
        beyond = (1 - level[-1]) * np.exp(-np.minimum(rate * np.maximum(days - q[:, -1], 0.0), 700.0))
        later = np.where(ahead & (below == len(level)), beyond, later)
        return np.where(np.isnan(days), np.nan, later)


def forecast_of(remaining: np.ndarray) -> CompletionForecast:
    """The forecast of quantiles at LEVELS, float64 [n, Q] days, put in order and kept after the cutoff."""
    return CompletionForecast(np.maximum(np.sort(remaining, axis=1), SOONEST_DAYS))

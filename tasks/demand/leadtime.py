"""Demand over a lead time: of any length in days, shorter or longer than the horizon, certain or not."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tasks.demand.empirical import gamma_quantiles
from tasks.demand.forecast import DemandForecast

_LEAD_TIMES = 9
"""Equally likely lead times that stand for an uncertain one."""

_DRAWS = 100
"""Equally likely demands that stand for the distribution over one lead time."""


@dataclass(frozen=True)
class LeadTimeDemand:
    """Demand of n cases over their lead times, units.

    `quantiles`: float64 [n, K] at `levels`, over the lead time as given. `mean`: float64 [n]. `draws`: float64
    [n, D], ascending, equally likely demands, the uncertainty of the lead time included where `uncertain` [n].
    """

    levels: tuple[float, ...]
    quantiles: np.ndarray
    mean: np.ndarray
    draws: np.ndarray
    uncertain: np.ndarray

    def quantile(self, level: np.ndarray) -> np.ndarray:
        """The quantile at `level` [n], float64 [n]; beyond the outermost level the tail falls exponentially."""
        exact = _interpolate(self.quantiles, self.levels, level[:, None])[:, 0]
        position = level * self.draws.shape[1] - 0.5
        below = np.clip(np.floor(position).astype(np.int64), 0, self.draws.shape[1] - 1)
        above = np.minimum(below + 1, self.draws.shape[1] - 1)
        rows = np.arange(len(level))
        share = np.clip(position - below, 0, 1)
        drawn = self.draws[rows, below] * (1 - share) + self.draws[rows, above] * share
        return np.where(self.uncertain, drawn, exact)

    def exceeds(self, stock: np.ndarray) -> np.ndarray:
        """Probability that demand exceeds `stock` [n]."""
        return (self.draws > stock[:, None]).mean(axis=1)

    def shortage(self, stock: np.ndarray) -> np.ndarray:
        """Expected units of demand beyond `stock` [n]."""
        return np.maximum(self.draws - np.maximum(stock, 0)[:, None], 0).mean(axis=1)


def lead_time_demand(
    forecast: DemandForecast, lead_time: np.ndarray, deviation: np.ndarray, season: int
) -> LeadTimeDemand:
    """Demand over lead times of `lead_time` [n] periods, known up to a standard deviation of `deviation` [n].

    Between two periods quantiles are interpolated linearly, within the first one the spread grows with the root of
    time. Beyond the horizon the mean goes on at the rate of the last whole season in it (its last half, where it
    holds none), and the spread at the power of time by which it grew over the second half of the horizon, between 1/2
    (periods independent) and 1 (all err alike). An uncertain lead time is gamma distributed, as nine equally likely
    ones.
    """
    n = len(lead_time)
    uncertain = deviation > 0
    levels = np.array(forecast.cumulative_levels)
    quantiles, mean = _at(forecast, lead_time, season)
    ranks = (np.arange(_DRAWS) + 0.5) / _DRAWS
    draws = _interpolate(quantiles, forecast.cumulative_levels, np.broadcast_to(ranks, (n, _DRAWS)))
    if uncertain.any():
        some = np.flatnonzero(uncertain)
        normal = np.array([NormalDist().inv_cdf((k + 0.5) / _LEAD_TIMES) for k in range(_LEAD_TIMES)])
        times = gamma_quantiles(lead_time[some], np.square(deviation[some]), normal)
        parts, means = [], np.zeros(len(some))
        for k in range(_LEAD_TIMES):
            there, expected = _at(forecast.take(some), times[:, k], season)
            parts.append(_interpolate(there, forecast.cumulative_levels, np.broadcast_to(ranks, (len(some), _DRAWS))))
            means += expected / _LEAD_TIMES
        mixed = np.sort(np.concatenate(parts, axis=1), axis=1)
        draws[some] = mixed.reshape(len(some), _DRAWS, _LEAD_TIMES)[:, :, _LEAD_TIMES // 2]
        mean[some] = means
    return LeadTimeDemand(tuple(levels.tolist()), quantiles, mean, draws, uncertain)


def _at(forecast: DemandForecast, time: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray]:
    """(quantiles [n, K], mean [n]) of demand over the first `time` [n] periods, any number of them."""
    n, horizon = forecast.mean.shape
    total = np.concatenate([np.zeros((n, 1)), forecast.cumulative_mean.astype(np.float64)], axis=1)
    spread = np.concatenate(
        [np.zeros((n, 1, len(forecast.cumulative_levels))), forecast.cumulative.astype(np.float64)], axis=1
    )
    rows = np.arange(n)
    inside = np.minimum(time, horizon)
    below = np.minimum(inside.astype(np.int64), horizon - 1)
    share = inside - below
    mean = total[rows, below] * (1 - share) + total[rows, below + 1] * share
    growth = np.where(below == 0, np.sqrt(share), share)[:, None]
    first_mean = np.where(below == 0, total[rows, 1], 0)[:, None]
    straight = spread[rows, below] * (1 - growth) + spread[rows, below + 1] * growth
    # Within the first period: mean times t, plus the deviation from the mean times root t.
    quantiles = straight + first_mean * (share[:, None] - growth)
    beyond = time > horizon
    if beyond.any():
        tail = (horizon // season * season) or max(horizon // 2, 1)
        rate = (total[:, -1] - total[:, -1 - tail]) / tail
        further = total[:, -1] + rate * (time - horizon)
        half = max(horizon // 2, 1)
        deviation = spread[:, -1] - total[:, -1:]
        before = spread[:, half] - total[:, half : half + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            power = np.log(np.abs(deviation) / np.abs(before)) / np.log(horizon / half)
        power = np.clip(np.nan_to_num(power, nan=0.5, posinf=1.0, neginf=0.5), 0.5, 1.0)
        far = further[:, None] + deviation * (np.maximum(time, horizon) / horizon)[:, None] ** power
        mean = np.where(beyond, further, mean)
        quantiles = np.where(beyond[:, None], far, quantiles)
    return np.maximum.accumulate(np.maximum(quantiles, 0), axis=1), mean


def _interpolate(quantiles: np.ndarray, levels: tuple[float, ...], at: np.ndarray) -> np.ndarray:
    """Quantiles [n, M] at levels `at` [n, M] from `quantiles` [n, K] at `levels`: linear between, straight on below the
    first, exponential beyond the last."""
    known = np.asarray(levels)
    upper = np.clip(np.searchsorted(known, at, side="left"), 1, len(known) - 1)
    low, high = (np.take_along_axis(quantiles, index, axis=1) for index in (upper - 1, upper))
    share = (at - known[upper - 1]) / (known[upper] - known[upper - 1])
    inner = low + (high - low) * np.minimum(share, 1)
    step = (quantiles[:, -1] - quantiles[:, -2]) / np.log((1 - known[-2]) / (1 - known[-1]))
    beyond = quantiles[:, -1:] + step[:, None] * np.log((1 - known[-1]) / np.maximum(1 - at, 1e-6))
    return np.maximum(np.where(at > known[-1], beyond, inner), 0)

"""Metrics of point, quantile and ranking forecasts as pure numpy. Outcomes that are NaN are left out everywhere.

Shapes: n forecasts, Q quantile levels, S series (or series at a cutoff, each a window of its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def pinball(actual: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Pinball loss float64 [n, Q] of `quantiles` [n, Q] against `actual` [n] (Koenker and Bassett 1978)."""
    error = np.asarray(actual, float)[..., None] - quantiles
    level = np.asarray(levels, float)
    return np.maximum(level * error, (level - 1) * error)


def weighted_quantile_loss(actual: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Float64 [Q]: twice the summed pinball loss over the summed outcome, per level (Salinas et al. 2020, section
    4.2). Their mean over the levels is wQL."""
    known = np.isfinite(actual)
    loss = pinball(actual[known], quantiles[known], levels)
    return 2 * loss.sum(0) / _total(actual[known])


def hit_rate(actual: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Float64 [Q]: share of outcomes at or below each quantile; a calibrated one hits its level."""
    known = np.isfinite(actual)
    return (actual[known, None] <= quantiles[known]).mean(0)


def coverage(actual: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of outcomes inside [lower, upper], both ends included."""
    known = np.isfinite(actual)
    return float(((actual >= lower) & (actual <= upper))[known].mean())


def wape(actual: np.ndarray, point: np.ndarray) -> float:
    """Weighted absolute percentage error: summed absolute error over the summed outcome."""
    known = np.isfinite(actual)
    return float(np.abs(actual - point)[known].sum() / _total(actual[known]))


def bias(actual: np.ndarray, mean: np.ndarray) -> float:
    """Summed forecast minus outcome over the summed outcome; positive: too high."""
    known = np.isfinite(actual)
    return float((mean - actual)[known].sum() / _total(actual[known]))


def auc(happened: np.ndarray, probability: np.ndarray) -> float:
    """The probability that a case that happened was given a higher one than one that did not, ties counting half
    (Mann and Whitney 1947). `happened`, of 0 and 1, and `probability`: float [n]; NaN where there are not both."""
    yes = happened.sum()
    no = len(happened) - yes
    if not yes or not no:
        return float("nan")
    _, place, ties = np.unique(probability, return_inverse=True, return_counts=True)
    rank = (np.cumsum(ties) - (ties - 1) / 2)[place]
    return float((rank[happened > 0].sum() - yes * (yes + 1) / 2) / (yes * no))


@dataclass(frozen=True)
class Scales:
    """How hard each series' history is for a naive forecast, float64 [S] each, from its first sale on; NaN where fewer
    than two periods are there. `seasonal_mae`: mean absolute difference at the season's lag (at lag 1 where the
    history is no longer than a season). `naive_mae`, `naive_mse`: at lag 1. `volume`: units sold in the last 28
    periods."""

    seasonal_mae: np.ndarray
    naive_mae: np.ndarray
    naive_mse: np.ndarray
    volume: np.ndarray


def history_scales(values: np.ndarray, offsets: np.ndarray, season: int, recent: int = 28) -> Scales:
    """Scales of histories that end at the cutoff (Hyndman and Koehler 2006; Makridakis et al. 2022, equation 2).

    `values`: float [R], the periods of each series in order, NaN where unobserved. `offsets`: int64 [S + 1], series s
    being `values[offsets[s]:offsets[s + 1]]`. A series without any sale is judged over its whole history.
    """
    values, offsets = np.asarray(values, float), np.asarray(offsets, np.int64)
    series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    position = np.arange(len(values))
    # the first sale of each series: the least position with one, or its start
    first = offsets[:-1].copy()
    sold = np.flatnonzero(np.nan_to_num(values) != 0)
    selling, where = np.unique(series[sold], return_index=True)
    first[selling] = sold[where]
    length = offsets[1:] - first

    naive = _lagged(values, series, position, first, 1)
    seasonal = _lagged(values, series, position, first, season)
    short = length <= season
    recently = position >= np.maximum(offsets[1:] - recent, first)[series]
    volume = np.bincount(series[recently], np.nan_to_num(values[recently]), len(first))
    naive_mae = _mean_by(np.abs(naive), series, len(first))
    return Scales(
        seasonal_mae=np.where(short, naive_mae, _mean_by(np.abs(seasonal), series, len(first))),
        naive_mae=naive_mae,
        naive_mse=_mean_by(naive**2, series, len(first)),
        volume=np.where(length >= 2, volume, np.nan),
    )


def mase(absolute_error: np.ndarray, series: np.ndarray, scales: Scales) -> float:
    """Mean over series of mean absolute error over `seasonal_mae` (Hyndman and Koehler 2006). `absolute_error`:
    float [n], usually of the median. `series`: int64 [n] into the scales. Series of no scale are left out."""
    return _mean_scaled(_mean_by(absolute_error, series, len(scales.volume)), scales.seasonal_mae)


def rmsse(squared_error: np.ndarray, series: np.ndarray, scales: Scales, *, by_volume: bool = False) -> float:
    """Mean over series of the root of mean squared error over `naive_mse` (Makridakis et al. 2022, equation 2);
    `by_volume` weighs series by recent units."""
    error = _mean_by(squared_error, series, len(scales.volume))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.sqrt(error / scales.naive_mse)
    judged = np.isfinite(scaled) & (scales.naive_mse > 0)
    weight = scales.volume[judged] if by_volume else np.ones(judged.sum())
    return float((scaled[judged] * weight).sum() / weight.sum()) if weight.sum() > 0 else float("nan")


def scaled_pinball(
    actual: np.ndarray, quantiles: np.ndarray, levels: Sequence[float], series: np.ndarray, scales: Scales
) -> float:
    """Scaled pinball loss: mean over levels and series of the pinball loss over `naive_mae` (Makridakis et al. 2022,
    the uncertainty competition's SPL)."""
    loss = pinball(actual, quantiles, levels)
    per_series = [_mean_by(loss[:, k], series, len(scales.volume)) for k in range(loss.shape[1])]
    return float(np.mean([_mean_scaled(error, scales.naive_mae) for error in per_series]))


@dataclass(frozen=True)
class StockScore:
    """What order-up-to levels would have meant. `service`: share of cycles without a stock-out. `fill`: units served
    over units demanded. `cost`: newsvendor cost per unit demanded, a unit short costing the service level and a unit
    left the rest. `stock`: units stocked per unit demanded."""

    service: float
    fill: float
    cost: float
    stock: float


def stock_score(demand: np.ndarray, order_up_to: np.ndarray, service_level: float) -> StockScore:
    """Score `order_up_to` [n] against `demand` [n], both sums over the protection interval."""
    known = np.isfinite(demand)
    demand, level = demand[known], np.maximum(order_up_to[known], 0)
    short, left, total = np.maximum(demand - level, 0), np.maximum(level - demand, 0), _total(demand)
    return StockScore(
        service=float((demand <= level + 1e-9).mean()),
        fill=float(1 - short.sum() / total),
        cost=float((service_level * short + (1 - service_level) * left).sum() / total),
        stock=float(level.sum() / total),
    )


def _total(actual: np.ndarray) -> float:
    """Summed outcome; NaN rather than an infinite ratio where nothing was sold."""
    total = float(actual.sum())
    return total if total > 0 else float("nan")


def _lagged(values: np.ndarray, series: np.ndarray, position: np.ndarray, first: np.ndarray, lag: int) -> np.ndarray:
    """Float64 [R]: each period minus the one `lag` before it in its series, NaN before the first sale + lag."""
    difference = np.full(len(values), np.nan)
    difference[lag:] = values[lag:] - values[:-lag]
    difference[position - first[series] < lag] = np.nan
    return difference


def _mean_by(values: np.ndarray, series: np.ndarray, count: int) -> np.ndarray:
    """Mean of the known `values` of each series, NaN where there are none."""
    known = np.isfinite(values)
    total = np.bincount(series[known], values[known], count)
    number = np.bincount(series[known], minlength=count)
    with np.errstate(invalid="ignore"):
        return total / number


def _mean_scaled(error: np.ndarray, scale: np.ndarray) -> float:
    judged = np.isfinite(error) & (scale > 0)
    return float((error[judged] / scale[judged]).mean()) if judged.any() else float("nan")

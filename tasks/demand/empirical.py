"""Quantiles of what was seen, over arrays with holes: the arithmetic of the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def masked_quantiles(values: np.ndarray, mask: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles [..., Q] over the last axis of `values` where `mask`, linear between order statistics (Hyndman and Fan
    1996, type 7); NaN where nothing is left."""
    order = np.sort(np.where(mask, values, np.inf), axis=-1)
    count = mask.sum(axis=-1)
    position = np.maximum(count - 1, 0)[..., None] * np.asarray(levels)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0)[..., None])
    low, high = np.take_along_axis(order, below, axis=-1), np.take_along_axis(order, above, axis=-1)
    with np.errstate(invalid="ignore"):
        result = low + (high - low) * (position - below)
    return np.where(count[..., None] > 0, result, np.nan)


def masked_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean over the last axis where `mask`; NaN where nothing is left."""
    count = mask.sum(axis=-1)
    total = np.where(mask, values, 0).sum(axis=-1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def window_sums(values: np.ndarray, mask: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over every `length` consecutive periods of `values` [n, T], [n, T - length + 1], holes filled with the mean
    of the rest; and which of them had at least half of their periods observed."""
    total = np.concatenate(
        [np.zeros((len(values), 1)), np.where(mask, values, 0).cumsum(axis=1, dtype=np.float64)], axis=1
    )
    count = np.concatenate([np.zeros((len(values), 1), np.int64), mask.cumsum(axis=1)], axis=1)
    sums, seen = total[:, length:] - total[:, :-length], count[:, length:] - count[:, :-length]
    return sums * length / np.maximum(seen, 1), seen * 2 >= length


def cumulative_quantiles(values: np.ndarray, mask: np.ndarray, horizon: int, levels: Sequence[float]) -> np.ndarray:
    """Quantiles [n, horizon, Q] of the sums of 1 ... horizon consecutive periods in `values` [n, T]; NaN where none."""
    result = np.full((len(values), horizon, len(levels)), np.nan, np.float32)
    for step in range(min(horizon, values.shape[1])):
        result[:, step] = masked_quantiles(*window_sums(values, mask, step + 1), levels)
    # Beyond what was seen, as large as the longest sum seen, in proportion; spread no less than it then has.
    for step in range(1, horizon):
        hole = np.isnan(result[:, step, 0])
        result[hole, step] = result[hole, step - 1] * (step + 1) / step
    return result


def mixed_quantiles(share: np.ndarray, sizes: np.ndarray, mask: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles [n, Q] of demand that is 0 with probability 1 - `share` [n] and else one of `sizes` [n, T] where
    `mask`, all alike."""
    ascending = np.sort(np.where(mask, sizes, np.inf), axis=1)
    count = mask.sum(axis=1)
    chance = np.clip(share, 1e-9, 1)[:, None]
    inner = (np.asarray(levels) - (1 - chance)) / chance
    at = np.clip(np.ceil(inner * count[:, None]).astype(np.int64) - 1, 0, np.maximum(count - 1, 0)[:, None])
    picked = np.take_along_axis(ascending, at, axis=1)
    return np.where((inner > 0) & (count > 0)[:, None], picked, 0.0)


def exponential_smoothing(values: np.ndarray, mask: np.ndarray, alpha: float) -> np.ndarray:
    """The last level [n] of simple exponential smoothing over the entries of `values` [n, T] where `mask`, begun at the
    first of them; NaN where there are none. A sum of weights: the entry with k later ones weighs alpha (1 - alpha)^k,
    the first (1 - alpha)^k."""
    later = mask[:, ::-1].cumsum(axis=1)[:, ::-1] - mask
    weight = np.where(mask, (1 - alpha) ** later, 0.0)
    first = mask & (mask.cumsum(axis=1) == 1)
    weight = np.where(first, weight, alpha * weight)
    return np.where(mask.any(axis=1), (weight * np.where(mask, values, 0)).sum(axis=1), np.nan)


def gamma_quantiles(mean: np.ndarray, variance: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Quantiles [..., Q] of gamma distributions with `mean` and `variance` [...] at the standard normal quantiles
    `normal` [Q] (Wilson and Hilferty 1931)."""
    shape = np.square(mean) / np.maximum(variance, 1e-12)
    ninth = 1 / (9 * np.maximum(shape, 1e-6))[..., None]
    return mean[..., None] * np.maximum(1 - ninth + normal * np.sqrt(ninth), 0) ** 3

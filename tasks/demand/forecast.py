"""What every demand forecaster answers: distributions per period, and of sums from the cutoff on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Levels of the quantiles per period: the columns of `demand_forecasts`."""

CUMULATIVE_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99)
"""Levels of the quantiles of cumulative demand: finer where service levels lie."""


@dataclass(frozen=True)
class DemandForecast:
    """Demand of n cases over H periods, the first of which is the first one not complete at the cutoff.

    `mean`: float32 [n, H], units. `quantiles`: float32 [n, H, Q] at `levels` (ascending), never crossing, units.
    `cumulative`: float32 [n, H, K], quantiles at `cumulative_levels` of the SUM of demand over the first h + 1
    periods, from the joint distribution; never crossing, and never falling in h.
    """

    mean: np.ndarray
    quantiles: np.ndarray
    cumulative: np.ndarray
    levels: tuple[float, ...] = LEVELS
    cumulative_levels: tuple[float, ...] = CUMULATIVE_LEVELS

    def __post_init__(self) -> None:
        n, horizon = self.mean.shape
        if self.quantiles.shape != (n, horizon, len(self.levels)):
            raise ValueError(f"quantiles are {self.quantiles.shape}, not {(n, horizon, len(self.levels))}")
        if self.cumulative.shape != (n, horizon, len(self.cumulative_levels)):
            raise ValueError(f"cumulative is {self.cumulative.shape}, not {(n, horizon, len(self.cumulative_levels))}")

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def horizon(self) -> int:
        """H, periods."""
        return self.mean.shape[1]

    @property
    def cumulative_mean(self) -> np.ndarray:
        """Expected demand over the first h + 1 periods, float32 [n, H]."""
        return self.mean.cumsum(axis=1)

    def quantile(self, level: float) -> np.ndarray:
        """The quantile at `level`, float32 [n, H]: exact where it is one of `levels`, else linear between the two
        beside it, and the outermost beyond them."""
        return at_level(self.quantiles, self.levels, level)

    def cumulative_quantile(self, level: float) -> np.ndarray:
        """The quantile at `level` of cumulative demand, float32 [n, H]; between levels as in `quantile`."""
        return at_level(self.cumulative, self.cumulative_levels, level)

    def take(self, index: np.ndarray) -> DemandForecast:
        """The forecast of the cases at `index` (int64 positions or a mask)."""
        return DemandForecast(
            self.mean[index], self.quantiles[index], self.cumulative[index], self.levels, self.cumulative_levels
        )

    @staticmethod
    def concatenate(parts: Sequence[DemandForecast]) -> DemandForecast:
        """The cases of `parts`, all of equal horizon and levels, one after the other."""
        return DemandForecast(
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.quantiles for part in parts]),
            np.concatenate([part.cumulative for part in parts]),
            parts[0].levels,
            parts[0].cumulative_levels,
        )


def in_whole_units(forecast: DemandForecast) -> DemandForecast:
    """The forecast of something sold in whole units: a quantile nearer to none than to one is none. Otherwise a low
    quantile of 0.01 would claim that a day without sales is out of the question."""
    return replace(
        forecast,
        quantiles=np.where(forecast.quantiles < 0.5, np.float32(0), forecast.quantiles),
        cumulative=np.where(forecast.cumulative < 0.5, np.float32(0), forecast.cumulative),
    )


def at_level(values: np.ndarray, levels: tuple[float, ...], level: float) -> np.ndarray:
    """Quantile at `level` of a table of quantiles [..., Q] at ascending `levels`: linear in level between two."""
    position = float(np.interp(level, levels, np.arange(len(levels))))
    below = int(position)
    above = min(below + 1, len(levels) - 1)
    share = np.float32(position - below)
    return values[..., below] * (1 - share) + values[..., above] * share


def coherent(mean: np.ndarray, quantiles: np.ndarray, cumulative: np.ndarray) -> DemandForecast:
    """A forecast at the standard levels with demand not negative, quantiles sorted over levels (Chernozhukov,
    Fernandez-Val and Galichon 2010, rearrangement) and cumulative ones not falling over time."""
    quantiles = np.sort(np.maximum(quantiles, 0), axis=-1)
    cumulative = np.maximum.accumulate(np.sort(np.maximum(cumulative, 0), axis=-1), axis=1)
    return DemandForecast(
        np.maximum(mean, 0).astype(np.float32, copy=False),
        quantiles.astype(np.float32, copy=False),
        cumulative.astype(np.float32, copy=False),
    )

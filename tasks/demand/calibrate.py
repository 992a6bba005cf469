"""Demand quantiles set right by what a later slice shows: spread out around the median.

Split conformal prediction (Romano, Patterson and Candès 2019) with the score (actual - median) / (quantile - median):
the level's quantile of it is the factor by which that quantile's distance from the median was off. Distances carry
the size of a series and of a day with them, which additive shifts would not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.schema import ArtifactError
from tasks.demand.forecast import DemandForecast, coherent

_PRIOR_STEPS = 12
"""A slice of H periods is followed H / (H + 12) of the way: all series of a period have much in common, so that a slice
says no more than it has periods, and six months say little about tails."""

_MOST = 1.5
"""Factors stay within 1 ... 1.5. Never below 1: networks err by being too sure, and a slice that was quieter than
expected makes a poor rule (narrowing lost on every set it was tried on)."""

_SUMS_OVERLAP = 4
"""Sums over the first h periods share most of their periods: they say as much as a quarter of them."""

_LEAST = 500
"""Outcomes from which a slice says anything about tails."""


@dataclass(frozen=True)
class DemandCalibration:
    """Factors on the distance of each quantile from the median: `periods` float64 [Q] of those per period, `sums`
    float64 [K] of those of cumulative demand."""

    periods: np.ndarray
    sums: np.ndarray

    @staticmethod
    def fit(forecast: DemandForecast, actual: np.ndarray) -> DemandCalibration:
        """Learn from a slice that training did not see. `actual`: float [n, H], NaN where not observed."""
        known = np.isfinite(actual)
        so_far = actual.cumsum(axis=1)  # NaN from the first hole on
        whole = np.isfinite(so_far)
        return DemandCalibration(
            _factors(forecast.quantiles[known], actual[known], forecast.levels, forecast.horizon),
            _factors(
                forecast.cumulative[whole],
                so_far[whole],
                forecast.cumulative_levels,
                forecast.horizon / _SUMS_OVERLAP,
            ),
        )

    def apply(self, forecast: DemandForecast) -> DemandForecast:
        """The forecast with its quantiles set right; the mean stays."""
        return coherent(
            forecast.mean,
            _stretched(forecast.quantiles, forecast.levels, self.periods),
            _stretched(forecast.cumulative, forecast.cumulative_levels, self.sums),
        )

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {"periods": self.periods.tolist(), "sums": self.sums.tolist()}

    @staticmethod
    def restore(document: Mapping[str, Any] | None) -> DemandCalibration | None:
        """The calibration of a `document`, None for none. Raises ArtifactError for anything else."""
        if document is None:
            return None
        try:
            return DemandCalibration(np.array(document["periods"], float), np.array(document["sums"], float))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"The stored calibration cannot be read: {error!r}.") from error


def _centre(levels: Sequence[float]) -> int:
    return int(np.argmin(np.abs(np.array(levels) - 0.5)))


def _factors(quantiles: np.ndarray, actual: np.ndarray, levels: Sequence[float], steps: float) -> np.ndarray:
    """The factor of each level, [Q], from quantiles [n, Q] and outcomes [n] of so many periods."""
    factors, centre, trust = np.ones(len(levels)), _centre(levels), steps / (steps + _PRIOR_STEPS)
    if len(actual) < _LEAST:
        return factors
    median = quantiles[:, centre].astype(np.float64)
    for at, level in enumerate(levels):
        if at == centre:
            continue
        side = 1.0 if at > centre else -1.0
        distance = side * (quantiles[:, at] - median)
        off = side * (actual - median)
        # Where quantile and median fall together no factor moves anything: inside always, or never.
        score = np.where(distance > 0, off / np.maximum(distance, 1e-9), np.where(off > 0, np.inf, -np.inf))
        found = np.quantile(score, level if side > 0 else 1 - level, method="higher")
        factors[at] = np.exp(trust * np.log(np.clip(found, 1.0, _MOST)))
    return factors


def _stretched(quantiles: np.ndarray, levels: Sequence[float], factors: np.ndarray) -> np.ndarray:
    centre = _centre(levels)
    median = quantiles[..., centre : centre + 1]
    return median + (quantiles - median) * factors.astype(np.float32)

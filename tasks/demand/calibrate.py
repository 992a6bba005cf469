"""Demand forecasts set right by what a later slice shows they were off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.demand.forecast import DemandForecast


@dataclass(frozen=True)
class DemandCalibration:
    """Factors on the distance of each quantile from the median, float64 [Q]."""

    stretch: np.ndarray

    @staticmethod
    def fit(forecast: DemandForecast, scale: np.ndarray, actual: np.ndarray) -> DemandCalibration:
        return DemandCalibration(np.ones(len(forecast.levels)))

    def apply(self, forecast: DemandForecast, scale: np.ndarray) -> DemandForecast:
        return forecast

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {"stretch": self.stretch.tolist()}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> DemandCalibration | None:
        return DemandCalibration(np.array(document["stretch"])) if "stretch" in document else None

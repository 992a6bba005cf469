"""Churn by how long ago customers bought last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.churn.base_rate import BaseRate
from tasks.churn.outcomes import Outcomes
from tasks.churn.snapshot import Snapshot

BINS = 10
PRIOR = 20.0
"""Customers that all the shop counts in the churn of a bin."""


@dataclass(frozen=True, eq=False)
class Recency:
    """`base`: of all customers; `bounds` float64 [B - 1]: where bins of recency (log of days) end; `churn` float64 [B]:
    the share of customers of a bin who bought nothing in the window."""

    base: BaseRate
    bounds: np.ndarray
    churn: np.ndarray

    @staticmethod
    def fit(snapshot: Snapshot, outcome: Outcomes, window_days: float, horizon_days: float) -> Recency:
        """From n cases that were all watched for `window_days`, in at most BINS bins of equal mass; n may be 0."""
        base = BaseRate.fit(outcome, window_days, horizon_days)
        recency = _recency(snapshot)
        inner = np.arange(1, BINS) / BINS
        bounds = np.unique(np.quantile(recency, inner)) if len(recency) else np.empty(0)
        code = np.searchsorted(bounds, recency)
        lost = np.bincount(code, outcome.churned(window_days), minlength=len(bounds) + 1)
        count = np.bincount(code, minlength=len(bounds) + 1)
        return Recency(base, bounds, (lost + PRIOR * base.survival[-1]) / (count + PRIOR))

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """As a CurveForecaster's."""
        return self.base.edges, self.base.scaled(self.churn[np.searchsorted(self.bounds, _recency(snapshot))])


def _recency(snapshot: Snapshot) -> np.ndarray:
    return snapshot.column("recency").astype(np.float64)

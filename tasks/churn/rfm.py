"""Churn by recency, frequency and monetary value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.churn.base_rate import BaseRate
from tasks.churn.logistic import Logistic, fit_logistic
from tasks.churn.outcomes import Outcomes
from tasks.churn.snapshot import Snapshot

RFM = ("recency", "days_bought", "value_365")
"""Logarithms of days since the last purchase, of days with a purchase, and of what was spent in a year."""


@dataclass(frozen=True, eq=False)
class RfmLogistic:
    """`base`: of all customers; `regression`: of buying nothing in the window, on RFM."""

    base: BaseRate
    regression: Logistic

    @staticmethod
    def fit(snapshot: Snapshot, outcome: Outcomes, window_days: float, horizon_days: float) -> RfmLogistic:
        """From n cases that were all watched for `window_days`; n may be 0."""
        base = BaseRate.fit(outcome, window_days, horizon_days)
        expected = 0.5 ** (window_days / horizon_days)
        return RfmLogistic(base, fit_logistic(_inputs(snapshot), outcome.churned(window_days), expected))

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """As a CurveForecaster's."""
        return self.base.edges, self.base.scaled(self.regression.probability(_inputs(snapshot)))


def _inputs(snapshot: Snapshot) -> np.ndarray:
    return np.stack([snapshot.column(name) for name in RFM], axis=1).astype(np.float64)

"""How all customers of a shop come back, as a curve; other baselines say by how much one customer differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.churn.forecast import SUREST
from tasks.churn.outcomes import Outcomes

_PARTS = (0.0, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1.0)
_PRIOR = 2.0  # customers of whom half buy within the horizon


@dataclass(frozen=True, eq=False)
class BaseRate:
    """`survival` float64 [K + 1]: the share of customers who have bought nothing by `edges` float64 [K + 1] days, from
    0 to the end of the window that was watched."""

    edges: np.ndarray
    survival: np.ndarray

    @staticmethod
    def fit(outcome: Outcomes, window_days: float, horizon_days: float) -> BaseRate:
        """From n cases that were all watched for `window_days`; n may be 0. Little is known of a shop that opened the
        other day: what its customers do in a day says next to nothing about `horizon_days`."""
        edges = window_days * np.array(_PARTS)
        bought = np.sort(outcome.days[outcome.bought])
        alive = len(outcome.days) - np.searchsorted(bought, edges)
        survival = (alive + _PRIOR * 0.5 ** (edges / horizon_days)) / (len(outcome.days) + _PRIOR)
        return BaseRate(edges, survival)

    def scaled(self, churn: np.ndarray) -> np.ndarray:
        """Curves float64 [n, K + 1] of the same shape that end at `churn` float64 [n], the probabilities of buying
        nothing in all the window: S(t) to a power, hazards being proportional (Cox, "Regression Models and
        Life-Tables", Journal of the Royal Statistical Society B 34, 1972)."""
        share = np.log(self.survival) / np.log(self.survival[-1])
        return np.clip(churn, SUREST, 1 - SUREST)[:, None] ** share

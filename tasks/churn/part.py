"""A part of the model: it learnt in the shop's own time, and answers in days of the calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.churn.activity import Activity
from tasks.churn.customers import Customers
from tasks.churn.explain import predict
from tasks.churn.fitted import FittedNetwork
from tasks.churn.forecast import ChurnForecast, at_each
from tasks.churn.hazard_regression import HazardRegression
from tasks.churn.options import ChurnOptions
from tasks.churn.snapshot import Snapshot, Typical
from tasks.churn.view import View

EVENTS = 32
"""Of each customer's latest events so many are read."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What the parts of a model share. `edges`: float64 [K + 1] calendar days, at which they answer. `typical`: a
    customer as most were when they were fitted."""

    view: View
    activity: Activity
    edges: np.ndarray
    typical: Typical
    options: ChurnOptions


@dataclass(frozen=True, eq=False)
class Part:
    """A forecaster of operational days in its setting: a CurveForecaster."""

    forecaster: HazardRegression | FittedNetwork
    setting: Setting

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """The setting's `edges` and survival, float64 [n, K + 1]."""
        return self.setting.edges, self.survival(self.setting.view.of(snapshot))

    def survival(self, shown: Snapshot) -> np.ndarray:
        """Survival at the setting's `edges` of what the view shows, float64 [n, K + 1]."""
        days = self.setting.activity.elapsed(shown.cutoff[:, None], self.setting.edges)
        return at_each(*self.forecaster.curves(shown), days)

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The curves of cases, each seen as of its own cutoff, and what explains them."""
        return predict(self, dataset, cases, self.setting.options, self.setting.typical, EVENTS)

"""Fitting, storing and asking the churn model: a sequence network and a regression, in the shop's own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.artifacts import expect_format
from forecasting.task import Cases, Fit, Forecaster, Instant, Recipe
from tasks.churn.activity import Activity
from tasks.churn.calibrate import NETWORK_SHARE, blended, level_shift
from tasks.churn.customers import Customers
from tasks.churn.drift import fit_with_activity
from tasks.churn.explain import predict
from tasks.churn.fitted import restore_network
from tasks.churn.forecast import ChurnForecast
from tasks.churn.hazard_regression import restore_regression
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.part import EVENTS, Part, Setting
from tasks.churn.snapshot import Snapshot, Typical, snapshot
from tasks.churn.training import fit_network
from tasks.churn.training_cases import first_purchase, training_cases
from tasks.churn.view import View
from tasks.churn.watching import watch

FORMAT = 1

EDGES = np.array([0, 1 / 12, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 1.5, 2, 3])
"""Edges of the intervals, in horizons."""


@dataclass(frozen=True, eq=False)
class ChurnModel:
    """The network and the regression, whose log-odds are averaged: a `forecasting.task.Model`. `shift`: float64
    [K + 1], what brings the network's level to the regression's, at the edges of their setting."""

    network: Part
    regression: Part
    shift: np.ndarray
    recipe: Recipe
    trained_until: Instant

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` and survival, float64 [n, K + 1]."""
        shown = self.setting.view.of(snapshot)
        network, regression = self.network.survival(shown), self.regression.survival(shown)
        return self.setting.edges, blended(network, regression, self.shift, self.recipe.learnt["network_share"])

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The curves of cases, each seen as of its own cutoff, and what explains them."""
        return predict(self, dataset, cases, self.setting.options, self.setting.typical, EVENTS)

    @property
    def setting(self) -> Setting:
        """What the parts share."""
        return self.network.setting

    def renew(self, dataset: Customers, fit: Fit) -> ChurnModel:
        """This model brought up to `fit.until`; itself where no purchase has become known since."""
        from tasks.churn.renewal import renew_churn

        return renew_churn(self, dataset, fit)

    def watch(self, dataset: Customers, as_of: Instant) -> Mapping[str, float]:
        """Whether as many customers have bought of late as the model expects, looking back (`tasks.churn.watching`)."""
        return watch(self, dataset, as_of)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The learned arrays, by part and name."""
        network, regression = self.network.forecaster.tensors(), self.regression.forecaster.tensors()
        found = {f"network.{name}": value for name, value in network.items()}
        return found | {f"regression.{name}": value for name, value in regression.items()}

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        setting = self.setting
        return {
            "format": FORMAT,
            "network": dict(self.network.forecaster.document()),
            "regression": dict(self.regression.forecaster.document()),
            "shift": self.shift.tolist(),
            "activity": dict(setting.activity.document()),
            "view": {"first": str(setting.view.first), "halving": setting.view.halving},
            "edges": setting.edges.tolist(),
            "typical": dict(setting.typical.document()),
            "recipe": {"epochs": self.recipe.epochs, "learnt": dict(self.recipe.learnt)},
            "trained_until": str(self.trained_until),
        }

    def parts(self) -> Mapping[str, Forecaster]:
        """The network and the regression, each alone."""
        return {"network": self.network, "regression": self.regression}


def fit_churn(customers: Customers, fit: Fit, options: ChurnOptions) -> ChurnModel:
    """A model that saw nothing past `fit.until`. Raises NotEnoughData where no customer was watched for long enough
    after any cutoff."""
    cases = training_cases(customers, options, fit.until)
    seen = snapshot(customers, cases, options.features, EVENTS)
    outcome = outcomes(customers, cases, fit.until)
    first, end = first_purchase(customers, fit.until), customers.observed(fit.until)
    view = View(first, options.active_days / 3.0)
    shown = view.of(seen)
    edges = EDGES * options.horizon_days
    regression, activity = fit_with_activity(shown, cases, outcome, edges, first, end)
    network = fit_network(
        shown,
        activity.operational(cases, outcome),
        regression.edges,
        options,
        seed=fit.seed,
        epochs=fit.recipe.epochs if fit.recipe else None,
        checkpoint=fit.checkpoint,
        progress=fit.progress,
    )
    latest = seen.take(seen.cutoff == seen.cutoff.max())
    setting = Setting(view, activity, edges, latest.typical(), options)
    parts = Part(network, setting), Part(regression, setting)
    shift = level_shift(*(part.curves(latest)[1] for part in parts))
    recipe = fit.recipe or Recipe(network.epochs, {"network_share": NETWORK_SHARE})
    return ChurnModel(*parts, shift, recipe, fit.until)


def restore_churn(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: ChurnOptions) -> ChurnModel:
    """The model of a stored artifact. Raises ArtifactError for one of another format."""
    expect_format(document, FORMAT, "churn model")

    def mine(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    network = restore_network(mine("network."), document["network"])
    regression = restore_regression(mine("regression."), document["regression"])
    view = View(np.datetime64(document["view"]["first"], "us"), document["view"]["halving"])
    activity = Activity.restore(document["activity"])
    typical = Typical.restore(document["typical"])
    setting = Setting(view, activity, np.array(document["edges"], np.float64), typical, options)
    recipe = Recipe(document["recipe"]["epochs"], document["recipe"]["learnt"])
    until = np.datetime64(document["trained_until"], "us")
    shift = np.array(document["shift"], np.float64)
    return ChurnModel(Part(network, setting), Part(regression, setting), shift, recipe, until)

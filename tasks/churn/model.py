"""Fitting, storing and asking the churn model: a sequence network and a regression, in the shop's own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.schema import ArtifactError
from forecasting.task import Cases, Fit, Forecaster, Instant, Recipe
from tasks.churn.activity import Activity
from tasks.churn.customers import Customers
from tasks.churn.drift import fit_with_activity
from tasks.churn.explain import predict
from tasks.churn.fitted import FittedNetwork, restore_network
from tasks.churn.forecast import ChurnForecast
from tasks.churn.hazard_regression import HazardRegression, restore_regression
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.snapshot import SEASON, Snapshot, Typical, snapshot
from tasks.churn.training import fit_network
from tasks.churn.training_cases import first_purchase, training_cases

FORMAT = 1

EDGES = np.array([0, 1 / 12, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 1.5, 2, 3])
"""Edges of the intervals, in horizons."""

NETWORK_SHARE = 0.5
"""The network's share of the log-odds; the regression has the rest."""

EVENTS = 32
"""Of each customer's latest events the network reads so many."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class View:
    """How the parts are shown a snapshot. Without what only the cutoff says, as two years of cutoffs say little about
    seasons and trends; `Activity` holds those. And with how likely it is that the customer had bought before the shop's
    records begin: 1 where the first purchase is on their very first day, and half as much for every `halving` days
    later. Customers who seem to come in the first weeks were mostly there before, and have the habits of regulars.
    """

    first: Instant
    halving: float

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as the parts are shown it; `latest` is the very same object."""
        kept = [column for column, name in enumerate(snapshot.names) if name not in SEASON]
        tenure = np.expm1(snapshot.column("tenure").astype(np.float64))
        after = np.maximum((snapshot.cutoff - self.first) / _DAY - tenure, 0.0)
        earlier = (0.5 ** (after / self.halving)).astype(np.float32)
        names = (*(snapshot.names[column] for column in kept), "bought_before_records")
        return replace(snapshot, features=np.column_stack([snapshot.features[:, kept], earlier]), names=names)


@dataclass(frozen=True, eq=False)
class Part:
    """One forecaster of operational days, asked in calendar days. `edges`: float64 [K + 1] calendar days."""

    forecaster: HazardRegression | FittedNetwork
    view: View
    activity: Activity
    edges: np.ndarray
    typical: Typical
    options: ChurnOptions

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` and survival, float64 [n, K + 1]."""
        return self.edges, self.survival(self.view.of(snapshot))

    def survival(self, view: Snapshot) -> np.ndarray:
        """Survival at `edges` of what is shown as the parts are, float64 [n, K + 1]."""
        days = self.activity.elapsed(view.cutoff[:, None], self.edges)
        return at_each(*self.forecaster.curves(view), days)

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The curves of cases, each seen as of its own cutoff, and what explains them."""
        return predict(self, dataset, cases, self.options, self.typical, EVENTS)


@dataclass(frozen=True, eq=False)
class ChurnModel:
    """The network and the regression, whose log-odds are averaged: a `forecasting.task.Model`."""

    network: Part
    regression: Part
    recipe: Recipe
    trained_until: Instant

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` and survival, float64 [n, K + 1]."""
        view = self.network.view.of(snapshot)
        share = self.recipe.learnt["network_share"]
        odds = share * log_odds(self.network.survival(view)) + (1 - share) * log_odds(self.regression.survival(view))
        survival = 1.0 / (1.0 + np.exp(-odds))
        survival[:, 0] = 1.0
        return self.network.edges, survival

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The curves of cases, each seen as of its own cutoff, and what explains them."""
        return predict(self, dataset, cases, self.network.options, self.network.typical, EVENTS)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The learned arrays, by part and name."""
        network, regression = self.network.forecaster.tensors(), self.regression.forecaster.tensors()
        found = {f"network.{name}": value for name, value in network.items()}
        found |= {f"regression.{name}": value for name, value in regression.items()}
        return found

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        part = self.network
        return {
            "format": FORMAT,
            "network": dict(part.forecaster.document()),
            "regression": dict(self.regression.forecaster.document()),
            "activity": dict(part.activity.document()),
            "view": {"first": str(part.view.first), "halving": part.view.halving},
            "edges": part.edges.tolist(),
            "typical": dict(part.typical.document()),
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
    known = (view, activity, edges, latest.typical(), options)
    recipe = fit.recipe or Recipe(network.epochs, {"network_share": NETWORK_SHARE})
    return ChurnModel(Part(network, *known), Part(regression, *known), recipe, fit.until)


def restore_churn(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: ChurnOptions) -> ChurnModel:
    """The model of a stored artifact. Raises ArtifactError for one of another format."""
    if document.get("format") != FORMAT:
        raise ArtifactError(
            f"The stored churn model has format {document.get('format')!r}, not {FORMAT}.", remedy="Train a new one."
        )

    def mine(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    network = restore_network(mine("network."), document["network"])
    regression = restore_regression(mine("regression."), document["regression"])
    view = View(np.datetime64(document["view"]["first"], "us"), document["view"]["halving"])
    activity = Activity.restore(document["activity"])
    typical = Typical.restore(document["typical"])
    known = (view, activity, np.array(document["edges"], np.float64), typical, options)
    recipe = Recipe(document["recipe"]["epochs"], document["recipe"]["learnt"])
    until = np.datetime64(document["trained_until"], "us")
    return ChurnModel(Part(network, *known), Part(regression, *known), recipe, until)


def at_each(edges: np.ndarray, survival: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Curves (`edges` float64 [K + 1], `survival` float64 [n, K + 1]) at each case's own `days` (float64 [n, m],
    ascending from 0), float64 [n, m]; the hazard is constant between edges and goes on after the last one."""
    log = np.log(np.maximum(survival, 1e-300))
    k = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, len(edges) - 2)
    here, there = np.take_along_axis(log, k, axis=1), np.take_along_axis(log, k + 1, axis=1)
    return np.exp(here + (there - here) * (days - edges[k]) / (edges[k + 1] - edges[k]))


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64, of probabilities kept off 0 and 1."""
    kept = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.log(kept) - np.log1p(-kept)

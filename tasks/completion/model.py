"""Fitting, storing and asking the completion model: a sequence network in operational time that runs as fast as orders
do of late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.artifacts import expect_format
from forecasting.features.operational_time import OperationalTime
from forecasting.task import Cases, Fit, Forecaster, Instant, Recipe
from tasks.completion.alarm import drift_watch
from tasks.completion.calibration import LEAST_JUDGED, Width
from tasks.completion.features import snapshot_of
from tasks.completion.fitted import FittedNetwork, restore_network
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import Outcomes, outcomes
from tasks.completion.snapshot import Snapshot
from tasks.completion.speed import log_speed, log_speed_ahead
from tasks.completion.training import Effort, fit_network
from tasks.completion.training_cases import training_cases
from tasks.completion.view import View

FORMAT = 1

FURTHEST_DAYS = 36_500.0
"""No forecast lies further ahead: a century."""

MEMBERS = 2
"""Networks that are averaged."""

JUDGED_SPANS = 1.75
"""Widths are learnt on so many times the days within which nine of ten orders were complete after their events."""

LEAST_TAUGHT = 200
"""Completed cases from which the network is fitted on which widths are learnt."""

_PLACE = "destination"
"""The label whose holidays count: who receives an order is at home there."""


@dataclass(frozen=True, eq=False)
class CompletionModel:
    """The network, the clock by which it learnt, and what it sees: a `forecasting.task.Model`."""

    network: FittedNetwork
    clock: OperationalTime
    view: View
    width: Width
    options: CompletionOptions
    recipe: Recipe
    trained_until: Instant

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """Quantiles of the days that remain, each case seen as of its own cutoff."""
        if not len(cases):
            return forecast_of(np.ones((0, len(LEVELS))))
        snapshot = snapshot_of(dataset, cases, self.options)
        rate = self.view.rate(snapshot, log_speed_ahead(dataset, cases))
        operational = self.width.of(self.network.quantiles(self.view.of(snapshot))) / rate[:, None]
        clock = self.clock.with_holidays(dataset.holidays, _regions(dataset))
        place = _places(dataset, cases)
        days = clock.after(cases.cutoff[:, None], np.minimum(operational, FURTHEST_DAYS), place[:, None])
        return forecast_of(days)

    def renew(self, dataset: Orders, fit: Fit) -> CompletionModel:
        """This model brought up to `fit.until`; itself where nothing has been heard of any order since."""
        from tasks.completion.renewal import renew_completion

        return renew_completion(self, dataset, fit)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The learned arrays by name."""
        return {f"network.{name}": value for name, value in self.network.tensors().items()}

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        return {
            "format": FORMAT,
            "network": dict(self.network.document()),
            "clock": dict(self.clock.document()),
            "view": {"expected": self.view.expected},
            "width": dict(self.width.document()),
            "recipe": {"epochs": self.recipe.epochs, "learnt": dict(self.recipe.learnt)},
            "trained_until": str(self.trained_until),
        }

    def watch(self, dataset: Orders, as_of: Instant) -> Mapping[str, float]:
        """What people should know beside forecasts: the drift alarm as of an instant, and what calibration found."""
        found = {"width_below": self.width.below, "width_above": self.width.above, "shift": self.width.shift}
        return {**drift_watch(dataset, as_of), **found}

    def parts(self) -> Mapping[str, Forecaster]:
        """None: the model is the sequence network itself."""
        return {}


def fit_completion(orders: Orders, fit: Fit, options: CompletionOptions) -> CompletionModel:
    """A model that saw nothing past `fit.until`. Raises NotEnoughData where no order was seen complete."""
    lessons = training_cases(orders, options, fit.until)
    snapshot = snapshot_of(orders, lessons.cases, options)
    clock = clock_of(orders, fit.until)
    view = View.fit(snapshot)
    rate = view.rate(snapshot, log_speed(orders, lessons.cases))
    shown = view.of(snapshot)
    width = _width(orders, fit, options, _Taught(shown, lessons.cases, rate, clock), lessons.outcome)
    network = fit_network(
        shown,
        operational(orders, clock, lessons.cases, lessons.outcome, rate),
        None,
        options,
        seed=fit.seed,
        epochs=fit.recipe.epochs if fit.recipe else None,
        checkpoint=fit.checkpoint,
        progress=fit.progress,
        effort=replace(Effort.for_cases(len(shown)), members=MEMBERS),
    )
    recipe = fit.recipe or Recipe(network.epochs)
    return CompletionModel(network, clock, view, width, options, recipe, fit.until)


@dataclass(frozen=True, eq=False)
class _Taught:
    """Cases as the network sees them, and the time by which it learns."""

    shown: Snapshot
    cases: Cases
    rate: np.ndarray
    clock: OperationalTime

    def take(self, index: np.ndarray) -> _Taught:
        return _Taught(self.shown.take(index), self.cases.take(index), self.rate[index], self.clock)


def _width(orders: Orders, fit: Fit, options: CompletionOptions, taught: _Taught, outcome: Outcomes) -> Width:
    """How wide forecasts have to be: a network fitted some weeks before `fit.until` is tried on the cases since."""
    if not outcome.completed.any():
        return Width()
    span = JUDGED_SPANS * float(np.quantile(outcome.days[outcome.completed], 0.9))
    edge = fit.until - np.timedelta64(round(min(span, FURTHEST_DAYS) * 86_400e6), "us")
    early = np.flatnonzero(taught.cases.cutoff < edge)
    known = outcomes(orders, taught.cases.take(early), edge, limit_days(orders, options, edge))
    early, known = early[known.days > 0], known.take(known.days > 0)
    late = np.flatnonzero(taught.cases.cutoff >= edge)
    if known.completed.sum() < LEAST_TAUGHT or outcome.completed[late].sum() < LEAST_JUDGED:
        return Width()
    then, since = taught.take(early), taught.take(late)
    network = fit_network(
        then.shown,
        operational(orders, taught.clock, then.cases, known, then.rate),
        None,
        options,
        seed=fit.seed,
        epochs=fit.recipe.epochs if fit.recipe else None,
        checkpoint=None if fit.checkpoint is None else fit.checkpoint / "width",
        effort=replace(Effort.for_cases(len(early)), members=1),
    )
    became = operational(orders, taught.clock, since.cases, outcome.take(late), since.rate)
    return Width.fit(network.quantiles(since.shown), became)


def restore_completion(
    tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: CompletionOptions
) -> CompletionModel:
    """The model of a stored artifact. Raises ArtifactError for one of another format."""
    expect_format(document, FORMAT, "completion model")
    prefix = "network."
    mine = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return CompletionModel(
        restore_network(mine, document["network"]),
        OperationalTime.restore(document["clock"]),
        View(float(document["view"]["expected"])),
        Width.restore(document["width"]),
        options,
        Recipe(document["recipe"]["epochs"], document["recipe"]["learnt"]),
        np.datetime64(document["trained_until"], "us"),
    )


def clock_of(orders: Orders, until: Instant) -> OperationalTime:
    """How fast time runs, by the hours at which orders were completed that are known at `until`."""
    done = orders.completed(slice(None), until)
    place = orders.labels[_PLACE][done] if _PLACE in orders.labels else None
    return OperationalTime.fit(orders.completed_at[done], orders.timezone, orders.holidays, _regions(orders), place)


def operational(orders: Orders, clock: OperationalTime, cases: Cases, outcome: Outcomes, rate: np.ndarray) -> Outcomes:
    """Outcomes in the time by which the network learns."""
    stop = cases.cutoff + np.rint(np.minimum(outcome.days, FURTHEST_DAYS) * 86_400e6).astype("timedelta64[us]")
    return Outcomes(clock.elapsed(cases.cutoff, stop, _places(orders, cases)) * rate, outcome.completed)


def _places(orders: Orders, cases: Cases) -> np.ndarray:
    """Where each case goes, int [n] codes, -1 unknown."""
    if _PLACE not in orders.labels:
        return np.full(len(cases), -1)
    return orders.labels[_PLACE][cases.entity]


def _regions(orders: Orders) -> np.ndarray:
    return orders.label_names.get(_PLACE, np.empty(0, object))

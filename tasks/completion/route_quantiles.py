"""What orders of the same stage and route took: empirical quantiles, with or without the origin's own level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.durations import Durations, fit_durations
from tasks.completion.forecast import CompletionForecast, forecast_of
from tasks.completion.groups import STAGE, Groups
from tasks.completion.label_effects import LabelEffects, LabelFit
from tasks.completion.orders import Orders
from tasks.completion.watched import Watched, elapsed_days

HIERARCHY = (STAGE, "destination", "route")
"""All; of the stage; of the stage and destination; of the stage and route."""

SWEEPS = 2
"""Times that the origins' levels and the routes' quantiles are learnt from what the others leave."""


@dataclass(frozen=True, eq=False)
class RouteQuantiles:
    """Distributions of the time from the latest status event to completion. `effects`: what the labels of a case add
    to its logarithm; None: nothing."""

    groups: Groups
    positions: Sequence[np.ndarray]
    durations: Durations
    effects: LabelEffects | None = None

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """What is left of what the cases' groups take, given what has passed since the latest event."""
        event, order = cases.columns["event"], cases.entity
        return forecast_of(self.remaining(dataset, event, order, elapsed_days(dataset, cases)))

    def remaining(self, orders: Orders, event: np.ndarray, order: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """Quantiles float64 [n, Q] of the days left when `elapsed` (float64 [n]) have passed since the rows `event` of
        the orders `order`, int64 [n]."""
        return self.durations.remaining(*self._where(orders, event, order), elapsed)

    def log_median(self, orders: Orders, event: np.ndarray, order: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """The logarithm of the days from the event to completion, as likely exceeded as not when `elapsed` have passed:
        float64 [n]."""
        return self.durations.log_median(*self._where(orders, event, order), elapsed)

    def _where(self, orders: Orders, event: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        location = 0.0 if self.effects is None else self.effects.of(orders, event, order)
        return self.groups.place(orders, event, order, self.positions), location

    def log_days(self, orders: Orders, seen: Watched) -> np.ndarray:
        """The logarithm of the durations, float64 [n]; of open orders, their median given how long they were open."""
        likely = self.log_median(orders, seen.event, seen.order, seen.days)
        return np.where(seen.completed, np.log(seen.days), likely)


def fit_route(
    orders: Orders,
    seen: Watched,
    guess_days: float,
    labels: Sequence[str] = HIERARCHY,
    effects: LabelEffects | None = None,
) -> RouteQuantiles:
    """Quantiles by the hierarchy of `labels`. `guess_days`: where nothing was ever completed."""
    groups, levels = Groups.fit(orders, labels, seen.event, seen.order)
    location = 0.0 if effects is None else effects.of(orders, seen.event, seen.order)
    x = np.log(seen.days) - location
    durations, positions = fit_durations(x, seen.completed, levels, guess=float(np.log(guess_days)), lost=seen.lost)
    return RouteQuantiles(groups, positions, durations, effects)


def fit_origin_route(orders: Orders, seen: Watched, guess_days: float) -> RouteQuantiles:
    """The same of what the levels of the origins, everywhere and at each stage, leave of the logarithms."""
    found = fit_route(orders, seen, guess_days)
    levels = LabelFit(orders, ("origin",), seen.event, seen.order, np.ones(len(seen)))
    for _ in range(SWEEPS):
        of_route = found.log_median(orders, seen.event, seen.order, np.zeros(len(seen))) - levels.fitted
        levels.sweep(found.log_days(orders, seen) - of_route)
        found = fit_route(orders, seen, guess_days, HIERARCHY, levels.effects())
    return found

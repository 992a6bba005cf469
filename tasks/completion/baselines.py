"""What any forecast of completion has to beat, fitted on what was known at an instant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.task import Forecaster, Instant
from tasks.completion.activity_mean import fit_activity_mean
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.promise import Promise
from tasks.completion.ridge import fit_ridge
from tasks.completion.route_quantiles import fit_origin_route, fit_route
from tasks.completion.watched import lately, watched

GUESS_DAYS = 7.0
"""What an order takes where nothing at all is known."""

_DAY = np.timedelta64(1, "D")


def baselines(orders: Orders, options: CompletionOptions, until: Instant) -> Mapping[str, Forecaster]:
    """The gate's rivals by name, fitted on what was known at `until`. The first is what goes out where there is too
    little data to judge; each answers for any shop, even for one without a completion.

    `route`, `origin_route` and `ridge` learn from the events of the last 240 days, of open orders as well; where those
    are few, from all. `activity_mean` learns from every completed order. `promise` is there where the shop promises.
    """
    every = watched(orders, options, until)
    recent = lately(orders, every)
    guess = guess_days(orders, until)
    route = fit_route(orders, recent, guess)
    found: dict[str, Forecaster] = {
        "route": route,
        "origin_route": fit_origin_route(orders, recent, guess),
        "ridge": fit_ridge(orders, recent, guess),
        "activity_mean": fit_activity_mean(orders, every, guess),
    }
    if _promised(orders, until).any():
        found["promise"] = Promise(route)
    return found


def guess_days(orders: Orders, until: Instant) -> float:
    """What an order may take where none was ever completed: what is promised, or for as long as orders have been open,
    at least GUESS_DAYS."""
    promised = _promised(orders, until)
    if promised.any():
        days = (orders.due_at - orders.placed_at)[promised] / _DAY
        return float(np.maximum(np.median(days), 1 / 24))
    placed = orders.placed_at[orders.placed(slice(None), until)]
    if not len(placed):
        return GUESS_DAYS
    return float(max(GUESS_DAYS, np.median((until - placed) / _DAY)))


def _promised(orders: Orders, until: Instant) -> np.ndarray:
    """Whether each order is known at an instant and has a promise, bool [N]."""
    return orders.placed(slice(None), until) & ~np.isnat(orders.due_at)

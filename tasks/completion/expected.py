"""What is left of an order at an event, to judge by those of its route: the norm that surprises are told from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.completion.heard import Heard
from tasks.completion.levels import Levels
from tasks.completion.orders import Orders
from tasks.completion.spans import Spans

DAYS = 90.0
"""The norm is made of what was completed in so many days."""

_CHAIN = ("destination", "route")


@dataclass(frozen=True, eq=False)
class Expected:
    """The mean log of the days that remained lately, from events of a status to completion, as of any cutoff: of all
    orders, in which those of the same destination, and in turn those of the same route, stand out as far as there are
    enough of them. `levels`: from the widest to the narrowest. `at_event`: float64 [R], for each row of
    `Orders.events` as of the cutoff that first sees it, NaN where nothing had been completed by then."""

    levels: tuple[Levels, ...]
    at_event: np.ndarray

    @staticmethod
    def of(orders: Orders, heard: Heard, spans: Spans) -> Expected:
        """From the `spans` that remained (`tasks.completion.spans.remaining`)."""
        labels = [np.zeros(len(orders), np.int64), *(orders.labels[name] for name in _CHAIN if name in orders.labels)]
        levels = tuple(Levels.of(spans, label, len(orders.statuses), spans.log_days) for label in labels)
        status = orders.events.columns["status"].astype(np.int64)
        return Expected(levels, _expected(levels, heard.order_of, status, heard.event))

    def at(self, order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """float64 [n], of orders (int64 [n]) at a status (int64 [n]) as of cutoffs (int64 [n] microseconds)."""
        return _expected(self.levels, order, status, cutoff)


def _expected(levels: tuple[Levels, ...], order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    level = np.full(len(order), np.nan)
    for one in levels:
        level, _ = one.at(order, status, cutoff, DAYS, level)
    return level

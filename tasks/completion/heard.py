"""From which cutoff on each thing about an order is seen: the two clocks as one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.completion.orders import Orders

NEVER = 2**62
"""The instant of what never happens, in microseconds: later than every cutoff."""

DAY = 86_400_000_000
"""Microseconds."""

SHORTEST_DAYS = 1 / 1440
"""A minute: logarithms of shorter durations would say more about clocks than about orders."""


def microseconds(instants: np.ndarray) -> np.ndarray:
    """datetime64 as int64 microseconds since 1970 (UTC); NaT as NEVER."""
    at = np.asarray(instants, "datetime64[us]")
    return np.where(np.isnat(at), NEVER, at.astype(np.int64))


def first_seen(occurred_at: np.ndarray, known_at: np.ndarray) -> np.ndarray:
    """The earliest cutoff, int64 microseconds, that sees each row: `forecasting.clock.visible` holds at a cutoff c just
    where first_seen <= c. NEVER where an instant is missing."""
    return np.minimum(np.maximum(microseconds(occurred_at) + 1, microseconds(known_at)), NEVER)


def log_days(span: np.ndarray) -> np.ndarray:
    """The logarithm of spans (int64 microseconds) in days, float64; those below a minute count as one."""
    return np.log(np.maximum(span / DAY, SHORTEST_DAYS))


def days_before(seen: np.ndarray, cutoff: np.ndarray, days: int) -> np.ndarray:
    """How many of `seen` (first cutoffs, int64 microseconds, ascending) fall in the `days` before each of `cutoff`
    (int64 [n] microseconds): int64 [n]."""
    count = np.searchsorted(seen, cutoff, side="right")
    return count - np.searchsorted(seen, cutoff - days * DAY, side="right")


@dataclass(frozen=True, eq=False)
class Heard:
    """When things become visible; instants are int64 microseconds since 1970, NEVER where they never do.

    `order`: [N], the order itself. `completed`: [N], its completion; NEVER where it had been cancelled before. `gone`:
    [N], when it is open no more: complete or cancelled. `event`: [R], each row of `Orders.events`, not before its
    order; `order_of`: int64 [R], the order of each. `placed`, `completed_at` [N] and `occurred` [R]: when they were.
    """

    order: np.ndarray
    completed: np.ndarray
    gone: np.ndarray
    event: np.ndarray
    order_of: np.ndarray
    placed: np.ndarray
    completed_at: np.ndarray
    occurred: np.ndarray

    @staticmethod
    def of(orders: Orders) -> Heard:
        """Of all orders."""
        order = first_seen(orders.placed_at, orders.known_at)
        completed = np.maximum(order, first_seen(orders.completed_at, orders.completion_known_at))
        cancelled = microseconds(orders.cancelled_at)
        completed = np.where(cancelled < completed, NEVER, completed)
        gone = np.minimum(completed, np.minimum(cancelled + 1, NEVER))
        order_of = np.repeat(np.arange(len(orders)), orders.events.lengths)
        event = np.maximum(first_seen(orders.events.occurred_at, orders.events.known_at), order[order_of])
        return Heard(
            order,
            completed,
            gone,
            event,
            order_of,
            microseconds(orders.placed_at),
            np.where(completed < NEVER, microseconds(orders.completed_at), NEVER),
            microseconds(orders.events.occurred_at),
        )

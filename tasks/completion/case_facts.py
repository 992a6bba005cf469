"""What a case stands for: its stage, since when, the instant that people would name, and the promise."""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases
from tasks.completion.orders import Orders

TICK = np.timedelta64(1, "us")
"""What lies between an event and the cutoff of the case that it makes."""

_DAY = np.timedelta64(1, "D")


def stages(orders: Orders, cases: Cases) -> np.ndarray:
    """The status of each case, int32 codes [n] into `orders.statuses`."""
    return orders.events.columns["status"][cases.columns["event"]]


def stages_at(orders: Orders, cases: Cases) -> np.ndarray:
    """When each case's stage was reached, datetime64[us] [n], UTC."""
    return orders.events.occurred_at[cases.columns["event"]]


def instants(orders: Orders, cases: Cases) -> np.ndarray:
    """The instants that the cases are of, datetime64[us] [n], UTC: the event's own where the cutoff lies just after it
    (or when it became known, where that was later), else the cutoff."""
    event = cases.columns["event"]
    known = np.maximum(orders.events.occurred_at[event], orders.events.known_at[event])
    return np.where(cases.cutoff - TICK == known, known, cases.cutoff)


def due_days(orders: Orders, cases: Cases) -> np.ndarray:
    """Days from each cutoff to the end of the promise, float64 [n]: not above 0 where it is past, NaN without one."""
    return (orders.due_at[cases.entity] - cases.cutoff) / _DAY

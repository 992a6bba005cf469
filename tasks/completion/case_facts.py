"""What a case is about: its stage, since when, and the promise."""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases
from tasks.completion.orders import Orders

_DAY = np.timedelta64(1, "D")


def stages(orders: Orders, cases: Cases) -> np.ndarray:
    """The status of each case, int32 codes [n] into `orders.statuses`."""
    return orders.events.columns["status"][cases.columns["event"]]


def stages_at(orders: Orders, cases: Cases) -> np.ndarray:
    """When each case's stage was reached by the source's own clock, datetime64[us] [n], UTC."""
    return orders.events.columns["happened_at"][cases.columns["event"]]


def due_days(orders: Orders, cases: Cases) -> np.ndarray:
    """Days from each cutoff to the end of the promise, float64 [n]: not above 0 where it is past, NaN without one."""
    return (orders.due_at[cases.entity] - cases.cutoff) / _DAY


def first_statuses(orders: Orders) -> list[str]:
    """All statuses by when they first occurred, so that what is still to come cannot change which ones are first."""
    occurred = orders.events.columns["status"][np.argsort(orders.events.occurred_at, kind="stable")]
    codes, first = np.unique(occurred, return_index=True)
    return [str(orders.statuses[code]) for code in codes[np.argsort(first)]]

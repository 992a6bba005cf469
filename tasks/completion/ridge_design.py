"""Numbers that a ridge regression on the logarithm of a duration sees: of the order, the calendar and the progress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.features.local_time import wall_clock
from forecasting.features.time import harmonics
from tasks.completion.earlier import known_before
from tasks.completion.orders import Orders

_DAY = np.timedelta64(1, "D")
_HOUR = 1 / 24
_MONDAY = np.datetime64("1970-01-05", "D")


def design(orders: Orders, event: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Columns float64 [n, P] of the rows `event` of the orders `order` (int64 [n]) as of those events, NaN where
    unknown; the same columns for any rows of a dataset.

    Logarithms of days and amounts; the hour and weekday of the event where the shop is; where the order comes from and
    goes to; its promise, from the event and from when it was placed."""
    at = orders.events.occurred_at[event]
    placed = orders.placed_at[order]
    due = orders.due_at[order]
    columns = [_log_days(at - placed), _log_days(_since_last(orders, event)), np.log1p(_place(orders, event))]
    columns += [_log_days(due - at), _log_days(due - placed), (due <= at).astype(np.float64)]
    distance = np.log1p(orders.distance_km[order])
    columns += [distance, np.square(distance - 6.0)]  # about 400 km
    columns += [orders.origin_latitude[order], orders.origin_longitude[order]]
    columns += [orders.destination_latitude[order], orders.destination_longitude[order]]
    columns += [np.sign(values[order]) * np.log1p(np.abs(values[order])) for values in orders.numbers.values()]
    local = wall_clock(at, orders.timezone)
    weekday = (local.astype("datetime64[D]") - _MONDAY).astype(np.int64) % 7
    calendar = [harmonics(local, "day", 2), weekday[:, None] == np.arange(7)]
    return np.column_stack([*columns, *calendar]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Columns in units of their spread; one that may be unknown gets another that says so. `centre`, `spread`: float64
    [P]; `flagged`: int64, the columns that were unknown somewhere."""

    centre: np.ndarray
    spread: np.ndarray
    flagged: np.ndarray

    @staticmethod
    def fit(values: np.ndarray) -> Scaling:
        """From the columns of training, float64 [n, P]; one that is never known, or always the same, becomes 0."""
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, np.square(values - centre), 0.0).sum(axis=0) / count)
        flagged = np.flatnonzero(~known.all(axis=0) & known.any(axis=0))
        return Scaling(centre, np.where(spread > 1e-9, spread, np.inf), flagged)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Columns float64 [n, P + flags + 1], the last of them 1: 0 where unknown, and never beyond six spreads."""
        scaled = np.clip(np.nan_to_num((values - self.centre) / self.spread), -6.0, 6.0)
        flags = np.isnan(values[:, self.flagged]) - 0.5
        return np.column_stack([scaled, flags, np.ones(len(values))])


def _log_days(span: np.ndarray) -> np.ndarray:
    """Logarithm of spans, float64, from an hour up."""
    return np.log(_HOUR + np.maximum(span / _DAY, 0.0))


def _since_last(orders: Orders, event: np.ndarray) -> np.ndarray:
    """Time since the event before that was known by then, timedelta64; none for an order's first one."""
    at, before = orders.events.occurred_at, orders.once(known_before)[0][event]
    return at[event] - at[np.where(before >= 0, before, event)]


def _place(orders: Orders, event: np.ndarray) -> np.ndarray:
    """How many events the order had before, as far as was known by then, float64."""
    return orders.once(known_before)[1][event].astype(np.float64)

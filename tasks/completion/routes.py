"""How long orders take from where to where, lately and before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.histories import changes
from forecasting.task import Instant
from tasks.completion.orders import Orders
from tasks.completion.output_columns import nullable

LATELY_DAYS, BEFORE_DAYS = 28, 84
"""Orders completed in the days before an instant, and in those before these."""

_DAY = np.timedelta64(1, "D")


def route_rows(orders: Orders, as_of: Instant, going: np.ndarray, late: np.ndarray) -> pa.Table:
    """A row of `route_times` for each pair of origin area and destination with an order that is open at an instant
    (`going`: int64 [n]) or was completed in the LATELY_DAYS + BEFORE_DAYS before it. `late`: float64 [n], each open
    order's probability of missing its promise, NaN without one."""
    since = as_of - LATELY_DAYS * _DAY
    lately = _completed(orders, since, as_of, as_of)
    before = _completed(orders, since - BEFORE_DAYS * _DAY, since, as_of)
    key, width = _keys(orders)
    every = np.concatenate([lately, before, going])
    route = np.unique(key[every])
    of = np.searchsorted(route, key)  # meaningless for orders of no such route
    size = len(route)

    def days(order: np.ndarray) -> np.ndarray:
        return _medians((orders.completed_at[order] - orders.placed_at[order]) / _DAY, of[order], size)

    promised = lately[~np.isnat(orders.due_at[lately])]
    missed = orders.completed_at[promised] > orders.due_at[promised]
    counts = np.bincount(of[promised], minlength=size)
    told = ~np.isnan(late)
    expected = np.bincount(of[going[told]], late[told], minlength=size)
    there = np.bincount(of[going[told]], minlength=size) > 0
    middle = [orders.destination_latitude, orders.destination_longitude]
    latitude, longitude = (_medians(degrees[every], of[every], size) for degrees in middle)
    return pa.table(
        {
            "origin": _texts(orders, "origin_area", route // width - 1),
            "destination": _texts(orders, "destination", route % width - 1),
            "completed": pa.array(np.bincount(of[lately], minlength=size), pa.int64()),
            "open": pa.array(np.bincount(of[going], minlength=size), pa.int64()),
            "median_days": nullable(days(lately)),
            "before_days": nullable(days(before)),
            "late_share": nullable(
                np.where(counts > 0, np.bincount(of[promised], missed, size) / np.maximum(counts, 1), np.nan)
            ),
            "expected_late": nullable(np.where(there, expected, np.nan)),
            "latitude": nullable(latitude),
            "longitude": nullable(longitude),
        }
    )


def _completed(orders: Orders, start: Instant, end: Instant, as_of: Instant) -> np.ndarray:
    """Orders completed in [start, end) as far as `as_of` knows, int64, ascending; not those complete at once."""
    at = orders.completed_at
    known = orders.completed(slice(None), as_of) & (at >= start) & (at < end) & (at > orders.placed_at)
    return np.flatnonzero(known)


def _keys(orders: Orders) -> tuple[np.ndarray, int]:
    """A number for each order's pair of origin area and destination, int64 [N]: (origin + 1) * width + destination + 1,
    and the width."""
    nowhere = np.full(len(orders), -1)
    origin = orders.labels.get("origin_area", nowhere).astype(np.int64)
    destination = orders.labels.get("destination", nowhere).astype(np.int64)
    width = int(destination.max(initial=-1)) + 2
    return (origin + 1) * width + destination + 1, width


def _medians(values: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    """The median of the known `values` (float64 [n]) of each group (int64 [n]), float64 [size]; NaN where there is
    none."""
    known = ~np.isnan(values)
    values, group = values[known], group[known]
    order = np.lexsort((values, group))
    values, group = values[order], group[order]
    begins = np.flatnonzero(changes(group)) if len(group) else np.empty(0, np.int64)
    count = np.diff(np.append(begins, len(group)))
    found = np.full(size, np.nan)
    if len(begins):
        found[group[begins]] = (values[begins + (count - 1) // 2] + values[begins + count // 2]) / 2
    return found


def _texts(orders: Orders, name: str, codes: np.ndarray) -> pa.Array:
    """Labels as text, empty where unknown."""
    names = np.append(orders.label_names.get(name, np.empty(0, object)), "")
    return pa.array(names[codes], pa.string())

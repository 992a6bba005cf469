"""Orders as they first became known, and when they were completed or cancelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import expect_column, find, labels, objects, present

TICK = np.timedelta64(1, "us")
"""Instants are whole microseconds: what is known at one counts at every cutoff later than a tick before it."""

NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True, eq=False)
class Records:
    """N orders by id, each as the first of its versions that became known has it.

    `ids`: object [N] of str, ascending. `row`: int64 [N], where that version stands in the source. `placed_at`,
    `known_at`, `completed_at`, `completion_known_at`, `cancelled_at`: as in `Orders`; `known_at` is the same array as
    `placed_at` where all were known at once.
    """

    ids: np.ndarray
    row: np.ndarray
    placed_at: np.ndarray
    known_at: np.ndarray
    completed_at: np.ndarray
    completion_known_at: np.ndarray
    cancelled_at: np.ndarray

    def find(self, ids: pa.Array) -> np.ndarray:
        """The positions, int32 [n], of orders by id; -1 for an unknown one."""
        return find(ids, pa.array(self.ids, pa.string()))


def records_of(table: pa.Table) -> Records:
    """The orders of the source `orders`, in its `forecasting.canonical` form, by these rules.

    - Of several versions of an order the first that became known counts, in all its figures and its promise; when it
      was completed or cancelled is heard from whichever version tells first.
    - A completion before the order was placed is one at that very instant. It counts from when it is known.
    - A cancellation counts from when it is known, and no sooner than the order. After a completion that counted by
      then, it is a return and not looked at; a completion that comes after it is not looked at either.

    Raises DataError where there is no column that could say so of a completion: every order would count as open.
    """
    expect_column(table, "orders", ["completed_at"], "so that every order would count as open")
    code, names = labels(table["order_id"])
    placed = arrow_instants(table["placed_at"])
    ids, rank = np.unique(objects(names).astype(str), return_inverse=True)
    order = rank.astype(np.int64)[code]
    known = placed
    if present(table, ["known_at"]):
        known = np.fmax(placed, arrow_instants(table["known_at"]))
    counts = np.maximum(placed, known - TICK)  # after which instant each version counts
    row = _earliest(order, counts, len(ids))
    there = row >= 0  # an id of a dictionary need not have a row
    row, ids = row[there], ids[there].astype(object)
    order = (np.cumsum(there) - 1)[order]
    completed, completion_known = _completions(table, order, placed[row], counts, len(row))
    cancelled = _cancellations(table, order, counts, len(row))
    heard = np.maximum(completed, completion_known - TICK)
    returned = heard <= cancelled
    dropped = cancelled < heard
    return Records(
        ids,
        row,
        placed[row],
        placed[row] if known is placed else known[row],
        np.where(dropped, NEVER, completed),
        np.where(dropped, NEVER, completion_known),
        np.where(returned, NEVER, cancelled),
    )


def _earliest(order: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """The row of each of `count` orders whose instant is the earliest, int64, -1 for none; of equal ones the first."""
    row = np.full(count, -1)
    latest_first = np.argsort(at, kind="stable")[::-1]
    row[order[latest_first]] = latest_first  # of several, numpy keeps the last assignment
    return row


def _completions(
    table: pa.Table, order: np.ndarray, placed: np.ndarray, counts: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(completed_at, completion_known_at) of each order, by the version that tells of a completion first."""
    never = np.full(count, NEVER)
    if not present(table, ["completed_at"]):
        return never, never
    at = arrow_instants(table["completed_at"])
    told = np.flatnonzero(~np.isnat(at))
    completed = np.maximum(at[told], placed[order[told]])
    heard = np.where(counts[told] > completed, counts[told] + TICK, completed)
    first = _earliest(order[told], np.maximum(completed, counts[told]), count)
    return np.append(completed, NEVER)[first], np.append(heard, NEVER)[first]


def _cancellations(table: pa.Table, order: np.ndarray, counts: np.ndarray, count: int) -> np.ndarray:
    """After which instant each order is known to be cancelled, datetime64[us] [count]."""
    if not present(table, ["cancelled_at"]):
        return np.full(count, NEVER)
    at = arrow_instants(table["cancelled_at"])
    told = np.flatnonzero(~np.isnat(at))
    since = np.maximum(at[told], counts[told])
    return np.append(since, NEVER)[_earliest(order[told], since, count)]

"""Orders as they first became known, and until when they counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import expect_column, labels, present
from forecasting.schema import DataError

TICK = np.timedelta64(1, "us")
"""Instants are whole microseconds: what is known at one counts at every cutoff later than a tick before it."""

LARGEST = 1e15
"""A number further from 0 (1e300, infinity) is no money and no measure, but a sign for "unknown" or a mistake."""


@dataclass(frozen=True, eq=False)
class Orders:
    """O orders of known customers, each as the first of its versions that became known has it.

    `row`: int64 [O], where it stands in the source. `customer`: int32 [O] code into `customers` (string array in any
    order). `placed_at`, `known_at`, `withdrawn_at`: datetime64[us] [O] as in `Histories`; `known_at` is the same array
    as `placed_at` where all were known at once, and `withdrawn_at` None where none was cancelled.
    """

    row: np.ndarray
    ids: pa.Array
    customer: np.ndarray
    customers: pa.Array
    placed_at: np.ndarray
    known_at: np.ndarray
    withdrawn_at: np.ndarray | None


def orders_of(table: pa.Table) -> Orders:
    """The orders of the source `orders`; those without a customer are left out. Raises DataError where an id or an
    instant is missing, and where there is no column of customers.

    A cancelled order counts until it was cancelled, or until that became known where it came in with a later version.
    """
    code, ids = labels(table["order_id"])
    expect_column(table, "orders", ["customer_id"], "so that no order would have a customer")
    customer, customers = labels(table["customer_id"]) if present(table, ["customer_id"]) else _nobody(len(table))
    placed = arrow_instants(table["placed_at"])
    for column, missing in (("order_id", code < 0), ("placed_at", np.isnat(placed))):
        if missing.any():
            raise DataError("a value is missing.", source="orders", column=column, row=int(missing.argmax()))
    known = placed
    if present(table, ["known_at"]):
        known = np.fmax(placed, arrow_instants(table["known_at"]))
    counts = np.maximum(placed, known - TICK)
    row = _first_version(code, len(ids), counts)
    withdrawn = _cancelled(table, code, len(ids), counts)
    row = row[customer[row] >= 0]
    placed_at = placed[row]
    return Orders(
        row,
        ids.take(pa.array(code[row])),
        customer[row],
        customers,
        placed_at,
        placed_at if known is placed else known[row],
        None if withdrawn is None else withdrawn[code[row]],
    )


def sensible(values: np.ndarray) -> np.ndarray:
    """The values, float64; NaN for those beyond LARGEST."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _nobody(count: int) -> tuple[np.ndarray, pa.Array]:
    return np.full(count, -1, np.int32), pa.array([], pa.string())


def _first_version(code: np.ndarray, count: int, counts: np.ndarray) -> np.ndarray:
    """The row of each order that a cutoff would see first, int64, in the order of the source. `counts`: datetime64[us]
    [R], after which instant each row counts."""
    if np.bincount(code, minlength=1).max() <= 1:
        return np.arange(len(code))
    row = np.full(count, -1)
    latest_first = np.argsort(counts, kind="stable")[::-1]
    row[code[latest_first]] = latest_first  # of several, numpy keeps the last assignment: the earliest version
    return np.sort(row[row >= 0])


def _cancelled(table: pa.Table, code: np.ndarray, count: int, counts: np.ndarray) -> np.ndarray | None:
    """After which instant each order is known to be cancelled, datetime64[us] [count]; NaT for never."""
    if not present(table, ["cancelled_at"]):
        return None
    at = arrow_instants(table["cancelled_at"])
    told = np.flatnonzero(~np.isnat(at))
    at = np.maximum(at[told], counts[told])
    latest_first = np.argsort(at, kind="stable")[::-1]
    withdrawn = np.full(count, np.datetime64("NaT", "us"))
    withdrawn[code[told[latest_first]]] = at[latest_first]
    return withdrawn

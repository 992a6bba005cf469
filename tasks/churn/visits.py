"""Views and carts as visits: one for each customer and day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import find, labels, present
from forecasting.schema import DataError
from tasks.churn.orders import TICK

PURCHASE_KIND = "purchase"
"""Interactions of this kind stand among the orders already."""


@dataclass(frozen=True, eq=False)
class Visits:
    """V visits: `customer` int32 [V] code into the customers asked for, `occurred_at`, `known_at` datetime64[us] [V]
    (the same array where all were known at once)."""

    customer: np.ndarray
    occurred_at: np.ndarray
    known_at: np.ndarray


def visits_of(table: pa.Table, customers: pa.Array) -> Visits:
    """The visits of `customers` (string array, each once) in the source `interactions`: views and carts, one for each
    customer and day in UTC, by the first of them that became known. Purchases are left out: orders tell of them, and so
    is who is nobody known. Raises DataError where an instant is missing."""
    customer = np.full(len(table), -1, np.int32)
    if present(table, ["customer_id"]):
        codes, names = labels(table["customer_id"])
        customer = np.append(find(names, customers), np.int32(-1))[codes]
    occurred = arrow_instants(table["occurred_at"])
    if np.isnat(occurred).any():
        row = int(np.isnat(occurred).argmax())
        raise DataError("an instant is missing.", source="interactions", column="occurred_at", row=row)
    kinds, kind_names = labels(table["kind"])
    purchase = np.append([name == PURCHASE_KIND for name in kind_names.to_pylist()], False).astype(bool)[kinds]
    kept = np.flatnonzero((customer >= 0) & ~purchase)
    customer, occurred = customer[kept], occurred[kept]
    known = occurred
    if present(table, ["known_at"]):
        known = np.fmax(occurred, arrow_instants(table["known_at"])[kept])
    day = occurred.astype("datetime64[D]").astype(np.int64)
    counts = np.maximum(occurred, known - TICK)  # what a cutoff sees of a day begins with the earliest of these
    order = np.lexsort((occurred, counts, day, customer))
    new = (np.diff(customer[order], prepend=-1) != 0) | (np.diff(day[order], prepend=0) != 0)
    first = order[new]
    at = occurred[first]
    return Visits(customer[first], at, at if known is occurred else known[first])

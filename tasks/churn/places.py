"""Where customers are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import coordinates, find, labels, objects, present, recode, sorted_union, used
from tasks.churn.orders import TICK, Orders


@dataclass(frozen=True, eq=False)
class Places:
    """Where each of C customers is: `region`, `regions`, `latitude`, `longitude` as in `Customers`."""

    region: np.ndarray
    regions: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray


def places(customers: pa.Table | None, table: pa.Table, orders: Orders, ids: pa.Array) -> Places:
    """Where the customers `ids` (string array [C]) are: as the source `customers` says, else where their first order
    went.

    Both count only as far as they were known with the first order that became known of a customer: no cutoff that sees
    the customer at all could know less.
    """
    owner = recode(orders.customer, orders.customers, ids)
    counts = np.maximum(orders.placed_at, orders.known_at - TICK)
    first = np.full(len(ids), -1)
    latest_first = np.lexsort((-orders.row, counts))[::-1]
    first[owner[latest_first]] = latest_first  # of several, numpy keeps the last assignment: the earliest order
    at_order = orders.row[first]
    region, regions = np.full(len(ids), -1, np.int32), pa.array([], pa.string())
    if present(table, ["destination_region"]):
        codes, regions = labels(table["destination_region"])
        region = codes[at_order]
    latitude, longitude = (values[at_order] for values in coordinates(table, "destination_"))
    if customers is not None and len(customers):
        row = _rows(customers, ids, orders.known_at[first])
        told = np.flatnonzero(row >= 0)
        row = row[told]
        if present(customers, ["region"]):
            codes, names = labels(customers["region"])
            both = sorted_union(used(region, regions), used(codes, names))
            region, own = recode(region, regions, both), recode(codes, names, both)[row]
            regions = both
            region[told] = np.where(own >= 0, own, region[told])
        own_latitude, own_longitude = (values[row] for values in coordinates(customers, ""))
        somewhere = np.isfinite(own_latitude)
        latitude[told] = np.where(somewhere, own_latitude, latitude[told])
        longitude[told] = np.where(somewhere, own_longitude, longitude[told])
    listed = sorted_union(used(region, regions))
    return Places(recode(region, regions, listed), objects(listed), latitude, longitude)


def _rows(customers: pa.Table, ids: pa.Array, known: np.ndarray) -> np.ndarray:
    """The row of each customer in the source, int64 [C]: the first that became known, if that was by an instant
    `known` (datetime64[us] [C]); -1 for none."""
    codes, names = labels(customers["customer_id"])
    row = np.full(len(names) + 1, -1)
    if not present(customers, ["known_at"]):
        row[codes[::-1]] = np.arange(len(codes))[::-1]
        row[-1] = -1
        return row[find(ids, names)]
    since = arrow_instants(customers["known_at"])
    since = np.where(np.isnat(since), np.datetime64(-(2**62), "us"), since)
    latest_first = np.argsort(since, kind="stable")[::-1]
    row[codes[latest_first]] = latest_first
    row[-1] = -1
    mine = row[find(ids, names)]
    return np.where((mine >= 0) & (since[mine] <= known), mine, -1)

"""What happened, as the sources tell it: interactions, or the lines of orders, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import coordinates, expect_column, find, is_text, labels, numbers, objects, present
from forecasting.features.space import haversine_km
from forecasting.schema import ConfigurationError, DataError
from tasks.recommendation.journal import COLUMNS, EVENT_KINDS, PURCHASE, VIEW

_KINDS = {name: code for code, name in enumerate(EVENT_KINDS)}

TAKEN = frozenset({*COLUMNS, "distance"} - {"price"})
"""Columns of a journal that no feature may be called; a feature `price` takes the place of that column."""


@dataclass(frozen=True, eq=False)
class Records:
    """R records in the order of the source.

    `customer`, `visit`, `item`: int32 [R] codes into `customers`, `visits`, `items` (string arrays in any order), -1
    for none. A visit is a session, or an order where `baskets`. `kind`: int8 [R]. `at`: datetime64[us] [R], UTC: a
    record counts at every cutoff later than this; `occurred_at`: when it happened, the same array where all were known
    at once. `price`: float32 [R], NaN where unknown. `columns`, `categories`: as in `Histories`. `places`: what the
    orders say about where their customers are, None where they say nothing.
    """

    customers: pa.Array
    customer: np.ndarray
    visits: pa.Array
    visit: np.ndarray
    items: pa.Array
    item: np.ndarray
    kind: np.ndarray
    occurred_at: np.ndarray
    at: np.ndarray
    price: np.ndarray
    baskets: bool
    columns: Mapping[str, np.ndarray]
    categories: Mapping[str, np.ndarray]
    places: Places | None = None

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.at)


@dataclass(frozen=True, eq=False)
class Places:
    """Where each of R records went: `region` int32 [R] into `regions` (string array), -1 unknown; `latitude`,
    `longitude` float64 [R] degrees, NaN where unknown."""

    region: np.ndarray
    regions: pa.Array
    latitude: np.ndarray
    longitude: np.ndarray


def from_interactions(table: pa.Table, features: Sequence[str]) -> Records:
    """Records of the source `interactions`; an unknown kind counts as a view. Raises ConfigurationError for a feature
    that the table lacks, DataError where no column says whose a row is."""
    expect_column(table, "interactions", ["session_id", "customer_id"], "so that nobody would have done anything")
    customer, customers = _optional(table, "customer_id")
    visit, visits = _optional(table, "session_id")
    item, items = _required(table, "item_id", "interactions")
    codes, names = labels(table["kind"])
    kinds = np.array([_KINDS.get(name, VIEW) for name in names.to_pylist()] + [VIEW], np.int8)
    columns, categories = _features(table, "interactions", features, None)
    return Records(
        customers,
        customer,
        visits,
        visit,
        items,
        item,
        kinds[codes],
        *counts_from(table, "occurred_at", "interactions"),
        columns.pop("price", np.broadcast_to(np.float32(np.nan), len(table))),
        False,
        columns,
        categories,
    )


def from_orders(orders: pa.Table, lines: pa.Table, locations: pa.Table | None, features: Sequence[str]) -> Records:
    """Records derived from orders and their lines, by these rules.

    - A line is a purchase when its order was placed, known at the later `known_at` of both.
    - Lines of quantity 0 or less are returns and corrections: left out, and with them an order of nothing else. Lines
      of an unknown order are left out, too.
    - A cancelled order counts: it says what its customer wanted.
    - An order without a customer is a visit of nobody known: others learn from it, and it gets no list.
    - An order with several versions counts by the first that became known.
    - `distance` is that from origin (the order's own coordinates, else those of its location) to destination.

    Raises ConfigurationError for a feature that the table lacks, DataError where there is no column of
    customers.
    """
    expect_column(orders, "orders", ["customer_id"], "so that there would be nobody to recommend to")
    code, order_ids = _required(orders, "order_id", "orders")
    placed, known = counts_from(orders, "placed_at", "orders")
    row = np.zeros(len(order_ids), np.int64)
    latest_first = np.argsort(known, kind="stable")[::-1]
    row[code[latest_first]] = latest_first  # of several, numpy keeps the last assignment: the earliest version

    line_order, line_orders = labels(lines["order_id"])
    has_row = np.zeros(len(order_ids) + 1, bool)
    has_row[code] = True
    order = np.append(find(line_orders, order_ids), np.int32(-1))[line_order]
    item, items = _required(lines, "item_id", "order_lines")
    line = np.flatnonzero((order >= 0) & has_row[order] & (numbers(lines["quantity"]) > 0))
    order, item = order[line], item[line]
    at_order = row[order]
    occurred_at = placed[at_order]
    at = occurred_at if known is placed else known[at_order]
    if present(lines, ["known_at"]):
        at = np.fmax(at, arrow_instants(lines["known_at"])[line] - np.timedelta64(1, "us"))
    customer, customers = _optional(orders, "customer_id")
    price = np.full(len(line), np.nan, np.float32)
    if present(lines, ["unit_price"]):
        price = numbers(lines["unit_price"])[line].astype(np.float32)
    columns, categories = _features(orders, "orders", features, at_order)
    places = _destinations(orders, at_order)
    distance = _distances(orders, locations)
    if np.isfinite(distance).any():
        columns["distance"] = distance[at_order].astype(np.float32)
    return Records(
        customers,
        customer[at_order],
        order_ids,
        order,
        items,
        item,
        np.broadcast_to(np.int8(PURCHASE), len(line)),
        occurred_at,
        at,
        columns.pop("price", price),
        True,
        columns,
        categories,
        places,
    )


def counts_from(table: pa.Table, clock: str, source: str) -> tuple[np.ndarray, np.ndarray]:
    """(when each row occurred, the instant after which it counts), datetime64[us] [R] each, the same array where the
    source has no `known_at`. `cutoff > instant` is the same as `occurred_at < cutoff and known_at <= cutoff`
    (forecasting.clock), as instants are whole microseconds."""
    occurred = arrow_instants(table[clock])
    if np.isnat(occurred).any():
        row = int(np.isnat(occurred).argmax())
        raise DataError("an instant is missing.", source=source, column=clock, row=row)
    if not present(table, ["known_at"]):
        return occurred, occurred
    return occurred, np.fmax(occurred, arrow_instants(table["known_at"]) - np.timedelta64(1, "us"))


def _required(table: pa.Table, column: str, source: str) -> tuple[np.ndarray, pa.Array]:
    codes, names = labels(table[column])
    if (codes < 0).any():
        raise DataError("an id is missing.", source=source, column=column, row=int((codes < 0).argmax()))
    return codes, names


def _optional(table: pa.Table, column: str) -> tuple[np.ndarray, pa.Array]:
    if not present(table, [column]):
        return np.broadcast_to(np.int32(-1), len(table)), pa.array([], pa.string())
    return labels(table[column])


def _features(
    table: pa.Table, source: str, names: Sequence[str], row: np.ndarray | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    lacking = [name for name in names if name not in table.column_names]
    if lacking:
        raise ConfigurationError(
            f"source {source!r} has no column {', '.join(map(repr, lacking))}.",
            remedy=f"Name columns of {source} in features; it has {', '.join(table.column_names)}.",
        )
    taken = sorted(TAKEN.intersection(names))
    if taken:
        raise ConfigurationError(f"{taken[0]!r} in features is a name of the task's own.", remedy="Leave it out.")
    columns: dict[str, np.ndarray] = {}
    categories: dict[str, np.ndarray] = {}
    for name in names:
        if is_text(table[name].type):
            columns[name], texts = labels(table[name])
            categories[name] = objects(texts)
        else:
            columns[name] = numbers(table[name]).astype(np.float32)
        if row is not None:
            columns[name] = columns[name][row]
    return columns, categories


def _destinations(orders: pa.Table, row: np.ndarray) -> Places | None:
    if not present(orders, ["destination_region", "destination_latitude"]):
        return None
    region, regions = _optional(orders, "destination_region")
    latitude, longitude = coordinates(orders, "destination_")
    return Places(region[row], regions, latitude[row], longitude[row])


def _distances(orders: pa.Table, locations: pa.Table | None) -> np.ndarray:
    """Kilometres from origin to destination of each order, float64 [O]; NaN where unknown."""
    latitude, longitude = coordinates(orders, "origin_")
    if present(orders, ["origin_id"]) and present(locations, ["latitude"]):
        assert locations is not None
        codes, names = labels(orders["origin_id"])
        ids, places = labels(locations["location_id"])
        first = np.full(len(places) + 1, -1)
        first[ids[::-1]] = np.arange(len(ids))[::-1]
        first[-1] = -1
        row = np.append(first[find(names, places)], -1)[codes]
        own = [np.append(values, np.nan)[row] for values in coordinates(locations, "")]
        latitude = np.where(np.isnan(latitude), own[0], latitude)
        longitude = np.where(np.isnan(longitude), own[1], longitude)
    return haversine_km(latitude, longitude, *coordinates(orders, "destination_"))

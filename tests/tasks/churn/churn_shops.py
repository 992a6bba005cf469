"""Made-up shops for the tests of churn: the tables of sources, as lists of plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.churn.assemble import assemble
from tasks.churn.customers import Customers
from tasks.churn.options import ChurnOptions

START = np.datetime64("2024-01-01", "us")
DAY, HOUR, TICK = np.timedelta64(1, "D"), np.timedelta64(1, "h"), np.timedelta64(1, "us")

COLUMNS = {
    "orders": (
        "order_id",
        "customer_id",
        "placed_at",
        "known_at",
        "cancelled_at",
        "value",
        "destination_region",
        "tip",
        "channel",
    ),
    "order_lines": ("order_id", "item_id", "quantity", "unit_price", "known_at"),
    "items": ("item_id", "category", "known_at"),
    "customers": ("customer_id", "region", "known_at"),
    "interactions": ("customer_id", "item_id", "kind", "occurred_at", "known_at"),
}
NUMBERS = ("value", "tip", "quantity", "unit_price")

Row = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """Rows of each source; instants are hours (int) after START, None where missing. A source without rows is
    absent."""

    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    interactions: list[Row] = field(default_factory=list)

    def tables(self) -> dict[str, pa.Table]:
        """The sources as a task gets them."""
        return {source: table_of(source, getattr(self, source)) for source in COLUMNS if getattr(self, source)}

    def with_rows(self, **rows: list[Row]) -> Shop:
        """The shop with the rows of some sources replaced."""
        return replace(self, **rows)


def table_of(source: str, rows: Sequence[Row]) -> pa.Table:
    """One source, with the columns that any row has."""
    columns = [name for name in COLUMNS[source] if any(name in row for row in rows) or not rows]
    return pa.table({name: _column(name, [row.get(name) for row in rows]) for name in columns})


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    if name.endswith("_at"):
        instants = np.array(
            [np.datetime64("NaT") if value is None else at(value) for value in values], "datetime64[us]"
        )
        return pa.array(instants, pa.timestamp("us", "UTC"))
    if name in NUMBERS:
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string()).dictionary_encode()


def at(hours: float) -> np.datetime64:
    """The instant so many hours after START."""
    return START + np.timedelta64(round(hours * 3600e6), "us")


def days(*numbers: float) -> np.ndarray:
    """Instants so many days after START, datetime64[us]."""
    return np.array([at(24 * number) for number in numbers], "datetime64[us]")


def order(order_id: str, customer: str | None, hour: float, value: float | None = 10.0, **columns: Any) -> Row:
    """A row of `orders`."""
    return {"order_id": order_id, "customer_id": customer, "placed_at": hour, "value": value, **columns}


def line(
    order_id: str, item: str, quantity: float = 1.0, price: float | None = None, known: float | None = None
) -> Row:
    """A row of `order_lines`."""
    return {"order_id": order_id, "item_id": item, "quantity": quantity, "unit_price": price, "known_at": known}


def regulars(count: int, every: float, until: float, *, first: float = 0.0) -> list[Row]:
    """Orders of `count` customers, each every so many days from day `first` + up to one such gap, before day
    `until`."""
    rows = []
    for number in range(count):
        for place, day in enumerate(np.arange(first + every * number / count, until, every)):
            rows.append(order(f"{number}-{place}", f"c{number:04d}", 24 * day, 10.0 + number % 7))
    return rows


def customers_of(shop: Shop | Sequence[Row], options: ChurnOptions | None = None) -> Customers:
    """The dataset of a shop, or of orders alone."""
    shop = shop if isinstance(shop, Shop) else Shop(orders=list(shop))
    return assemble(shop.tables(), options or ChurnOptions())


def seen_of(customers: Customers, cutoff: np.datetime64) -> list[tuple]:
    """What a cutoff sees: (customer, occurred_at, kind, value, units, items, category) of every visible event, sorted;
    None where unknown."""
    events = customers.events
    rows = np.flatnonzero(events.visible(np.arange(len(events.occurred_at)), cutoff))
    owner = np.repeat(events.entities, events.lengths)
    names = events.categories["category"]

    def number(name: str, row: int) -> float | None:
        value = events.columns[name][row]
        return None if np.isnan(value) else round(float(value), 6)

    return sorted(
        (
            (
                owner[row],
                events.occurred_at[row],
                int(events.columns["kind"][row]),
                *(number(name, row) for name in ("value", "units", "items")),
                None if (code := events.columns["category"][row]) < 0 else names[code],
            )
            for row in rows
        ),
        key=str,
    )

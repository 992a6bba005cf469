"""Made-up shops for the tests of completion: the tables of sources, as lists of plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.completion.assemble import assemble
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders

START = np.datetime64("2024-01-01", "us")
DAY, HOUR, TICK = np.timedelta64(1, "D"), np.timedelta64(1, "h"), np.timedelta64(1, "us")
LATER = np.datetime64("2030-01-01", "us")

COLUMNS = {
    "orders": (
        "order_id",
        "customer_id",
        "placed_at",
        "known_at",
        "promised_at",
        "completed_at",
        "cancelled_at",
        "origin_id",
        "origin_latitude",
        "origin_longitude",
        "origin_region",
        "destination_region",
        "destination_latitude",
        "destination_longitude",
        "value",
        "carrier",
        "heavy",
        "category",
    ),
    "order_events": ("order_id", "status", "occurred_at", "known_at"),
    "order_lines": ("order_id", "item_id", "quantity", "unit_price", "known_at"),
    "items": ("item_id", "category", "weight", "known_at"),
    "customers": ("customer_id", "region", "latitude", "longitude", "known_at"),
    "calendar": ("date", "event", "region", "known_at"),
    "weather": ("date", "region", "temperature", "precipitation", "known_at"),
}
NUMBERS = ("value", "heavy", "quantity", "unit_price", "weight", "temperature", "precipitation")

Row = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """Rows of each source; instants are hours (int or float) after START, None where missing. A source without rows is
    absent."""

    orders: list[Row] = field(default_factory=list)
    order_events: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    calendar: list[Row] = field(default_factory=list)
    weather: list[Row] = field(default_factory=list)

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
        instants = np.array([np.datetime64("NaT") if value is None else at(value) for value in values])
        return pa.array(instants.astype("datetime64[us]"), pa.timestamp("us", "UTC"))
    if name == "date":
        return pa.array(np.array([at(value) for value in values]).astype("datetime64[D]"), pa.date32())
    if name in NUMBERS or name.endswith("tude"):
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string()).dictionary_encode()


def at(hours: float | np.datetime64) -> np.datetime64:
    """The instant so many hours after START; one that is an instant already stays."""
    return hours if isinstance(hours, np.datetime64) else START + np.timedelta64(round(hours * 3600e6), "us")


def day(number: float) -> np.datetime64:
    """The instant so many days after START."""
    return at(24 * number)


def order(order_id: str, placed: float, completed: float | None = None, **columns: Any) -> Row:
    """A row of `orders`."""
    return {"order_id": order_id, "placed_at": placed, "completed_at": completed, **columns}


def event(order_id: str, status: str | None, occurred: float | None, known: float | None = None) -> Row:
    """A row of `order_events`."""
    return {"order_id": order_id, "status": status, "occurred_at": occurred, "known_at": known}


def line(order_id: str, item: str | None, quantity: float | None = 1.0, **columns: Any) -> Row:
    """A row of `order_lines`."""
    return {"order_id": order_id, "item_id": item, "quantity": quantity, **columns}


def steady(count: int, days: float, taken: float = 5.0, *, prefix: str = "s") -> Shop:
    """`count` orders placed evenly over so many days, shipped after a third of the `taken` days (times .6 to 1.4) in
    which they are completed."""
    orders, events = [], []
    for number in range(count):
        placed = 24 * days * number / count
        hours = 24 * taken * (0.6 + 0.8 * (number * 7 % 10) / 9)
        orders.append(order(f"{prefix}{number:05d}", placed, placed + hours))
        events.append(event(f"{prefix}{number:05d}", "shipped", placed + hours / 3))
    return Shop(orders, events)


def orders_of(shop: Shop | Sequence[Row], options: CompletionOptions | None = None) -> Orders:
    """The dataset of a shop, or of orders alone."""
    shop = shop if isinstance(shop, Shop) else Shop(orders=list(shop))
    return assemble(shop.tables(), options or CompletionOptions())


def text(orders: Orders, label: str) -> list[str | None]:
    """A label of each order as text."""
    return [None if code < 0 else str(orders.label_names[label][code]) for code in orders.labels[label]]


def statuses_of(orders: Orders, order_id: str) -> list[tuple[str, float]]:
    """(status, hours after START) of each event of an order, in order."""
    number = list(orders.events.entities).index(order_id)
    rows = range(orders.events.offsets[number], orders.events.offsets[number + 1])
    names = orders.statuses[orders.events.columns["status"]]
    return [(str(names[row]), float((orders.events.occurred_at[row] - START) / HOUR)) for row in rows]

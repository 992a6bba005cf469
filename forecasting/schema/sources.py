"""The canonical sources of DESIGN.md: what the suite can read from a shop's warehouse."""

from __future__ import annotations

from collections.abc import Mapping

from forecasting.schema.declarations import Column, Kind, Source

KEY_BYTES = 1000
"""Two of them and the run's id fit into an index of every database (PostgreSQL: 2704 bytes)."""


def _place(prefix: str = "") -> tuple[Column, ...]:
    return (
        Column(f"{prefix}latitude", Kind.NUMBER, required=False, minimum=-90, maximum=90),
        Column(f"{prefix}longitude", Kind.NUMBER, required=False, minimum=-180, maximum=180),
    )


def _id(name: str, *, required: bool = True, refers_to: str | None = None, description: str = "") -> Column:
    return Column(name, Kind.ID, required, refers_to=refers_to, description=description, longest=KEY_BYTES)


_SOURCES = (
    Source(
        "customers",
        (
            _id("customer_id"),
            Column("signed_up_at", Kind.TIMESTAMP, required=False),
            Column("region", Kind.TEXT, required=False, longest=KEY_BYTES),
            *_place(),
        ),
        key=("customer_id",),
        description="one row per customer",
    ),
    Source(
        "items",
        (
            _id("item_id"),
            Column("title", Kind.TEXT, required=False),
            Column("category", Kind.TEXT, required=False),
            Column("brand", Kind.TEXT, required=False),
            Column("price", Kind.NUMBER, required=False, minimum=0),
            Column("weight", Kind.NUMBER, required=False, minimum=0),
            Column("introduced_at", Kind.TIMESTAMP, required=False, future=True),
        ),
        key=("item_id",),
        description="one row per item of the catalogue",
    ),
    Source(
        "locations",
        (_id("location_id"), Column("region", Kind.TEXT, required=False, longest=KEY_BYTES), *_place()),
        key=("location_id",),
        description="one row per shop or warehouse",
    ),
    Source(
        "interactions",
        (
            _id("customer_id", required=False, refers_to="customers"),
            _id("session_id", required=False),
            _id("item_id", refers_to="items"),
            Column("kind", Kind.TEXT, choices=("view", "cart", "purchase")),
            Column("occurred_at", Kind.TIMESTAMP),
        ),
        clock="occurred_at",
        description="what customers and anonymous sessions did with items",
    ),
    Source(
        "orders",
        (
            _id("order_id"),
            _id("customer_id", required=False, refers_to="customers"),
            Column("placed_at", Kind.TIMESTAMP),
            Column("promised_at", Kind.TIMESTAMP, required=False, future=True),
            Column("completed_at", Kind.TIMESTAMP, required=False),
            Column("cancelled_at", Kind.TIMESTAMP, required=False),
            _id("origin_id", required=False),
            *_place("origin_"),
            Column("destination_region", Kind.TEXT, required=False, longest=KEY_BYTES),
            *_place("destination_"),
            Column("value", Kind.NUMBER, required=False),
        ),
        key=("order_id",),
        clock="placed_at",
        description="one row per order",
    ),
    Source(
        "order_events",
        (
            _id("order_id", refers_to="orders"),
            Column("status", Kind.TEXT, longest=KEY_BYTES),
            Column("occurred_at", Kind.TIMESTAMP),
        ),
        clock="occurred_at",
        description="status changes of orders",
    ),
    Source(
        "order_lines",
        (
            _id("order_id", refers_to="orders"),
            _id("item_id", refers_to="items"),
            Column("quantity", Kind.NUMBER),
            Column("unit_price", Kind.NUMBER, required=False),
            _id("location_id", required=False, refers_to="locations"),
        ),
        description="what each order holds; a negative quantity is a return",
    ),
    Source(
        "sales",
        (
            _id("item_id", refers_to="items"),
            _id("location_id", refers_to="locations"),
            Column("date", Kind.DATE, future=True),
            Column("quantity", Kind.NUMBER, required=False, description="null on known-ahead rows"),
            Column("price", Kind.NUMBER, required=False, minimum=0),
            Column("promotion", Kind.ANY, required=False),
            Column("in_stock", Kind.FLAG, required=False),
        ),
        key=("item_id", "location_id", "date"),
        clock="date",
        description="units sold per item, location and period; derived from orders and order_lines where absent",
    ),
    Source(
        "stock",
        (
            _id("item_id", refers_to="items"),
            _id("location_id", refers_to="locations"),
            Column("observed_at", Kind.TIMESTAMP),
            Column("on_hand", Kind.NUMBER),
            Column("on_order", Kind.NUMBER, required=False, minimum=0),
        ),
        key=("item_id", "location_id", "observed_at"),
        clock="observed_at",
        description="stock counts; the latest before the cutoff is used",
    ),
    Source(
        "supply",
        (
            _id("item_id", refers_to="items"),
            _id("location_id", required=False, refers_to="locations", description="absent: all locations"),
            Column("lead_time_days", Kind.NUMBER, minimum=0),
            Column("lead_time_stddev_days", Kind.NUMBER, required=False, minimum=0),
            Column("order_multiple", Kind.NUMBER, required=False, minimum=0),
            Column("minimum_order", Kind.NUMBER, required=False, minimum=0),
            Column("unit_cost", Kind.NUMBER, required=False, minimum=0),
            Column("holding_cost_rate", Kind.NUMBER, required=False, minimum=0),
            Column("service_level", Kind.NUMBER, required=False, minimum=0, maximum=1),
        ),
        key=("item_id", "location_id"),
        description="how each item is bought in",
    ),
    Source(
        "calendar",
        (
            Column("date", Kind.DATE, future=True),
            Column("event", Kind.TEXT),
            Column("region", Kind.TEXT, required=False, longest=KEY_BYTES),
            Column("kind", Kind.TEXT, required=False),
        ),
        clock="date",
        description="holidays and events, known ahead",
    ),
    Source(
        "weather",
        (
            Column("date", Kind.DATE, future=True),
            _id("location_id", required=False, refers_to="locations"),
            Column("region", Kind.TEXT, required=False, longest=KEY_BYTES),
            Column("temperature", Kind.NUMBER, required=False),
            Column("precipitation", Kind.NUMBER, required=False, minimum=0),
            Column("condition", Kind.TEXT, required=False),
        ),
        clock="date",
        description="observed weather by location or region",
    ),
)

SOURCES: Mapping[str, Source] = {source.name: source for source in _SOURCES}
"""The canonical sources of DESIGN.md by name."""

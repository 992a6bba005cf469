"""How long orders take from where to where, from the published view: the routes that matter, and places on the map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports.open_orders import Place, Route
from reports.published import relation

ROUTES = "current_route_times"
ROUTE_COLUMNS = {
    "origin": Kind.TEXT,
    "destination": Kind.TEXT,
    "completed": Kind.INTEGER,
    "open": Kind.INTEGER,
    "median_days": Kind.NUMBER,
    "before_days": Kind.NUMBER,
    "late_share": Kind.NUMBER,
    "expected_late": Kind.NUMBER,
    "latitude": Kind.NUMBER,
    "longitude": Kind.NUMBER,
}
ENOUGH = 5
"""Orders completed lately from which on a route's median says something."""

PLACES = 250
"""Destinations on the map: those with the most orders."""


def route_table(warehouse: Warehouse, connection: Connection) -> sa.Table:
    """The published routes. Raises ConfigurationError where there is no such table."""
    return relation(warehouse, connection, ROUTES, ROUTE_COLUMNS)


def routes(connection: Connection, table: sa.Table, task: str, *, limit: int | None = None) -> Iterator[Route]:
    """Those that matter most first: where the days that they became slower, times their orders, are the most; then the
    slowest ones. Routes with fewer than ENOUGH orders lately come last."""
    columns = table.c
    slower = columns.median_days - columns.before_days
    weight = columns.completed + columns.open
    statement = (
        sa.select(*(columns[name] for name in list(ROUTE_COLUMNS)[:-2]))
        .where(columns.task == task)
        .order_by(
            sa.case((columns.completed >= ENOUGH, 0), else_=1),
            sa.case((slower > 0, slower * weight), else_=0.0).desc(),
            sa.func.coalesce(columns.median_days, -1.0).desc(),
            weight.desc(),
            columns.origin,
            columns.destination,
        )
        .limit(limit)
    )
    for row in connection.execute(statement, execution_options={"yield_per": 2000}):
        yield Route(*row)


def known_routes(connection: Connection, table: sa.Table, task: str) -> int:
    """How many there are."""
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.task == task)) or 0


def places(connection: Connection, table: sa.Table, task: str) -> list[Place]:
    """The destinations with coordinates to which orders were completed lately, those with the most orders first: routes
    to one destination are one place, whose days are the mean of its routes' medians, weighted by orders."""
    columns = table.c
    number = sa.cast(columns.completed, sa.Double)
    total = sa.func.sum(number)
    known = (columns.latitude, columns.longitude, columns.median_days)
    rows = connection.execute(
        sa.select(
            columns.destination,
            *((sa.func.sum(column * number) / total).label(column.name) for column in known),
            total.label("orders"),
        )
        .where(columns.task == task, columns.completed > 0, *(column.is_not(None) for column in known))
        .group_by(columns.destination)
        .order_by(total.desc(), columns.destination)
        .limit(PLACES)
    ).all()
    return [_place(row) for row in rows]


def _place(row: sa.Row[Any]) -> Place:
    return Place(row.destination, row.latitude, row.longitude, row.median_days, int(row.orders))

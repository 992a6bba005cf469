"""Past sales and forecasts of the few items that are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports.published import LONGEST_UNIT, Periods, relation
from reports.view import PlanRow, Series

FORECASTS = "current_demand_forecasts"
HISTORY = "current_demand_history"
FORECAST_COLUMNS = {
    "item_id": Kind.ID,
    "location_id": Kind.ID,
    "date": Kind.DATE,
    **dict.fromkeys(("mean", "p025", "p10", "p90", "p975"), Kind.NUMBER),
}
HISTORY_COLUMNS = {
    "item_id": Kind.ID,
    "location_id": Kind.ID,
    "date": Kind.DATE,
    "quantity": Kind.NUMBER,
    "in_stock": Kind.FLAG,
}
PAST = {"day": 84, "week": 52, "month": 36}
"""Periods of history that a chart shows."""

TOGETHER = 50
"""Series read by one statement: its parameters stay far below every database's limit."""


def with_series(
    warehouse: Warehouse, connection: Connection, task: str, rows: Sequence[PlanRow], periods: Periods
) -> list[PlanRow]:
    """The rows, each with its series where one is published."""
    if periods.first is None:
        return list(rows)
    forecasts = relation(warehouse, connection, FORECASTS, FORECAST_COLUMNS)
    history = relation(warehouse, connection, HISTORY, HISTORY_COLUMNS)
    since = periods.first - timedelta(days=PAST[periods.unit] * LONGEST_UNIT[periods.unit])
    drawn = []
    for start in range(0, len(rows), TOGETHER):
        part = rows[start : start + TOGETHER]
        keys = [(row.item_id, row.location_id) for row in part]
        past = _columns(connection, history, task, keys, history.c.date >= since)
        ahead = _columns(connection, forecasts, task, keys)
        drawn += [replace(row, series=_series(past[key], ahead[key])) for row, key in zip(part, keys, strict=True)]
    return drawn


def _columns(
    connection: Connection, table: sa.Table, task: str, keys: Sequence[tuple[str, str]], *where: sa.ColumnElement[bool]
) -> dict[tuple[str, str], dict[str, list[Any]]]:
    """Lists of cells by column and series, in order of date."""
    apart = ("task", "run_id", "item_id", "location_id")
    names = [column.name for column in table.columns if column.name not in apart]
    result = connection.execute(
        sa.select(table.c.item_id, table.c.location_id, *(table.c[name] for name in names))
        .where(table.c.task == task, sa.tuple_(table.c.item_id, table.c.location_id).in_(keys), *where)
        .order_by(table.c.item_id, table.c.location_id, table.c.date)
    )
    found: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: {name: [] for name in names})
    for row in result:
        columns = found[row[0], row[1]]
        for name, cell in zip(names, row[2:], strict=True):
            columns[name].append(cell)
    for key in keys:
        found[key]  # a series without rows has empty columns
    return found


def _series(past: dict[str, list[Any]], ahead: dict[str, list[Any]]) -> Series | None:
    if not past["date"] and not ahead["date"]:
        return None
    sold = np.array(past["quantity"], dtype=float)
    in_stock = np.array([flag is not False for flag in past.get("in_stock", [True] * len(sold))], dtype=bool)
    return Series(
        dates=np.array(past["date"], "datetime64[D]"),
        quantity=sold,
        in_stock=in_stock,
        ahead=np.array(ahead["date"], "datetime64[D]"),
        forecast={name: np.array(cells, dtype=float) for name, cells in ahead.items() if name != "date"},
    )

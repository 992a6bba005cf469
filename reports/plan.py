"""The reorder plan out of the warehouse: totals over all of it, the most urgent rows, and all rows as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports import wording
from reports.published import relation
from reports.view import PlanRow, Totals

PLAN = "current_reorder_plan"
COLUMNS = {
    "item_id": Kind.ID,
    "location_id": Kind.ID,
    "title": Kind.TEXT,
    "category": Kind.TEXT,
    "order_quantity": Kind.NUMBER,
    "on_hand": Kind.NUMBER,
    "on_order": Kind.NUMBER,
    "expected_stockout_date": Kind.DATE,
    "stockout_probability": Kind.NUMBER,
    "lead_time_days": Kind.NUMBER,
    "lead_time_demand_p50": Kind.NUMBER,
    "service_level": Kind.NUMBER,
    "safety_stock": Kind.NUMBER,
    "reorder_point": Kind.NUMBER,
    "priority": Kind.NUMBER,
    "unit_cost": Kind.NUMBER,
    "unit_price": Kind.NUMBER,
}
"""Columns that the page and the files can use, in the files' order; a plan may lack any but its key."""


def plan_table(warehouse: Warehouse, connection: Connection) -> sa.Table:
    """The published plan, with those of `COLUMNS` that it has."""
    return relation(warehouse, connection, PLAN, COLUMNS)


def totals(connection: Connection, plan: sa.Table, task: str) -> Totals:
    """Sums over the whole plan, in one statement."""
    ordered = _column(plan, "order_quantity") > 0
    out = sa.and_(ordered, _column(plan, "on_hand") <= 0)
    likely = sa.or_(out, sa.and_(ordered, _column(plan, "stockout_probability") >= wording.LIKELY))
    value, basis = _unit_value(plan)
    row = connection.execute(
        sa.select(
            sa.func.count().label("series"),
            sa.func.count(sa.distinct(plan.c.location_id)).label("locations"),
            sa.func.count(_column(plan, "on_hand")).label("with_stock"),
            _count(ordered).label("to_order"),
            _count(out).label("out_now"),
            _count(likely).label("likely_out"),
            sa.func.sum(sa.case((ordered, _column(plan, "order_quantity")), else_=0.0)).label("units"),
            sa.func.sum(sa.case((ordered, _column(plan, "order_quantity") * value))).label("value"),
            _count(sa.and_(ordered, value.is_(None))).label("without_value"),
        ).where(plan.c.task == task)
    ).one()
    return Totals(
        series=row.series,
        to_order=row.to_order or 0,
        units=row.units or 0.0,
        out_now=row.out_now or 0,
        likely_out=row.likely_out or 0,
        with_stock=row.with_stock,
        locations=row.locations,
        value=row.value,
        value_basis=basis,
        value_complete=not row.without_value,
    )


def urgent_rows(connection: Connection, plan: sa.Table, task: str, limit: int, *, stock_known: bool) -> list[PlanRow]:
    """The first rows to order by priority; where no stock is known, the first of all."""
    statement = _by_priority(plan, task).limit(limit)
    if stock_known:
        statement = statement.where(_column(plan, "order_quantity") > 0)
    value, _ = _unit_value(plan)
    rows = connection.execute(statement.add_columns(value.label("unit_value"))).mappings()
    fields = PlanRow.__dataclass_fields__
    return [PlanRow(**{name: cell for name, cell in row.items() if name in fields}) for row in rows]


def all_rows(connection: Connection, plan: sa.Table, task: str, *, to_order: bool = False) -> Iterator[list[Any]]:
    """Every row of the plan (or of what `to_order`), most urgent first, cells in the order of `headings`; streamed."""
    statement = _by_priority(plan, task)
    if to_order:
        statement = statement.where(_column(plan, "order_quantity") > 0)
    for row in connection.execute(statement, execution_options={"yield_per": 2000}):
        yield list(row)


def headings(plan: sa.Table) -> list[str]:
    """Names of the columns that `all_rows` gives."""
    return [name for name in COLUMNS if name in plan.c]


def titles(connection: Connection, plan: sa.Table, task: str, items: list[str]) -> dict[str, str]:
    """Titles of a few items, where the plan has any."""
    if "title" not in plan.c or not items:
        return {}
    statement = sa.select(plan.c.item_id, plan.c.title).where(
        plan.c.task == task, plan.c.item_id.in_(items), plan.c.title.is_not(None)
    )
    return {row.item_id: row.title for row in connection.execute(statement)}


def _by_priority(plan: sa.Table, task: str) -> sa.Select[Any]:
    priority, level = _column(plan, "priority"), _column(plan, "reorder_point")
    return (
        sa.select(*(plan.c[name] for name in headings(plan)))
        .where(plan.c.task == task)
        .order_by(priority.is_(None), priority.desc(), level.desc(), plan.c.item_id, plan.c.location_id)
    )


def _column(plan: sa.Table, name: str) -> sa.ColumnElement[Any]:
    """A column of the plan, null throughout where it has none of that name."""
    return plan.c[name] if name in plan.c else sa.cast(sa.null(), sa.Double())


def _unit_value(plan: sa.Table) -> tuple[sa.ColumnElement[Any], str]:
    """What a unit is worth: its cost where the plan knows costs, else its price."""
    if "unit_cost" in plan.c:
        return plan.c.unit_cost, "at cost"
    return _column(plan, "unit_price"), "at sales prices" if "unit_price" in plan.c else ""


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))

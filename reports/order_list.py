"""Open and stalled orders from the published views: which are at risk, in the order in which to see to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports import wording
from reports.earlier import earlier_runs
from reports.local_time import LocalTime
from reports.open_orders import NEAR_DAYS, WATCH, OpenOrder, StalledOrder, Totals
from reports.published import relation
from reports.view import Provenance

COMPLETIONS = "order_completions"
STALLED = "current_stalled_orders"
COMPLETION_COLUMNS = {
    "order_id": Kind.ID,
    "stage": Kind.TEXT,
    "stage_at": Kind.TIMESTAMP,
    "placed_at": Kind.TIMESTAMP,
    "completes_p10": Kind.TIMESTAMP,
    "completes_p50": Kind.TIMESTAMP,
    "completes_p90": Kind.TIMESTAMP,
    "promised_at": Kind.TIMESTAMP,
    "late_probability": Kind.NUMBER,
    "origin_id": Kind.TEXT,
    "destination_region": Kind.TEXT,
}
STALLED_COLUMNS = {
    "order_id": Kind.ID,
    "stage": Kind.TEXT,
    "placed_at": Kind.TIMESTAMP,
    "promised_at": Kind.TIMESTAMP,
    "days_open": Kind.NUMBER,
    "limit_days": Kind.NUMBER,
    "origin_id": Kind.TEXT,
    "destination_region": Kind.TEXT,
}
BEFORE = timedelta(days=14)
"""A page older than this is no longer the page before."""

CANDIDATES = 20
"""Earlier runs among which the page before is looked for, newest first."""

TOGETHER = 2000
"""Rows held at a time."""


@dataclass(frozen=True)
class OrderList:
    """The published open orders of a task, and the run of the page before, None where there is none. `dues`: until when
    promises met so far are kept, for many orders share a promised day."""

    connection: Connection
    task: str
    now: sa.Table
    every: sa.Table
    stalled: sa.Table
    local: LocalTime
    before: sa.Row[Any] | None
    dues: dict[datetime, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, warehouse: Warehouse, connection: Connection, provenance: Provenance, local: LocalTime) -> OrderList:
        """Finds the tables and the run before. Raises ConfigurationError where a table is missing."""
        every = relation(warehouse, connection, COMPLETIONS, COMPLETION_COLUMNS)
        rows = sa.exists().where(every.c.run_id == sa.bindparam("run"))
        runs = earlier_runs(connection, provenance, limit=CANDIDATES)
        young = (run for run in runs if run.as_of >= provenance.as_of - BEFORE)
        return cls(
            connection,
            provenance.task,
            relation(warehouse, connection, f"current_{COMPLETIONS}", COMPLETION_COLUMNS),
            every,
            relation(warehouse, connection, STALLED, STALLED_COLUMNS),
            local,
            next((run for run in young if connection.scalar(sa.select(rows), {"run": run.run_id})), None),
        )

    def totals(self) -> Totals:
        """Sums over all that is published: two statements."""
        orders, chance, promise = self.now, self.now.c.late_probability, self.now.c.promised_at
        known = sa.func.count(chance)
        likely, near = chance >= wording.LIKELY, promise < self.local.midnight(NEAR_DAYS + 1)
        today = promise.between(self.local.midnight(), self.local.midnight(1) - timedelta(microseconds=1))
        source, named = self._with_before()
        row = self.connection.execute(
            sa.select(
                sa.func.count().label("open"),
                known.label("promised"),
                sa.func.sum(chance).label("expected_late"),
                _count(sa.and_(likely, near), "tell"),
                _count(chance >= 1, "overdue"),
                _count(sa.and_(likely, ~near), "later"),
                _count(sa.and_(today, chance.is_not(None)), "due_today"),
                _count(sa.and_(today, likely), "due_today_late"),
                _count(sa.and_(likely, near, sa.not_(named)), "new"),
            )
            .select_from(source)
            .where(orders.c.task == self.task)
        ).one()
        stalled = self.connection.execute(
            sa.select(
                sa.func.count().label("stalled"), sa.func.max(self.stalled.c.limit_days).label("limit_days")
            ).where(self.stalled.c.task == self.task)
        ).one()
        counts = {name: int(value or 0) for name, value in row._mapping.items() if name != "expected_late"}
        return Totals(
            **counts,
            expected_late=float(row.expected_late or 0.0),
            stalled=stalled.stalled,
            limit_days=stalled.limit_days,
            before=self.before.as_of if self.before else None,
        )

    def orders(self, *, limit: int | None = None, at_risk: bool = False) -> Iterator[OpenOrder]:
        """All open orders, or those `at_risk` alone: likely late, or perhaps and soon.

        First those whose customers should be told today, those that the page before did not name before the others,
        what is past after what is not, the nearest promise first; then those likely late with a later promise; then
        those perhaps late. The rest follow by their promise, those without one by when they are expected, the latest
        first."""
        orders, chance, promise = self.now, self.now.c.late_probability, self.now.c.promised_at
        likely, near = chance >= wording.LIKELY, promise < self.local.midnight(NEAR_DAYS + 1)
        source, named = self._with_before()
        tell, overdue = sa.and_(likely, near), chance >= 1
        perhaps = sa.and_(chance >= WATCH, near)
        statement = (
            sa.select(*(orders.c[name] for name in COMPLETION_COLUMNS), named.label("named"))
            .select_from(source)
            .where(orders.c.task == self.task, *([sa.or_(likely, perhaps)] if at_risk else []))
            .order_by(
                sa.case((tell, 0), (likely, 1), (perhaps, 2), else_=3),
                sa.case((sa.and_(tell, named), 1), else_=0),
                sa.case((overdue, 1), else_=0),
                sa.case((promise.is_(None), 1), else_=0),
                sa.case((overdue, promise)).desc(),
                promise,
                chance.desc(),
                orders.c.completes_p50.desc(),
                orders.c.order_id,
            )
            .limit(limit)
        )
        for row in self.connection.execute(statement, execution_options={"yield_per": TOGETHER}):
            yield self._order(row)

    def stalled_orders(self, *, limit: int | None = None) -> Iterator[StalledOrder]:
        """The stalled ones, those that stall for the shortest time first: they may still be found."""
        stalled = self.stalled.c
        statement = (
            sa.select(*(stalled[name] for name in STALLED_COLUMNS))
            .where(stalled.task == self.task)
            .order_by(stalled.days_open, stalled.order_id)
            .limit(limit)
        )
        for row in self.connection.execute(statement, execution_options={"yield_per": TOGETHER}):
            yield StalledOrder(
                row.order_id, row.stage, row.placed_at, row.days_open, row.limit_days, row.promised_at, row.origin_id,
                row.destination_region,
            )  # fmt: skip

    def _with_before(self) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
        """The orders beside the page before, and whether that named them as likely late."""
        if self.before is None:
            return self.now, sa.literal(True)
        then = self.every.alias("before")
        same = sa.and_(then.c.run_id == self.before.run_id, then.c.order_id == self.now.c.order_id)
        named = sa.func.coalesce(then.c.late_probability, 0.0) >= wording.LIKELY
        return self.now.join(then, same, isouter=True), named

    def _due(self, promise: datetime) -> datetime:
        if promise not in self.dues:
            self.dues[promise] = self.local.due(promise)
        return self.dues[promise]

    def _order(self, row: Any) -> OpenOrder:
        promise: datetime | None = row.promised_at
        return OpenOrder(
            order_id=row.order_id,
            stage=row.stage,
            stage_at=row.stage_at,
            placed_at=row.placed_at,
            p10=row.completes_p10,
            p50=row.completes_p50,
            p90=row.completes_p90,
            promised_at=promise,
            due_at=None if promise is None else self._due(promise),
            late_probability=row.late_probability,
            origin=row.origin_id,
            region=row.destination_region,
            near=promise is not None and promise < self.local.midnight(NEAR_DAYS + 1),
            known=None if self.before is None else bool(row.named),
        )


def _count(condition: sa.ColumnElement[bool], name: str) -> sa.Label[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0)).label(name)

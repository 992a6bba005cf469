"""What happened to the last forecasts: an earlier published run beside what sold since, summed by the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from reports import plan as plans
from reports.earlier import earlier_runs
from reports.published import Periods, periods, relation
from reports.series import FORECAST_COLUMNS, HISTORY, HISTORY_COLUMNS
from reports.view import LastForecasts, Provenance, Span, Surprise

CANDIDATES = 60
"""Earlier runs that are looked at, newest first."""

SURPRISES = 5
DAYS_OF_PERIOD = {"day": 1, "week": 7, "month": 28}
"""Days that a period surely has."""


@dataclass(frozen=True)
class _Earlier:
    run_id: str
    as_of: datetime


@dataclass(frozen=True)
class _Comparison:
    """An earlier run's forecasts joined with what sold: periods out of stock or unobserved are left out."""

    forecasts: sa.Table
    history: sa.Table
    source: sa.FromClause
    where: tuple[sa.ColumnElement[bool], ...]

    def select(self, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """A statement over the joined rows."""
        return sa.select(*columns).select_from(self.source).where(*self.where)


def last_forecasts(
    warehouse: Warehouse, connection: Connection, provenance: Provenance, plan: sa.Table
) -> LastForecasts | None:
    """The newest earlier forecast whose periods have all passed, or else the one that has run longest; None where
    no earlier run is kept or nothing of it can be compared."""
    forecasts = relation(warehouse, connection, "demand_forecasts", FORECAST_COLUMNS)
    history = relation(warehouse, connection, HISTORY, HISTORY_COLUMNS)
    chosen = _choose(connection, forecasts, history, provenance)
    if chosen is None:
        return None
    run, ahead, complete = chosen
    compared = _compare(forecasts, history, run.run_id, provenance)
    sold = history.c.quantity
    rows = connection.execute(
        compared.select(
            forecasts.c.date,
            sa.func.count().label("cases"),
            sa.func.sum(forecasts.c.mean).label("expected"),
            sa.func.sum(sold).label("sold"),
            _count(sold.between(forecasts.c.p10, forecasts.c.p90)).label("inside_80"),
            _count(sold.between(forecasts.c.p025, forecasts.c.p975)).label("inside_95"),
        )
        .group_by(forecasts.c.date)
        .order_by(forecasts.c.date)
    ).all()
    if not rows:
        return None
    cases = sum(row.cases for row in rows)
    length = timedelta(days=6 if ahead.unit == "week" else 0)
    daily = [Span(row.date, row.date + length, row.expected, row.sold) for row in rows]
    return LastForecasts(
        run_id=run.run_id,
        as_of=run.as_of,
        last=daily[-1].last,
        complete=complete,
        cases=cases,
        expected=sum(span.expected for span in daily),
        sold=sum(span.sold for span in daily),
        inside_80=sum(row.inside_80 for row in rows) / cases,
        inside_95=sum(row.inside_95 for row in rows) / cases,
        daily=daily,
        spans=_weeks(daily) if ahead.unit == "day" else daily,
        surprises=_surprises(connection, compared, plan, provenance.task),
    )


def _choose(
    connection: Connection, forecasts: sa.Table, history: sa.Table, provenance: Provenance
) -> tuple[_Earlier, Periods, bool] | None:
    """The run to look back at, its periods, and whether all have passed. `history` reaches back only so far."""
    since = connection.scalar(sa.select(sa.func.min(history.c.date)).where(history.c.task == provenance.task))
    if since is None:
        return None
    rows = earlier_runs(connection, provenance, limit=CANDIDATES)
    today = provenance.as_of.date()
    longest: tuple[_Earlier, Periods, bool] | None = None
    for run in (_Earlier(row.run_id, row.as_of) for row in rows):
        ahead = periods(connection, forecasts, forecasts.c.run_id == run.run_id)
        if ahead.first is None or ahead.last is None or ahead.unit != provenance.unit or ahead.first < since:
            continue
        span = timedelta(days=DAYS_OF_PERIOD[ahead.unit])
        if ahead.last + span <= today:
            return run, ahead, True
        if ahead.first + span <= today:
            longest = run, ahead, False
    return longest


def _compare(forecasts: sa.Table, history: sa.Table, run_id: str, provenance: Provenance) -> _Comparison:
    same = sa.and_(*(forecasts.c[name] == history.c[name] for name in ("item_id", "location_id", "date")))
    where = [
        forecasts.c.run_id == run_id,
        history.c.task == provenance.task,
        history.c.quantity.is_not(None),
        forecasts.c.date < provenance.as_of.date(),
    ]
    if "in_stock" in history.c:
        where.append(sa.or_(history.c.in_stock.is_(None), history.c.in_stock.is_(sa.true())))
    return _Comparison(forecasts, history, forecasts.join(history, same), tuple(where))


def _surprises(connection: Connection, compared: _Comparison, plan: sa.Table, task: str) -> list[Surprise]:
    """The items furthest from what was expected, over all periods compared."""
    keys = (compared.forecasts.c.item_id, compared.forecasts.c.location_id)
    expected, sold = sa.func.sum(compared.forecasts.c.mean), sa.func.sum(compared.history.c.quantity)
    rows = connection.execute(
        compared.select(*keys, expected.label("expected"), sold.label("sold"))
        .group_by(*keys)
        .order_by(sa.func.abs(sold - expected).desc(), *keys)
        .limit(SURPRISES)
    ).all()
    named = plans.titles(connection, plan, task, [row.item_id for row in rows])
    return [
        Surprise(row.item_id, row.location_id, named.get(row.item_id, row.item_id), row.expected, row.sold)
        for row in rows
    ]


def _weeks(daily: Sequence[Span]) -> list[Span]:
    """Spans of seven days from the first on, the last one shorter if need be."""
    start = daily[0].first
    weeks: dict[int, list[Span]] = {}
    for span in daily:
        weeks.setdefault((span.first - start).days // 7, []).append(span)
    return [
        Span(part[0].first, part[-1].last, sum(one.expected for one in part), sum(one.sold for one in part))
        for part in weeks.values()
    ]


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))

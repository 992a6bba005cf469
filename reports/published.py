"""What a task has published, as tables to select from: only views `current_*` and the house's ledgers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from db.tables import MODELS, PUBLICATIONS, QUARANTINE, RUN_METRICS, RUNS
from db.types import sql_type
from forecasting.schema import ConfigurationError, ForecastingError, Kind
from reports import wording
from reports.view import Provenance, Trial

LONGEST_UNIT = {"day": 1, "week": 7, "month": 31}
"""Days of a forecast period, at most."""


@dataclass(frozen=True)
class Periods:
    """The dates that a run forecasts: first and last period, how many, and what one is (day, week, month)."""

    first: date | None
    last: date | None
    count: int
    unit: str


NO_PERIODS = Periods(None, None, 0, "day")
"""Of a task that forecasts no dates of a grid."""


def relation(
    warehouse: Warehouse, connection: Connection, name: str, kinds: Mapping[str, Kind] | None = None
) -> sa.Table:
    """A view or table with the columns that it really has: those of `kinds` alone and typed by it, or all as found.

    Raises ConfigurationError where there is none of that name.
    """
    try:
        found = sa.inspect(connection).get_columns(name, schema=warehouse.schema)
    except sa.exc.NoSuchTableError:
        found = []
    if not found:
        raise ConfigurationError(
            f"warehouse {warehouse.name!r} has no {name}.", remedy="Run `forecasting db upgrade`, and the task once."
        )
    typed = {column["name"]: column["type"] for column in found}
    if kinds is not None:
        typed = {column: sql_type(kind) for column, kind in kinds.items() if column in typed} | {
            column: typed[column] for column in ("task", "run_id") if column in typed
        }
    return sa.Table(name, sa.MetaData(), *(sa.Column(column, kind) for column, kind in typed.items()))


def provenance(
    connection: Connection, task: str, now: datetime, *, gate_metric: str | None, periods: Periods = NO_PERIODS
) -> Provenance:
    """Where the published rows of a task come from. Raises ForecastingError where nothing is published."""
    columns = (
        PUBLICATIONS.c.run_id,
        PUBLICATIONS.c.as_of,
        *(RUNS.c[name] for name in ("finished_at", "subject", "fallback", "model_id", "data_until")),
        MODELS.c.encoder,
        MODELS.c.trained_until,
    )
    row = connection.execute(
        sa.select(*columns)
        .join_from(PUBLICATIONS, RUNS, PUBLICATIONS.c.run_id == RUNS.c.run_id, isouter=True)
        .join(MODELS, RUNS.c.model_id == MODELS.c.model_id, isouter=True)
        .where(PUBLICATIONS.c.task == task)
    ).one_or_none()
    if row is None:
        raise ForecastingError(
            f"task {task!r} has published nothing yet, so there is nothing to report.",
            remedy=f"Run `forecasting run {task}` first.",
        )
    quarantined = connection.scalar(
        sa.select(sa.func.count()).select_from(QUARANTINE).where(QUARANTINE.c.run_id == row.run_id)
    )
    return Provenance(
        task=task,
        run_id=row.run_id,
        as_of=row.as_of,
        prepared_at=now.astimezone(UTC),
        finished_at=row.finished_at,
        data_until=_last_day(row.data_until, row.as_of),
        subject=row.subject,
        fallback=bool(row.fallback),
        model_id=row.model_id,
        encoder=row.encoder,
        trained_until=row.trained_until,
        trial=_trial(connection, row.run_id, gate_metric),
        quarantined=quarantined or 0,
        ahead=periods.count,
        unit=periods.unit,
        first=periods.first,
        last=periods.last,
    )


def warnings(connection: Connection, provenance: Provenance, now: datetime) -> list[str]:
    """What to know before trusting the page: a fallback, stale data, old figures, a later run that failed."""
    found = []
    if provenance.fallback:
        found.append(_fallback(provenance))
    period = LONGEST_UNIT[provenance.unit]
    as_of = provenance.as_of.date()
    if provenance.data_until is not None and (gap := (as_of - provenance.data_until).days) > 2 * period:
        found.append(
            f"The data ends on {wording.long_day(provenance.data_until)}, {wording.days(gap)} before the day that this "
            "page is for. Check that yesterday's data was loaded."
        )
    if (age := (now.astimezone(UTC).date() - as_of).days) > period:
        found.append(
            f"These figures are for {wording.long_day(as_of)}, {wording.days(age)} before this page was made. "
            '"Today" on this page means that day.'
        )
    failed = connection.execute(
        sa.select(RUNS.c.started_at, RUNS.c.error)
        .where(
            RUNS.c.task == provenance.task,
            RUNS.c.state == "failed",
            RUNS.c.as_of >= provenance.as_of,
            RUNS.c.started_at > (provenance.finished_at or provenance.as_of),
        )
        .order_by(RUNS.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    if failed is not None:
        why = f": {failed.error.strip().splitlines()[0].rstrip('.')}" if (failed.error or "").strip() else ""
        found.append(
            f"A later run, started {wording.instant(failed.started_at)}, failed{why}. "
            "What you see is from the run before."
        )
    return found


def options(connection: Connection, run_id: str) -> Mapping[str, Any]:
    """The task's options as the run noted them; empty where it did not."""
    noted = connection.scalar(sa.select(RUNS.c.config).where(RUNS.c.run_id == run_id))
    return (noted or {}).get("options") or {}


def _fallback(provenance: Provenance) -> str:
    if provenance.subject == "champion":
        return (
            "The trained model did worse than the one before it in its trials on the past, so these figures come from "
            "the model before it."
        )
    if provenance.trial is None:
        return "No trained model could be tried on the past, so these figures come from a simpler rule."
    return "The trained model did worse than a simpler rule in its trials on the past, so these figures come from it."


def periods(connection: Connection, forecasts: sa.Table, *where: sa.ColumnElement[bool]) -> Periods:
    """The forecast dates of a run, from its first series: all series of a run share them."""
    first = (
        sa.select(forecasts.c.item_id, forecasts.c.location_id)
        .where(*where)
        .order_by(forecasts.c.item_id, forecasts.c.location_id)
        .limit(1)
        .subquery()
    )
    same = sa.and_(forecasts.c.item_id == first.c.item_id, forecasts.c.location_id == first.c.location_id)
    dates = sorted(connection.scalars(sa.select(forecasts.c.date).join_from(forecasts, first, same).where(*where)))
    if not dates:
        return NO_PERIODS
    step = (dates[-1] - dates[0]).days / max(len(dates) - 1, 1)
    return Periods(dates[0], dates[-1], len(dates), "day" if step < 5 else "week" if step < 20 else "month")


def _last_day(until: datetime | None, as_of: datetime) -> date | None:
    """The last whole day of data that the run can have used: nothing at or after its as-of instant."""
    if until is None:
        return None
    return min(until, as_of - timedelta(microseconds=1)).date()


def _trial(connection: Connection, run_id: str, gate_metric: str | None) -> Trial | None:
    """The gate's figures, pooled over all test periods: the model beside the best baseline."""
    metrics = RUN_METRICS.c
    rows = connection.execute(
        sa.select(metrics.subject, metrics.value).where(
            metrics.run_id == run_id,
            metrics.slice == "evaluate",
            metrics.metric == (gate_metric or "wql"),
            metrics.value.is_not(None),
        )
    ).all()
    values = {row.subject: row.value for row in rows}
    rivals = {subject: value for subject, value in values.items() if subject.startswith("baseline:")}
    if "model" not in values or not rivals:
        return None
    best = min(rivals, key=lambda subject: rivals[subject])
    return Trial(gate_metric or "wql", values["model"], rivals[best], best)

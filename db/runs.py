"""The ledger of runs and of what was measured in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import clock
from db.claims import Claim, held_by
from db.engines import Warehouse
from db.failures import repeated, repeated_briefly
from db.identifiers import new_identifier
from db.tables import CLAIMS, RUN_METRICS, RUNS
from forecasting.schema import ClaimLost


@dataclass(frozen=True)
class Run:
    """A row of `runs`; the columns' meanings are in `db.tables`. Instants are aware, UTC."""

    run_id: str
    task: str
    slot: datetime
    as_of: datetime
    state: str
    trigger: str
    model_id: str | None
    started_at: datetime
    finished_at: datetime | None
    rows: int | None
    error: str | None
    subject: str | None
    fallback: bool | None
    published_at: datetime | None
    exit_code: int | None
    fence: int
    code_version: str | None
    config: Mapping[str, Any] | None
    data_from: datetime | None
    data_until: datetime | None
    reason: str | None = None


@dataclass(frozen=True)
class Metric:
    """One figure: on which slice, of whom (model, champion, baseline:NAME, part:NAME), what, how much."""

    slice: str
    subject: str
    metric: str
    value: float


@repeated
def start(
    warehouse: Warehouse,
    claim: Claim,
    *,
    as_of: datetime,
    trigger: str,
    code_version: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> str:
    """Opens a run under a claim and returns its id. Raises ClaimLost."""
    run_id = new_identifier()
    with warehouse.writing() as connection:
        if not connection.execute(sa.update(CLAIMS).where(*held_by(claim)).values(run_id=run_id)).rowcount:
            raise claim.lost()
        connection.execute(
            sa.insert(RUNS).values(
                run_id=run_id,
                task=claim.task,
                slot=claim.slot,
                as_of=as_of,
                state="running",
                trigger=trigger,
                started_at=clock.now(connection),
                fence=claim.fence,
                code_version=code_version,
                config=config,
            )
        )
    return run_id


@repeated
def note_data_window(warehouse: Warehouse, run_id: str, data_from: datetime, data_until: datetime) -> None:
    """Records which part of the main source a run saw."""
    with warehouse.writing() as connection:
        statement = sa.update(RUNS).where(RUNS.c.run_id == run_id)
        connection.execute(statement.values(data_from=data_from, data_until=data_until))


@repeated_briefly
def fail(warehouse: Warehouse, claim: Claim, run_id: str, error: str, *, exit_code: int) -> None:
    """Closes a run that came to nothing and frees its slot; what was published before stays."""
    with warehouse.writing() as connection:
        statement = sa.update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.state == "running")
        moment = clock.now(connection)
        connection.execute(statement.values(state="failed", finished_at=moment, error=error, exit_code=exit_code))
        connection.execute(sa.update(CLAIMS).where(*held_by(claim)).values(state="failed"))


@repeated
def record_metrics(warehouse: Warehouse, run_id: str, metrics: Iterable[Metric]) -> None:
    """Adds figures to a run; one that is not finite is stored as null. Raises ClaimLost where the run is over."""
    rows = [
        {
            "run_id": run_id,
            "slice": one.slice,
            "subject": one.subject,
            "metric": one.metric,
            "value": float(one.value) if math.isfinite(one.value) else None,
        }
        for one in metrics
    ]
    with warehouse.writing() as connection:
        state = connection.scalar(sa.select(RUNS.c.state).where(RUNS.c.run_id == run_id))
        if state != "running":
            raise ClaimLost(
                f"run {run_id} is {state or 'unknown'}: its slot was taken over by another worker, which counts.",
                remedy="See `forecasting status`.",
            )
        if rows:
            connection.execute(sa.insert(RUN_METRICS), rows)


@repeated
def metrics(warehouse: Warehouse, run_id: str) -> list[Metric]:
    """The figures of a run, by slice, subject and metric; a null one is NaN."""
    columns = (RUN_METRICS.c.slice, RUN_METRICS.c.subject, RUN_METRICS.c.metric, RUN_METRICS.c.value)
    with warehouse.reading() as connection:
        rows = connection.execute(sa.select(*columns).where(RUN_METRICS.c.run_id == run_id).order_by(*columns[:3]))
        return [Metric(*row[:3], math.nan if row.value is None else row.value) for row in rows]


@repeated
def get(warehouse: Warehouse, run_id: str) -> Run | None:
    """A run by its id."""
    with warehouse.reading() as connection:
        row = connection.execute(sa.select(RUNS).where(RUNS.c.run_id == run_id)).one_or_none()
        return None if row is None else Run(**row._mapping)


@repeated
def latest(warehouse: Warehouse, task: str | None = None, *, limit: int = 20) -> list[Run]:
    """The runs started last, newest first."""
    statement = sa.select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(limit)
    if task is not None:
        statement = statement.where(RUNS.c.task == task)
    with warehouse.reading() as connection:
        return [Run(**row._mapping) for row in connection.execute(statement)]


@repeated
def triggered_by(warehouse: Warehouse, task: str, trigger: str) -> frozenset[str]:
    """The ids of a task's runs that were asked for in this way."""
    with warehouse.reading() as connection:
        statement = sa.select(RUNS.c.run_id).where(RUNS.c.task == task, RUNS.c.trigger == trigger)
        return frozenset(connection.scalars(statement))


@repeated
def using(warehouse: Warehouse, model_id: str) -> int:
    """How many runs are done whose rows a model forecast."""
    with warehouse.reading() as connection:
        mine = (RUNS.c.model_id == model_id, RUNS.c.state == "done")
        return connection.scalar(sa.select(sa.func.count()).select_from(RUNS).where(*mine)) or 0

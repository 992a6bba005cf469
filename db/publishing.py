"""From a run's rows to what everybody reads: staged under the run's id, then published by moving one pointer.

Staged rows are in the tables, but no view `current_*` shows them. `publish` moves the task's pointer, closes the run
and the claim and crowns the champion in one transaction, after checking claim and fence in it. A crash before that
leaves yesterday's rows visible and whole; a crash after it leaves nothing undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from db import bulk, clock
from db.canonical import ARROW_TYPES
from db.claims import Claim, held_by
from db.crowns import crown
from db.engines import Warehouse
from db.failures import repeated
from db.locks import one_at_a_time
from db.outputs import output_table
from db.tables import CLAIMS, PUBLICATIONS, RUNS
from forecasting.schema import ForecastingError, Kind, OutputTable

CHUNK_ROWS = 100_000
"""Rows of one staging transaction: short enough that other writers of a SQLite file get their turn."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended that has rows. `subject` is whose they are (model, champion, baseline:NAME), `rows` how many
    in all tables; `champion` makes `model_id` the task's champion if the pointer moves. `reason`: what the gate said.
    """

    rows: int
    subject: str
    fallback: bool = False
    model_id: str | None = None
    champion: bool = False
    exit_code: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Publication:
    """What a configured task's views show. Instants are aware, UTC."""

    task: str
    run_id: str
    as_of: datetime
    fence: int
    published_at: datetime


@dataclass(frozen=True)
class Move:
    """The pointer of a task as it moves to a run: `previous` is what was published until then, None at first.
    `comparable`: whether a difference between the two says something of what they are about; not where a model took
    over from a baseline or the other way round, nor where the task's options changed. All that is done with it happens
    in the transaction that moves it. Instants are aware, UTC."""

    task: str
    run_id: str
    as_of: datetime
    previous: Publication | None
    moved_at: datetime
    comparable: bool

    @property
    def is_backward(self) -> bool:
        """Whether what is now published is older news than what was."""
        return self.previous is not None and self.as_of < self.previous.as_of


Then = Callable[[sa.Connection, Move], None]
"""What else is done where the pointer moves, in the same transaction: if it raises, nothing is published."""


def stage(
    warehouse: Warehouse, claim: Claim, run_id: str, output: OutputTable, rows: pa.Table | Iterable[pa.Table]
) -> int:
    """Writes rows of one output table under the run's id, invisible until published; returns their number.

    `rows` has the declared columns (others are ignored, NaN is stored as null), in one table or shard by shard. Each
    CHUNK_ROWS are one transaction. Raises ClaimLost, or ForecastingError where rows do not fit the declaration.
    """
    written, target = 0, output_table(output)
    for table in (rows,) if isinstance(rows, pa.Table) else rows:
        for start in range(0, len(table), CHUNK_ROWS):
            claim.check()
            chunk = _storable(output, run_id, table.slice(start, CHUNK_ROWS))
            try:
                _append(warehouse, target, chunk)
            except (IntegrityError, psycopg.IntegrityError) as error:
                raise ForecastingError(
                    f"rows of {output.name!r} repeat a key ({', '.join(output.key)}) within run {run_id}."
                ) from error
            written += len(chunk)
    return written


@repeated
def _append(warehouse: Warehouse, target: sa.Table, rows: pa.Table) -> None:
    with warehouse.writing() as connection:
        bulk.ingest(connection, target, rows)


@repeated
def publish(
    warehouse: Warehouse,
    claim: Claim,
    run_id: str,
    outcome: Outcome,
    *,
    force: bool = False,
    then: Then | None = None,
) -> bool:
    """Closes a run as done and makes its staged rows current in all the task's tables at once; `then` follows.

    Returns False, the run done but its rows not current, where what is published has a later `as_of` (or the same
    from a later claim): only `force` moves the pointer back. Raises ClaimLost where the lease was taken over or the
    run given up; nothing has changed then.
    """
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"task {claim.task}")
        run = connection.execute(sa.select(RUNS).where(RUNS.c.run_id == run_id)).one_or_none()
        released = connection.execute(sa.update(CLAIMS).where(*held_by(claim)).values(state="done")).rowcount
        if run is None or run.state != "running" or run.fence != claim.fence or not released:
            raise claim.lost()
        moment = clock.now(connection)
        current = connection.execute(sa.select(PUBLICATIONS).where(PUBLICATIONS.c.task == claim.task)).one_or_none()
        moves = force or current is None or (current.as_of, current.fence) <= (run.as_of, claim.fence)
        if moves:
            pointer = {"run_id": run_id, "as_of": run.as_of, "fence": claim.fence, "published_at": moment}
            if current is None:
                connection.execute(sa.insert(PUBLICATIONS).values(task=claim.task, **pointer))
            else:
                connection.execute(sa.update(PUBLICATIONS).where(PUBLICATIONS.c.task == claim.task).values(pointer))
            if outcome.champion and outcome.model_id is not None:
                crown(connection, claim.task, outcome.model_id, "run")
        connection.execute(
            sa.update(RUNS)
            .where(RUNS.c.run_id == run_id)
            .values(
                state="done",
                finished_at=moment,
                published_at=moment if moves else None,
                rows=outcome.rows,
                subject=outcome.subject,
                fallback=outcome.fallback,
                model_id=outcome.model_id,
                exit_code=outcome.exit_code,
                reason=outcome.reason or None,
            )
        )
        if connection.dialect.name == "postgresql":
            # A table this small is never analysed on its own accord, and without statistics the planner reads all
            # rows of all runs to answer from a view.
            connection.execute(sa.DDL("analyze publications"))
        if moves and then is not None:
            previous = None if current is None else Publication(**current._mapping)
            comparable = previous is not None and _method(connection, previous.run_id) == _method(connection, run_id)
            then(connection, Move(claim.task, run_id, run.as_of, previous, moment, comparable))
    return moves


@repeated
def publications(warehouse: Warehouse) -> dict[str, Publication]:
    """What is published, by configured task."""
    with warehouse.reading() as connection:
        rows = connection.execute(sa.select(PUBLICATIONS).order_by(PUBLICATIONS.c.task))
        return {row.task: Publication(**row._mapping) for row in rows}


def _method(connection: sa.Connection, run_id: str) -> tuple[str | None, Any]:
    """Who made a run's rows, and with which options: every learned model is the same to those who read them, be it
    the champion or its successor, and each baseline another."""
    run = connection.execute(sa.select(RUNS.c.subject, RUNS.c.config).where(RUNS.c.run_id == run_id)).one()
    baseline = run.subject if (run.subject or "").startswith("baseline:") else None
    return baseline, (run.config or {}).get("options")


def _storable(output: OutputTable, run_id: str, rows: pa.Table) -> pa.Table:
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"run_id": pa.repeat(pa.scalar(run_id, pa.string()), len(rows))}
    for column in output.columns:
        if column.name not in rows.column_names:
            raise ForecastingError(f"rows of {output.name!r} lack the column {column.name!r}.")
        values = rows.column(column.name)
        try:
            values = _cast(values, column.kind)
        except pa.ArrowException as error:
            raise ForecastingError(
                f"column {column.name!r} of {output.name!r} is {values.type}, which is no {column.kind.value}: {error}."
            ) from error
        if values.null_count and (column.required or column.name in output.key):
            raise ForecastingError(f"column {column.name!r} of {output.name!r} is required, but a row lacks it.")
        columns[column.name] = values
    return pa.table(columns)


def _cast(values: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    values = values.cast(ARROW_TYPES[kind])
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values) if kind is Kind.NUMBER else values

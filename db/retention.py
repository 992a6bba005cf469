"""Clearing away rows that nobody will read again, in small transactions beside which everybody else goes on.

Readers keep their snapshot while rows go (both databases keep old versions); writers of a SQLite file get their turn
between chunks. What a task has in its tables is found in the tables themselves, by skipping along the primary key
from run to run, so rows left by any crash are found too.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from db import clock
from db.claims import abandon, is_alive
from db.engines import Warehouse
from db.failures import repeated
from db.locks import one_at_a_time
from db.outputs import output_table
from db.tables import CLAIMS, PUBLICATIONS, QUARANTINE, RUNS
from forecasting.schema import OutputTable

KEEP_RUNS = 30
"""Runs of a task whose rows are kept by default: reports compare what earlier ones said with what happened."""

CHUNK_ROWS = 20_000


@repeated
def sweep(warehouse: Warehouse, outputs: Sequence[OutputTable], task: str) -> int:
    """Marks runs of a task whose workers died as abandoned and deletes what dead and failed runs had staged.

    Every run begins with it. Runs under a live claim are left alone. Returns the number of rows deleted.
    """
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"task {task}")
        moment = clock.now(connection)
        claims = connection.execute(sa.select(CLAIMS).where(CLAIMS.c.task == task, CLAIMS.c.state == "running"))
        alive = {claim.run_id for claim in claims if is_alive(claim, moment)}
        running = connection.scalars(sa.select(RUNS.c.run_id).where(RUNS.c.task == task, RUNS.c.state == "running"))
        for run_id in set(running) - alive:
            abandon(connection, run_id, moment)
    return _clear(warehouse, outputs, task, RUNS.c.state.in_(("failed", "abandoned")))


@repeated
def retain(warehouse: Warehouse, outputs: Sequence[OutputTable], task: str, keep: int = KEEP_RUNS) -> int:
    """Deletes the rows, bad rows included, of all but the `keep` newest published runs of a task (by `as_of`) and as
    many of those done that never were: what a backfill made of the past would else go as soon as it is there.

    The published run and running ones always stay, and so does the ledger itself. Returns the number of rows deleted.
    """
    done = sa.select(RUNS.c.run_id).where(RUNS.c.task == task, RUNS.c.state == "done")
    newest = done.order_by(RUNS.c.as_of.desc(), RUNS.c.started_at.desc()).limit(max(keep, 0))
    kept = [newest.where(RUNS.c.published_at.is_not(None)), newest.where(RUNS.c.published_at.is_(None))]
    published = sa.select(PUBLICATIONS.c.run_id).where(PUBLICATIONS.c.task == task)
    old = sa.and_(
        RUNS.c.state != "running",
        RUNS.c.run_id.not_in(published),
        *(RUNS.c.run_id.not_in(sa.select(some.subquery().c.run_id)) for some in kept),
    )
    deleted = _clear(warehouse, outputs, task, old)
    old_runs = sa.select(RUNS.c.run_id).where(RUNS.c.task == task, old)
    with warehouse.reading() as connection:
        quarantined = sa.select(QUARANTINE.c.run_id).distinct().where(QUARANTINE.c.run_id.in_(old_runs))
        having = list(connection.scalars(quarantined))
    return deleted + sum(_delete(warehouse, QUARANTINE, (QUARANTINE.c.quarantine_id,), run_id) for run_id in having)


def _clear(warehouse: Warehouse, outputs: Sequence[OutputTable], task: str, doomed: sa.ColumnElement[bool]) -> int:
    deleted = 0
    for output in outputs:
        table = output_table(output)
        key = tuple(table.c[name] for name in output.key)
        with warehouse.reading() as connection:
            present = _runs_in(connection, table)
            known = connection.scalars(sa.select(RUNS.c.run_id).where(RUNS.c.task == task, doomed))
            victims = present.intersection(known)
        deleted += sum(_delete(warehouse, table, key, run_id) for run_id in sorted(victims))
    return deleted


def _runs_in(connection: sa.Connection, table: sa.Table) -> set[str]:
    """The runs that have rows in a table: one index lookup a run, never a scan."""
    found: set[str] = set()
    statement = sa.select(sa.func.min(table.c.run_id))
    last = connection.scalar(statement)
    while last is not None:
        found.add(last)
        last = connection.scalar(statement.where(table.c.run_id > last))
    return found


def _delete(warehouse: Warehouse, table: sa.Table, key: tuple[sa.Column, ...], run_id: str) -> int:
    deleted = 0
    of_run = table.c.run_id == run_id
    boundary = sa.select(*key).where(of_run).order_by(*key).offset(CHUNK_ROWS).limit(1)
    while True:
        with warehouse.writing() as connection:
            end = connection.execute(boundary).one_or_none()
            chunk = sa.delete(table).where(of_run)
            if end is not None:
                chunk = chunk.where(sa.tuple_(*key) < tuple(end))
            deleted += connection.execute(chunk).rowcount
        if end is None:
            return deleted

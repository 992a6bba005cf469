"""The ledger of jobs: one row for each attempt at a slot, and one for each slot that was passed over.

Who may run a slot is decided by a claim on ("job:NAME", slot); the ledger says what came of it, for schedulers that
want to know what is still to do and for people who want to know what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from db import clock
from db.claims import Claim, held_by, is_alive
from db.engines import Warehouse
from db.locks import one_at_a_time
from db.tables import CLAIMS, JOB_RUNS
from forecasting.schema import ClaimLost

KEEP_ROWS = 2_000
"""Rows of a job that are kept: years of nights, and the last half hour of a job that is due every second."""

Ending = Literal["done", "failed", "timed out", "interrupted"]
"""How an attempt ends that can still say so itself."""

State = Literal["running", Ending, "abandoned", "coalesced", "missed"]
"""`interrupted`: by a person or a machine that shuts down; `abandoned`: its worker died. A slot without an attempt: a
later one stood for it, or it was too old."""

PASSED_OVER = ("coalesced", "missed")


@dataclass(frozen=True)
class JobRun:
    """A row of `job_runs`. `attempt` counts from 1, and is 0 for a slot that was passed over; `exit_code` is the
    command's; `error` says what went wrong, or why the slot was passed over. Instants are aware, UTC."""

    job: str
    slot: datetime
    attempt: int
    state: State
    owner: str | None
    fence: int | None
    started_at: datetime
    finished_at: datetime | None
    exit_code: int | None
    error: str | None


def claim_name(job: str) -> str:
    """What stands in `claims.task` for a job."""
    return f"job:{job}"


def start(warehouse: Warehouse, claim: Claim, job: str) -> int:
    """Opens the next attempt at the claimed slot and returns its number; earlier ones that never ended were abandoned.
    Raises ClaimLost."""
    of_slot = (JOB_RUNS.c.job == job, JOB_RUNS.c.slot == claim.slot)
    with warehouse.writing() as connection:
        if connection.execute(sa.select(CLAIMS.c.fence).where(*held_by(claim))).one_or_none() is None:
            raise ClaimLost(claim.lost().message)
        moment = clock.now(connection)
        connection.execute(
            sa.update(JOB_RUNS)
            .where(*of_slot, JOB_RUNS.c.state == "running")
            .values(state="abandoned", finished_at=moment, error="the worker died or lost its lease")
        )
        attempt = 1 + (connection.scalar(sa.select(sa.func.max(JOB_RUNS.c.attempt)).where(*of_slot)) or 0)
        connection.execute(
            sa.insert(JOB_RUNS).values(
                job=job,
                slot=claim.slot,
                attempt=attempt,
                state="running",
                owner=claim.owner,
                fence=claim.fence,
                started_at=moment,
            )
        )
    return attempt


def finish(
    warehouse: Warehouse,
    claim: Claim,
    job: str,
    state: Ending,
    exit_code: int | None,
    error: str | None = None,
) -> None:
    """Ends the attempt that is running under this claim and the claim with it, in one transaction; one that was taken
    over is left alone."""
    with warehouse.writing() as connection:
        kept = "done" if state == "done" else "failed"
        if not connection.execute(sa.update(CLAIMS).where(*held_by(claim)).values(state=kept)).rowcount:
            return
        connection.execute(
            sa.update(JOB_RUNS)
            .where(
                JOB_RUNS.c.job == job,
                JOB_RUNS.c.slot == claim.slot,
                JOB_RUNS.c.fence == claim.fence,
                JOB_RUNS.c.state == "running",
            )
            .values(state=state, finished_at=clock.now(connection), exit_code=exit_code, error=error)
        )
        _clear_old(connection, job)


def pass_over(warehouse: Warehouse, job: str, slot: datetime, state: Literal["coalesced", "missed"], why: str) -> bool:
    """Notes that a slot will not be run, and why; False where the ledger knows the slot already."""
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"task {claim_name(job)}")
        known = sa.select(JOB_RUNS.c.attempt).where(JOB_RUNS.c.job == job, JOB_RUNS.c.slot == slot)
        if state != "coalesced" and connection.execute(known.limit(1)).one_or_none() is not None:
            return False
        if connection.execute(known.where(JOB_RUNS.c.attempt == 0)).one_or_none() is not None:
            return False
        moment = clock.now(connection)
        connection.execute(
            sa.insert(JOB_RUNS).values(
                job=job, slot=slot, attempt=0, state=state, started_at=moment, finished_at=moment, error=why
            )
        )
    return True


def latest(warehouse: Warehouse, job: str | None = None, *, limit: int = 50) -> list[JobRun]:
    """The rows of the newest slots, newest first, attempts of one slot from the last to the first. An attempt whose
    worker is known to be gone reads as abandoned."""
    statement = sa.select(JOB_RUNS).order_by(JOB_RUNS.c.slot.desc(), JOB_RUNS.c.attempt.desc()).limit(limit)
    if job is not None:
        statement = statement.where(JOB_RUNS.c.job == job)
    with warehouse.reading() as connection:
        moment = clock.now(connection)
        rows = [JobRun(**row._mapping) for row in connection.execute(statement)]
        alive = _alive(connection, rows, moment)
    return [
        replace(row, state="abandoned")
        if row.state == "running" and (row.job, row.slot, row.fence) not in alive
        else row
        for row in rows
    ]


def began(warehouse: Warehouse) -> datetime | None:
    """When the first attempt that the ledger knows began, aware, UTC; None where nothing was ever attempted."""
    with warehouse.reading() as connection:
        return connection.scalar(sa.select(sa.func.min(JOB_RUNS.c.started_at)))


def _alive(
    connection: sa.Connection, rows: Sequence[JobRun], moment: datetime
) -> set[tuple[str, datetime, int | None]]:
    """Job, slot and fence of the attempts that are still at work."""
    names = {claim_name(row.job): row.job for row in rows if row.state == "running"}
    if not names:
        return set()
    running = sa.select(CLAIMS).where(CLAIMS.c.task.in_(names), CLAIMS.c.state == "running")
    return {
        (names[claim.task], claim.slot, claim.fence) for claim in connection.execute(running) if is_alive(claim, moment)
    }


def _clear_old(connection: sa.Connection, job: str) -> None:
    """Old rows of a job go, and old claims with them: a job that is due every second makes many."""
    oldest = connection.scalar(
        sa.select(JOB_RUNS.c.slot)
        .where(JOB_RUNS.c.job == job)
        .order_by(JOB_RUNS.c.slot.desc(), JOB_RUNS.c.attempt.desc())
        .offset(KEEP_ROWS)
        .limit(1)
    )
    if oldest is not None:
        connection.execute(sa.delete(JOB_RUNS).where(JOB_RUNS.c.job == job, JOB_RUNS.c.slot < oldest))
        of_job = (CLAIMS.c.task == claim_name(job), CLAIMS.c.slot < oldest, CLAIMS.c.state != "running")
        connection.execute(sa.delete(CLAIMS).where(*of_job))

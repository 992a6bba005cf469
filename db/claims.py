"""One run, one claim: whoever claims (task, slot) first runs it, everybody else is told so.

A claim is a lease that its holder renews, measured by the database's clock. When the holder dies the lease runs out
(at once, where the dead process lived on this machine) and the next to come takes over with a higher fence. Every
claim of a task gets a fence above all earlier ones; publishing checks it in its own transaction, so a holder that
lost its lease without noticing can stage rows, but never publish them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from db import clock, owners
from db.engines import Warehouse
from db.failures import repeated
from db.locks import one_at_a_time
from db.tables import CLAIMS, RUNS
from forecasting.schema import ClaimLost, ForecastingError, SlotTaken

LEASE_SECONDS = 120.0

JOIN_SECONDS = 2.0
"""How long the end of a run waits for a heartbeat that is itself waiting for the database. One that comes later finds
the claim released, and changes nothing."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to run one slot. `slot` is aware, UTC; `fence` grows with every claim of the task."""

    warehouse: Warehouse = field(repr=False)
    task: str
    slot: datetime
    owner: str
    fence: int
    lease_seconds: float = LEASE_SECONDS
    _lost: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def check(self) -> None:
        """Raises ClaimLost where a heartbeat found that somebody else took over. Costs nothing."""
        if self._lost.is_set():
            raise self.lost()

    def renew(self) -> None:
        """Extends the lease. Raises ClaimLost where it is no longer ours."""
        with self.warehouse.writing() as connection:
            moment = clock.now(connection)
            statement = (
                sa.update(CLAIMS)
                .where(*held_by(self))
                .values(heartbeat_at=moment, lease_expires_at=moment + timedelta(seconds=self.lease_seconds))
            )
            renewed = connection.execute(statement).rowcount
        if not renewed:
            self._lost.set()
            raise self.lost()

    @contextmanager
    def heartbeat(self) -> Iterator[Claim]:
        """Renews the lease from a thread of its own, at a quarter of its length, until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), name=f"heartbeat of {self.task}", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(JOIN_SECONDS)

    def release(self, state: Literal["done", "failed"]) -> None:
        """Ends the claim: a slot that is done stays so, one that failed may be claimed again at once.

        `publish` releases as done by itself. A claim that is no longer ours is left alone."""
        with self.warehouse.writing() as connection:
            connection.execute(sa.update(CLAIMS).where(*held_by(self)).values(state=state))

    def _beat(self, stop: threading.Event) -> None:
        renewed = time.monotonic()
        while not stop.wait(self.lease_seconds / 4):
            try:
                self.renew()
                renewed = time.monotonic()
            except ClaimLost:
                return
            except (sa.exc.SQLAlchemyError, ForecastingError) as error:  # out of reach for now: the lease has slack
                _log.warning("the lease of %s could not be renewed: %s", self.task, type(error).__name__)
                if time.monotonic() - renewed > self.lease_seconds:
                    self._lost.set()
                    return

    def lost(self) -> ClaimLost:
        """The error that says so."""
        return ClaimLost(
            f"the claim on task {self.task!r}, slot {self.slot.isoformat()}, was taken over by another worker;"
            " nothing was published.",
            remedy="The other worker's run counts: see `forecasting status`.",
        )


@repeated
def claim(
    warehouse: Warehouse,
    task: str,
    slot: datetime,
    *,
    owner: str | None = None,
    lease_seconds: float = LEASE_SECONDS,
    force: bool = False,
) -> Claim:
    """Claims a slot (aware datetime) of a configured task for this process.

    Raises SlotTaken where it is done (unless `force`), or running under a live lease (`force` or not: two runs of one
    slot help nobody). The run of a dead holder is marked as abandoned.
    """
    mine = owner or owners.this_process()
    this_slot = (CLAIMS.c.task == task, CLAIMS.c.slot == slot)
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"task {task}")
        moment = clock.now(connection)
        earlier = connection.execute(sa.select(CLAIMS).where(*this_slot)).one_or_none()
        if earlier is not None:
            _refuse_if_taken(earlier, moment, force)
            abandon(connection, earlier.run_id, moment)
            connection.execute(sa.delete(CLAIMS).where(*this_slot))
        # The publication pointer and the ledger remember fences too, should old claims ever be cleared away.
        fence = 1 + max(
            connection.scalar(sa.select(sa.func.coalesce(sa.func.max(column), 0)).where(table.c.task == task)) or 0
            for table, column in ((CLAIMS, CLAIMS.c.fence), (RUNS, RUNS.c.fence))
        )
        fence = max(fence, earlier.fence + 1 if earlier is not None else 1)
        connection.execute(
            sa.insert(CLAIMS).values(
                task=task,
                slot=slot,
                owner=mine,
                fence=fence,
                state="running",
                claimed_at=moment,
                heartbeat_at=moment,
                lease_expires_at=moment + timedelta(seconds=lease_seconds),
            )
        )
    return Claim(warehouse, task, slot, mine, fence, lease_seconds)


def adopt(
    warehouse: Warehouse, task: str, slot: datetime, fence: int, *, lease_seconds: float = LEASE_SECONDS
) -> Claim:
    """Takes over a claim that was made for this process: a scheduler claims a slot before it starts a worker for it.

    Raises SlotTaken where the claim of that fence is over or somebody else has taken it over.
    """
    mine = owners.this_process()
    with warehouse.writing() as connection:
        moment = clock.now(connection)
        this = (CLAIMS.c.task == task, CLAIMS.c.slot == slot, CLAIMS.c.fence == fence, CLAIMS.c.state == "running")
        lease = {"heartbeat_at": moment, "lease_expires_at": moment + timedelta(seconds=lease_seconds)}
        adopted = connection.execute(sa.update(CLAIMS).where(*this).values(owner=mine, **lease)).rowcount
    if not adopted:
        raise SlotTaken(f"task {task!r}, slot {slot.isoformat()}, is no longer held under fence {fence}.")
    return Claim(warehouse, task, slot, mine, fence, lease_seconds)


Taken = Literal["running", "done"]


@repeated
def taken(warehouse: Warehouse, task: str, start: datetime, end: datetime) -> dict[datetime, Taken]:
    """The slots of a task in [start, end), aware, that `claim` would refuse without force, and why; in one look."""
    inside = (CLAIMS.c.task == task, CLAIMS.c.slot >= start, CLAIMS.c.slot < end)
    found: dict[datetime, Taken] = {}
    with warehouse.reading() as connection:
        moment = clock.now(connection)
        for row in connection.execute(sa.select(CLAIMS).where(*inside)):
            if row.state == "done":
                found[row.slot] = "done"
            elif is_alive(row, moment):
                found[row.slot] = "running"
    return found


def held_by(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions under which the row of a claim is still that claim's."""
    return (
        CLAIMS.c.task == claim.task,
        CLAIMS.c.slot == claim.slot,
        CLAIMS.c.fence == claim.fence,
        CLAIMS.c.owner == claim.owner,
        CLAIMS.c.state == "running",
    )


def is_alive(claim: sa.Row[Any], moment: datetime) -> bool:
    """Whether a row of `claims` is held by somebody who may still be at work."""
    return claim.state == "running" and claim.lease_expires_at > moment and not owners.is_dead(claim.owner)


def abandon(connection: sa.Connection, run_id: str | None, moment: datetime) -> None:
    """Marks a run whose worker died; it can then never be published."""
    statement = (
        sa.update(RUNS)
        .where(RUNS.c.run_id == run_id, RUNS.c.state == "running")
        .values(state="abandoned", finished_at=moment, error="the worker died or lost its lease")
    )
    connection.execute(statement)


def _refuse_if_taken(earlier: sa.Row[Any], moment: datetime, force: bool) -> None:
    what = f"job {job!r}" if (job := earlier.task.removeprefix("job:")) != earlier.task else f"task {earlier.task!r}"
    place = f"{what}, slot {earlier.slot.isoformat()},"
    if is_alive(earlier, moment):
        raise SlotTaken(
            f"{place} is running: {owners.describe(earlier.owner)}, lease until"
            f" {earlier.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC.",
            remedy="Wait for it, or look with `forecasting status`.",
        )
    if earlier.state == "done" and not force:
        run = f" (run {earlier.run_id})" if earlier.run_id else ""
        raise SlotTaken(f"{place} is done{run}.", remedy="Run it again with --force.", done=True)

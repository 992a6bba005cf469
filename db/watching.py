"""What a look at the ledgers shows of those who are at work now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db import clock, owners
from db.claims import is_alive
from db.engines import Warehouse
from db.tables import CLAIMS, QUARANTINE


@dataclass(frozen=True)
class RunningClaim:
    """A claim that nobody has ended. `task`: the task, or "job:NAME"; `owner`: who holds it, in words; `alive`: whether
    they may still be at work, the lease running and their process not known to be dead. Instants are aware, UTC."""

    task: str
    slot: datetime
    owner: str
    since: datetime
    lease_until: datetime
    run_id: str | None
    alive: bool


def running_claims(warehouse: Warehouse) -> tuple[RunningClaim, ...]:
    """The claims in force, by task and slot."""
    columns = [
        CLAIMS.c[name] for name in ("task", "slot", "owner", "claimed_at", "lease_expires_at", "state", "run_id")
    ]
    statement = sa.select(*columns).where(CLAIMS.c.state == "running").order_by(CLAIMS.c.task, CLAIMS.c.slot)
    with warehouse.reading() as connection:
        moment = clock.now(connection)
        return tuple(
            RunningClaim(
                row.task,
                row.slot,
                owners.describe(row.owner),
                row.claimed_at,
                row.lease_expires_at,
                row.run_id,
                is_alive(row, moment),
            )
            for row in connection.execute(statement)
        )


def quarantined(warehouse: Warehouse, run_id: str) -> dict[str, int]:
    """How many bad rows of each source a run set aside and kept."""
    counts = sa.select(QUARANTINE.c.source, sa.func.count()).where(QUARANTINE.c.run_id == run_id)
    with warehouse.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(counts.group_by(QUARANTINE.c.source))}

"""Which alerts a publication raises and which it closes, in the transaction that publishes.

What was published before is compared with what is published now, in the database: only rows that are alerts come out
of it. A crash before the commit leaves neither rows nor alerts, one after it leaves both and what is to be delivered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.alert_ledgers import ledger_table, not_closed
from db.announcing import Alert, announce
from db.identifiers import in_chunks
from db.locks import one_at_a_time
from db.outbox import ChannelInterest
from db.outputs import output_table
from db.publishing import Move
from forecasting.schema import AlertLedger, AlertPolicy, OutputTable


@dataclass(frozen=True)
class Raised:
    """How many alerts a publication raised, and closed for each reason."""

    raised: int = 0
    settled: int = 0
    lapsed: int = 0
    superseded: int = 0

    @property
    def closed(self) -> int:
        """How many alerts it closed in all."""
        return self.settled + self.lapsed + self.superseded


def raise_alerts(
    connection: sa.Connection,
    ledger: AlertLedger,
    output: OutputTable,
    policy: AlertPolicy,
    channels: Sequence[ChannelInterest],
    move: Move,
) -> Raised:
    """Closes what is settled or lapsed, raises what became worse, and puts both into the outbox.

    An alert is raised where an entity's level is worse than in the publication before (an entity that had no row
    there counts as one under the worst), at least `policy.raise_from`, its value at least `policy.least_value`, and
    no alert of that level or a worse one about it is open or lies within the cooldown. A milder one that is open is
    closed as superseded. Where the pointer moved back in `as_of` nothing is raised and nothing closed: old news is no
    news.
    """
    if move.is_backward:
        return Raised()
    one_at_a_time(connection, f"alerts of {ledger.name}")
    alerts, rows = ledger_table(ledger), output_table(output)
    run = (move.run_id, move.as_of)

    def close(because: str, *conditions: sa.ColumnElement[bool]) -> int:
        closed = _closed(connection, alerts, move, because, *conditions)
        announce(connection, ledger.name, closed, "closed", channels, move.moved_at, run=run)
        return len(closed)

    here = sa.exists().where(rows.c.run_id == move.run_id, rows.c[ledger.entity] == alerts.c[ledger.entity])
    settled = close("settled", here.where(rows.c[ledger.settled] >= alerts.c.as_of))
    lapsed = close("lapsed", ~here)
    worse = connection.execute(_worse(ledger, rows, policy, move)).mappings()
    raised = _alerts(ledger, move, worse)
    superseded = 0
    for some in in_chunks([alert[ledger.entity] for alert in raised]):
        superseded += close("superseded", alerts.c[ledger.entity].in_(some))
    if raised:
        connection.execute(sa.insert(alerts), raised)
    announce(connection, ledger.name, raised, "raised", channels, move.moved_at, run=run)
    return Raised(len(raised), settled, lapsed, superseded)


def alert_id(ledger: str, task: str, entity: str, as_of: datetime, level: str) -> str:
    """The same for the same warning, however often it is raised. `as_of` is aware."""
    parts = (ledger, task, entity, as_of.astimezone(UTC).isoformat(), level)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _worse(ledger: AlertLedger, rows: sa.Table, policy: AlertPolicy, move: Move) -> sa.Select[Any]:
    """The rows that are worth an alert now: the entity, its level and what an alert copies."""
    new, old = rows.alias("new"), rows.alias("old")
    before = move.previous.run_id if move.previous is not None else ""  # the run of no row
    rank, worst = _rank(ledger, new), len(ledger.levels) - 1
    return (
        sa.select(new.c[ledger.entity], new.c[ledger.level], *(new.c[column.name] for column in ledger.copied))
        .select_from(new)
        .outerjoin(old, sa.and_(old.c.run_id == before, old.c[ledger.entity] == new.c[ledger.entity]))
        .where(
            new.c.run_id == move.run_id,
            rank >= ledger.levels.index(policy.raise_from),
            sa.func.coalesce(new.c[ledger.value], 0) >= policy.least_value,
            rank > sa.func.coalesce(_rank(ledger, old), worst - 1),
            ~_known(ledger, new, policy, move),
        )
        .order_by(new.c[ledger.entity])
    )


def _known(ledger: AlertLedger, new: sa.FromClause, policy: AlertPolicy, move: Move) -> sa.Exists:
    """Whether an alert of the row's level or a worse one is open or lies within the cooldown: [as_of, as_of + days).

    That of this very instant always does, so no alert is made twice.
    """
    earlier = ledger_table(ledger).alias("earlier")
    cooling = earlier.c.as_of > move.as_of - timedelta(days=policy.cooldown_days)
    return sa.exists().where(
        earlier.c.task == move.task,
        earlier.c[ledger.entity] == new.c[ledger.entity],
        _rank(ledger, earlier) >= _rank(ledger, new),
        sa.or_(not_closed(earlier), cooling, earlier.c.as_of >= move.as_of),
    )


def _rank(ledger: AlertLedger, table: sa.FromClause) -> sa.Case[Any]:
    """The place of a row's level among the levels, 0 for harmless; null where there is no row."""
    return sa.case({level: number for number, level in enumerate(ledger.levels)}, value=table.c[ledger.level])


def _closed(
    connection: sa.Connection, alerts: sa.Table, move: Move, because: str, *conditions: sa.ColumnElement[bool]
) -> list[Alert]:
    """Closes the task's alerts that are not closed yet and meet the conditions; their rows as they are then."""
    statement = sa.update(alerts).where(alerts.c.task == move.task, not_closed(alerts), *conditions)
    values = {"state": "closed", "closed_at": move.moved_at, "closed_because": because}
    return [dict(row) for row in connection.execute(statement.values(values).returning(alerts)).mappings()]


def _alerts(ledger: AlertLedger, move: Move, rows: Iterable[sa.RowMapping]) -> list[Alert]:
    """The rows as new alerts, every column of the ledger given."""
    nothing = {column.name: None for column in ledger.columns}
    new = {"task": move.task, "run_id": move.run_id, "raised_at": move.moved_at, "as_of": move.as_of, "state": "open"}

    def identified(row: sa.RowMapping) -> str:
        return alert_id(ledger.name, move.task, row[ledger.entity], move.as_of, row[ledger.level])

    return [{**nothing, **new, "alert_id": identified(row), **row} for row in rows]

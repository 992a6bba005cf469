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
    """How many alerts a publication raised, and closed for each reason. `held_back`: those past a policy's
    `start_limit`."""

    raised: int = 0
    settled: int = 0
    lapsed: int = 0
    superseded: int = 0
    held_back: int = 0

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

    Settled: the entity did it at or after the alert's as-of instant, or it became known since the publication before
    (a purchase that reaches the warehouse a day late is a purchase). Lapsed: the entity has no row any more.

    An alert is raised where an entity's level is worse than in the publication before, at least `policy.raise_from`,
    its value at least `policy.least_value`, and no alert of that level or a worse one about it is open or lies within
    the cooldown. A row of too little value there counts as harmless, so that growing past the threshold is news. No
    row there counts as one under the worst. What the cooldown kept quiet is raised when that ends, if the alert that
    began it had closed by itself. A milder alert that is open is closed as superseded.

    Where the publication before cannot be compared (there is none, or another method or other options made it), no
    row of it counts, and at most `policy.start_limit` alerts are raised, of the largest values: else the change of the
    method, and not of the entities, would flood the channels. Where the pointer moved back in `as_of` nothing is
    raised and nothing closed: old news is no news.
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
    settled = close("settled", here.where(_acted(ledger, alerts, rows, move)))
    lapsed = close("lapsed", ~here)
    worse, held_back = _worse(ledger, rows, policy, move), 0
    if not move.comparable and policy.start_limit is not None:
        found = connection.scalar(sa.select(sa.func.count()).select_from(worse.subquery())) or 0
        worse, held_back = worse.limit(policy.start_limit), max(0, found - policy.start_limit)
    raised = _alerts(ledger, move, connection.execute(worse).mappings())
    superseded = 0
    for some in in_chunks([alert[ledger.entity] for alert in raised]):
        superseded += close("superseded", alerts.c[ledger.entity].in_(some))
    if raised:
        connection.execute(sa.insert(alerts), raised)
    announce(connection, ledger.name, raised, "raised", channels, move.moved_at, run=run)
    return Raised(len(raised), settled, lapsed, superseded, held_back)


def alert_id(ledger: str, task: str, entity: str, as_of: datetime, level: str) -> str:
    """The same for the same warning, however often it is raised. `as_of` is aware."""
    parts = (ledger, task, entity, as_of.astimezone(UTC).isoformat(), level)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _acted(ledger: AlertLedger, alerts: sa.Table, rows: sa.Table, move: Move) -> sa.ColumnElement[bool]:
    """Whether an entity's row of now says that it did what its alert feared it would not."""
    after = rows.c[ledger.settled] >= alerts.c.as_of
    if move.previous is None:
        return after
    old = rows.alias("old")
    seen_late = (
        sa.exists()
        .where(old.c.run_id == move.previous.run_id, old.c[ledger.entity] == alerts.c[ledger.entity])
        .where(old.c[ledger.settled] < rows.c[ledger.settled])
        .correlate(alerts, rows)
    )
    # An alert of a later instant, raised before the pointer moved back, may know of it already.
    return sa.or_(after, sa.and_(alerts.c.as_of <= move.previous.as_of, seen_late))


def _worse(ledger: AlertLedger, rows: sa.Table, policy: AlertPolicy, move: Move) -> sa.Select[Any]:
    """The rows that are worth an alert now, the largest value first: the entity, its level and what an alert copies."""
    new, old = rows.alias("new"), rows.alias("old")
    before = move.previous.run_id if move.previous is not None and move.comparable else ""  # the run of no row
    rank, value, worst = _rank(ledger, new), new.c[ledger.value], len(ledger.levels) - 1
    was = sa.case(
        (old.c[ledger.entity].is_(None), worst - 1),
        (sa.func.coalesce(old.c[ledger.value], 0) < policy.least_value, 0),
        else_=_rank(ledger, old),
    )
    return (
        sa.select(new.c[ledger.entity], new.c[ledger.level], *(new.c[column.name] for column in ledger.copied))
        .select_from(new)
        .outerjoin(old, sa.and_(old.c.run_id == before, old.c[ledger.entity] == new.c[ledger.entity]))
        .where(
            new.c.run_id == move.run_id,
            rank >= ledger.levels.index(policy.raise_from),
            sa.func.coalesce(value, 0) >= policy.least_value,
            sa.or_(rank > was, _cooled(ledger, new, policy, move)),
            ~_known(ledger, new, policy, move),
        )
        .order_by(value.desc().nulls_last(), new.c[ledger.entity])
    )


def _cooled(ledger: AlertLedger, new: sa.FromClause, policy: AlertPolicy, move: Move) -> sa.ColumnElement[bool]:
    """Whether the cooldown after an alert of the row's level or a worse one ended since the publication before. One
    that a person closed stays quiet."""
    if move.previous is None:
        return sa.false()
    earlier, cooldown = ledger_table(ledger).alias("cooled"), timedelta(days=policy.cooldown_days)
    return sa.exists().where(
        *_about(ledger, earlier, new, move),
        earlier.c.closed_because.in_(("settled", "lapsed")),
        earlier.c.closed_at < move.moved_at,  # who bought tonight is not warned about tonight
        earlier.c.as_of > move.previous.as_of - cooldown,
        earlier.c.as_of <= move.as_of - cooldown,
    )


def _known(ledger: AlertLedger, new: sa.FromClause, policy: AlertPolicy, move: Move) -> sa.Exists:
    """Whether an alert of the row's level or a worse one is open or lies within the cooldown: [as_of, as_of + days).

    That of this very instant always does, so no alert is made twice.
    """
    earlier = ledger_table(ledger).alias("earlier")
    cooling = earlier.c.as_of > move.as_of - timedelta(days=policy.cooldown_days)
    return sa.exists().where(
        *_about(ledger, earlier, new, move), sa.or_(not_closed(earlier), cooling, earlier.c.as_of >= move.as_of)
    )


def _about(
    ledger: AlertLedger, earlier: sa.FromClause, new: sa.FromClause, move: Move
) -> tuple[sa.ColumnElement[bool], ...]:
    """That an earlier alert is the row's entity's, and at least as bad."""
    return (
        earlier.c.task == move.task,
        earlier.c[ledger.entity] == new.c[ledger.entity],
        _rank(ledger, earlier) >= _rank(ledger, new),
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

"""The outbox of alerts: what is to be told to whom, written with the alerts themselves, taken and marked by senders.

At least once: a delivery is pending until its sender says that it arrived. A sender takes deliveries under a lease,
measured by the database's clock; when it dies, the lease runs out (at once, where the dead process lived on this
machine) and another sends again under the same `delivery_id`, by which a receiver knows that it is the same. The news
that an alert is closed waits until the same channel was told, or could not be told, that it was raised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from db import clock, owners
from db.engines import Warehouse
from db.identifiers import in_chunks
from db.locks import one_at_a_time
from db.tables import ALERT_DELIVERIES
from db.types import UtcDateTime

Event = Literal["raised", "closed"]

EVENTS: tuple[Event, ...] = ("raised", "closed")

LEASE_SECONDS = 300.0


@dataclass(frozen=True)
class ChannelInterest:
    """A configured channel, and which events of a task's alerts it wants."""

    name: str
    events: tuple[Event, ...] = ("raised",)


@dataclass(frozen=True)
class Delivery:
    """One event of one alert for one channel, leased to `worker`.

    `delivery_id`: the idempotency key. `run_id` and `as_of` (aware, UTC): the run whose publication made the event,
    or, for an alert closed by hand, the one that raised it. `payload`: the ledger's columns as they were then, JSON
    values (instants `2026-03-01T00:00:00Z`, dates `2026-03-01`). `attempts`: those that failed before.
    """

    delivery_id: str
    ledger: str
    alert_id: str
    task: str
    run_id: str
    as_of: datetime
    channel: str
    event: Event
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime
    worker: str | None = None


@dataclass(frozen=True)
class Backlog:
    """Where a channel stands. `oldest`: when its oldest pending delivery was made, `next_attempt_at`: when the next
    of them is due, `last_error`: of the attempt that failed last, among those pending or given up. Aware, UTC."""

    channel: str
    pending: int
    given_up: int
    oldest: datetime | None
    next_attempt_at: datetime | None
    last_error: str | None


def take(
    warehouse: Warehouse,
    channel: str,
    worker: str | None = None,
    limit: int = 100,
    lease_seconds: float = LEASE_SECONDS,
) -> list[Delivery]:
    """Leases the channel's due deliveries to a worker, at most `limit`, in the order in which they are due.

    `worker`: this process by default, so that others see when it is dead. Workers never wait for each other's.
    """
    mine = worker or owners.this_process()
    with warehouse.writing() as connection:
        moment = clock.now(connection)
        _free_the_dead(connection, channel, moment)
        due = (
            sa.select(ALERT_DELIVERIES.c.delivery_id)
            .where(_pending(), ALERT_DELIVERIES.c.channel == channel, ALERT_DELIVERIES.c.next_attempt_at <= moment)
            .where(sa.or_(ALERT_DELIVERIES.c.leased_until.is_(None), ALERT_DELIVERIES.c.leased_until <= moment))
            .where(~_waits_for_another())
            .order_by(ALERT_DELIVERIES.c.next_attempt_at, ALERT_DELIVERIES.c.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        identifiers = list(connection.scalars(due))
        until = moment + timedelta(seconds=lease_seconds)
        _update(connection, identifiers, {"leased_by": mine, "leased_until": until})
        return _deliveries(connection, identifiers)


def delivered(warehouse: Warehouse, deliveries: Sequence[Delivery]) -> None:
    """Marks deliveries as arrived, and an alert as delivered once every channel that wanted it was told.

    Repeating it changes nothing; it holds whoever has the lease by now, for arrived is arrived.
    """
    with warehouse.writing() as connection:
        _lock_ledgers(connection, deliveries)
        moment = clock.now(connection)
        values = {
            "state": "delivered",
            "attempts": ALERT_DELIVERIES.c.attempts + 1,
            "delivered_at": moment,
            "leased_by": None,
            "leased_until": None,
        }
        not_yet = ALERT_DELIVERIES.c.state != "delivered"
        _update(connection, [one.delivery_id for one in deliveries], values, not_yet)
        for ledger in sorted({one.ledger for one in deliveries}):
            raised = [one.alert_id for one in deliveries if one.ledger == ledger and one.event == "raised"]
            _mark_alerts(connection, ledger, raised, moment)


def failed(warehouse: Warehouse, deliveries: Sequence[Delivery], error: str, retry_seconds: float | None) -> None:
    """Ends an attempt that failed: the next is due in so many seconds, or with None the deliveries are given up.

    `error`: one line for people, without secrets. Deliveries that another worker has taken since are left alone.
    """
    with warehouse.writing() as connection:
        moment = clock.now(connection)
        values: dict[str, Any] = {
            "attempts": ALERT_DELIVERIES.c.attempts + 1,
            "last_error": " ".join(error.split())[:500],
            "leased_by": None,
            "leased_until": None,
        }
        if retry_seconds is None:
            values["state"] = "given up"
        else:
            values["next_attempt_at"] = moment + timedelta(seconds=retry_seconds)
        for worker, mine in _by_worker(deliveries):
            _update(connection, mine, values, _pending(), ALERT_DELIVERIES.c.leased_by == worker)


def give_back(warehouse: Warehouse, deliveries: Sequence[Delivery]) -> None:
    """Ends the lease of deliveries that were not tried, so that the next to come need not wait for it."""
    with warehouse.writing() as connection:
        for worker, mine in _by_worker(deliveries):
            held = (_pending(), ALERT_DELIVERIES.c.leased_by == worker)
            _update(connection, mine, {"leased_by": None, "leased_until": None}, *held)


def revive(warehouse: Warehouse, channel: str) -> int:
    """Makes what a channel was given up on pending again, due at once; how many. For a receiver that was repaired."""
    given_up = (ALERT_DELIVERIES.c.channel == channel, ALERT_DELIVERIES.c.state == "given up")
    with warehouse.writing() as connection:
        values = {"state": "pending", "attempts": 0, "next_attempt_at": clock.now(connection)}
        return connection.execute(sa.update(ALERT_DELIVERIES).where(*given_up).values(values)).rowcount


def of_run(warehouse: Warehouse, channel: str, run_id: str) -> list[Delivery]:
    """Every delivery of a run for a channel, arrived or not, leased by nobody: for files that are written whole."""
    wanted = (ALERT_DELIVERIES.c.run_id == run_id, ALERT_DELIVERIES.c.channel == channel)
    statement = sa.select(ALERT_DELIVERIES).where(*wanted)
    order = (ALERT_DELIVERIES.c.created_at, ALERT_DELIVERIES.c.delivery_id)
    with warehouse.reading() as connection:
        return [_delivery(row, leased=False) for row in connection.execute(statement.order_by(*order)).mappings()]


def pending(warehouse: Warehouse) -> dict[str, Backlog]:
    """Where each channel stands that has something pending or given up, by name."""
    table = ALERT_DELIVERIES.c
    waiting, lost = table.state == "pending", table.state == "given up"
    counts = sa.select(
        table.channel,
        sa.func.count().filter(waiting).label("pending"),
        sa.func.count().filter(lost).label("given_up"),
        sa.func.min(sa.case((waiting, table.created_at)), type_=UtcDateTime()).label("oldest"),
        sa.func.min(sa.case((waiting, table.next_attempt_at)), type_=UtcDateTime()).label("next_attempt_at"),
    )
    unsettled = table.state != sa.literal_column("'delivered'")  # spelled as the partial index has it
    errors = sa.select(table.channel, table.last_error).where(unsettled, table.last_error.is_not(None))
    with warehouse.reading() as connection:
        last = {row.channel: row.last_error for row in connection.execute(errors.order_by(table.next_attempt_at))}
        rows = connection.execute(counts.where(unsettled).group_by(table.channel).order_by(table.channel))
        return {row.channel: Backlog(**row._mapping, last_error=last.get(row.channel)) for row in rows}


def delivery_id(alert_id: str, channel: str, event: Event) -> str:
    """The idempotency key: the same event of the same alert has the same one for a channel, always."""
    return hashlib.sha256("\0".join((alert_id, channel, event)).encode()).hexdigest()[:32]


def _pending() -> sa.ColumnElement[bool]:
    return ALERT_DELIVERIES.c.state == sa.literal_column("'pending'")  # spelled out: the partial index asks for it


def _waits_for_another() -> sa.ColumnElement[bool]:
    """Whether the news of a closed alert would overtake that it was raised."""
    other = ALERT_DELIVERIES.alias("other")
    return sa.and_(
        ALERT_DELIVERIES.c.event == "closed",
        sa.exists()
        .where(other.c.alert_id == ALERT_DELIVERIES.c.alert_id, other.c.channel == ALERT_DELIVERIES.c.channel)
        .where(other.c.event == "raised", other.c.state == "pending"),
    )


def _free_the_dead(connection: sa.Connection, channel: str, moment: datetime) -> None:
    """Ends the leases of workers that are known to be dead."""
    leased = (_pending(), ALERT_DELIVERIES.c.channel == channel, ALERT_DELIVERIES.c.leased_until > moment)
    for worker in connection.scalars(sa.select(ALERT_DELIVERIES.c.leased_by).where(*leased).distinct()).all():
        if worker is not None and owners.is_dead(worker):
            free = sa.update(ALERT_DELIVERIES).where(*leased, ALERT_DELIVERIES.c.leased_by == worker)
            connection.execute(free.values(leased_by=None, leased_until=None))


def _lock_ledgers(connection: sa.Connection, deliveries: Iterable[Delivery]) -> None:
    for ledger in sorted({one.ledger for one in deliveries}):
        one_at_a_time(connection, f"alerts of {ledger}")


def _mark_alerts(connection: sa.Connection, ledger: str, alert_ids: Sequence[str], moment: datetime) -> None:
    """The alerts of which every delivery that says `raised` has arrived. One that was given up leaves its alert open:
    somebody was never told."""
    alerts = sa.table(
        sa.quoted_name(ledger, quote=True),
        sa.column("alert_id", sa.Text),
        sa.column("state", sa.Text),
        sa.column("delivered_at", UtcDateTime),
    )
    untold = sa.exists().where(
        ALERT_DELIVERIES.c.alert_id == alerts.c.alert_id,
        ALERT_DELIVERIES.c.event == "raised",
        ALERT_DELIVERIES.c.state != "delivered",
    )
    told = sa.update(alerts).where(alerts.c.delivered_at.is_(None), ~untold)
    told = told.values(
        delivered_at=moment, state=sa.case((alerts.c.state == "open", "delivered"), else_=alerts.c.state)
    )
    for some in in_chunks(alert_ids):
        connection.execute(told.where(alerts.c.alert_id.in_(some)))


def _update(
    connection: sa.Connection,
    identifiers: Sequence[str],
    values: Mapping[str, Any],
    *conditions: sa.ColumnElement[bool],
) -> None:
    for some in in_chunks(identifiers):
        statement = sa.update(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.delivery_id.in_(some), *conditions)
        connection.execute(statement.values(dict(values)))


def _deliveries(connection: sa.Connection, identifiers: Sequence[str]) -> list[Delivery]:
    """Those deliveries, in the order of the identifiers."""
    found = {}
    for some in in_chunks(identifiers):
        rows = connection.execute(sa.select(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.delivery_id.in_(some)))
        found.update({row["delivery_id"]: _delivery(row) for row in rows.mappings()})
    return [found[identifier] for identifier in identifiers]


def _delivery(row: sa.RowMapping, *, leased: bool = True) -> Delivery:
    names = [name for name in Delivery.__dataclass_fields__ if name != "worker"]
    return Delivery(**{name: row[name] for name in names}, worker=row["leased_by"] if leased else None)


def _by_worker(deliveries: Sequence[Delivery]) -> Iterator[tuple[str, list[str]]]:
    for worker in sorted({one.worker for one in deliveries if one.worker is not None}):
        yield worker, [one.delivery_id for one in deliveries if one.worker == worker]

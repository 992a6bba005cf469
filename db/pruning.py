"""Alerts and deliveries that are to be forgotten: old ones, those about a person, those for a channel that is gone.

Ledger and outbox keep everything until somebody asks for this. It is done in small transactions, beside which
everybody else goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.alert_ledgers import ledger_table
from db.engines import Warehouse
from db.identifiers import in_chunks
from db.locks import one_at_a_time
from db.tables import ALERT_DELIVERIES
from forecasting.schema import AlertLedger

CHUNK = 500


@dataclass(frozen=True)
class Pruned:
    """How much was deleted."""

    alerts: int = 0
    deliveries: int = 0


def prune_closed(warehouse: Warehouse, ledger: AlertLedger, before: datetime) -> Pruned:
    """Deletes alerts closed before that instant (aware), and every delivery of theirs."""
    table = ledger_table(ledger)
    return _prune(warehouse, table, sa.and_(table.c.state == "closed", table.c.closed_at < before))


def prune_entities(warehouse: Warehouse, ledger: AlertLedger, entities: Sequence[str]) -> Pruned:
    """Deletes all alerts about these entities, open ones too, and every delivery of theirs."""
    table, found = ledger_table(ledger), Pruned()
    for some in in_chunks(entities):
        more = _prune(warehouse, table, table.c[ledger.entity].in_(some))
        found = Pruned(found.alerts + more.alerts, found.deliveries + more.deliveries)
    return found


def prune_channel(warehouse: Warehouse, channel: str) -> Pruned:
    """Deletes what was never delivered through a channel. The alerts stay as they are: nobody heard of them there."""
    with warehouse.writing() as connection:
        undelivered = (ALERT_DELIVERIES.c.channel == channel, ALERT_DELIVERIES.c.state != "delivered")
        return Pruned(deliveries=connection.execute(sa.delete(ALERT_DELIVERIES).where(*undelivered)).rowcount)


def _prune(warehouse: Warehouse, table: sa.Table, doomed: sa.ColumnElement[bool]) -> Pruned:
    alerts = deliveries = 0
    while True:
        with warehouse.writing() as connection:
            one_at_a_time(connection, f"alerts of {table.name}")
            some = list(connection.scalars(sa.select(table.c.alert_id).where(doomed).limit(CHUNK)))
            theirs = (ALERT_DELIVERIES.c.ledger == table.name, ALERT_DELIVERIES.c.alert_id.in_(some))
            deliveries += connection.execute(sa.delete(ALERT_DELIVERIES).where(*theirs)).rowcount
            alerts += connection.execute(sa.delete(table).where(table.c.alert_id.in_(some))).rowcount
        if len(some) < CHUNK:
            return Pruned(alerts, deliveries)

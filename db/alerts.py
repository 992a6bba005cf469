"""Ledgers of alerts as people use them: what stands there, and what somebody has seen to or closed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from db import clock
from db.alert_ledgers import ledger_table, not_closed
from db.announcing import Alert, announce
from db.engines import Warehouse
from db.identifiers import in_chunks
from db.locks import one_at_a_time
from db.outbox import ChannelInterest
from forecasting.schema import AlertLedger


def listed(
    warehouse: Warehouse,
    ledger: AlertLedger,
    *,
    states: Sequence[str],
    task: str | None = None,
    limit: int | None = None,
) -> list[Alert]:
    """The alerts in these states, those raised last first, of one night the worst first."""
    table = ledger_table(ledger)
    rank = sa.case({level: number for number, level in enumerate(ledger.levels)}, value=table.c[ledger.level])
    order = [table.c.raised_at.desc(), rank.desc()]
    if ledger.value in table.c:
        order.append(table.c[ledger.value].desc().nulls_last())
    statement = sa.select(table).where(*_of(table, states, task)).order_by(*order, table.c.alert_id).limit(limit)
    with warehouse.reading() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def count(warehouse: Warehouse, ledger: AlertLedger, *, states: Sequence[str], task: str | None = None) -> int:
    """How many alerts there are in these states."""
    table = ledger_table(ledger)
    with warehouse.reading() as connection:
        statement = sa.select(sa.func.count()).select_from(table).where(*_of(table, states, task))
        return connection.scalar(statement) or 0


def by_id(warehouse: Warehouse, ledger: AlertLedger, alert_ids: Sequence[str]) -> list[Alert]:
    """The alerts of these ids, closed ones too."""
    return _found(warehouse, ledger, "alert_id", alert_ids)


def by_entity(warehouse: Warehouse, ledger: AlertLedger, entities: Sequence[str]) -> list[Alert]:
    """All alerts that were ever raised about these entities, oldest first."""
    return _found(warehouse, ledger, ledger.entity, entities)


def acknowledge(warehouse: Warehouse, ledger: AlertLedger, alert_ids: Sequence[str], by: str) -> list[Alert]:
    """Notes that a person has seen to alerts; returns those that changed.

    One that is acknowledged already keeps who was first, and one that is closed stays so.
    """
    table = ledger_table(ledger)
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"alerts of {ledger.name}")
        values = {"state": "acknowledged", "acknowledged_at": clock.now(connection), "acknowledged_by": by}
        return _changed(connection, table, alert_ids, values, table.c.state.in_(("open", "delivered")))


def close(
    warehouse: Warehouse,
    ledger: AlertLedger,
    alert_ids: Sequence[str],
    by: str,
    channels: Callable[[str], Sequence[ChannelInterest]],
) -> list[Alert]:
    """Closes alerts by hand and tells the channels; returns those that changed.

    Who closes an alert has seen to it, unless somebody had before. One that is closed already keeps its reason.
    `channels`: those of a configured task.
    """
    table = ledger_table(ledger)
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"alerts of {ledger.name}")
        moment = clock.now(connection)
        values = {
            "state": "closed",
            "closed_at": moment,
            "closed_because": "by hand",
            "acknowledged_at": sa.func.coalesce(table.c.acknowledged_at, sa.literal(moment, table.c.closed_at.type)),
            "acknowledged_by": sa.func.coalesce(table.c.acknowledged_by, by),
        }
        closed = _changed(connection, table, alert_ids, values, not_closed(table))
        for task in dict.fromkeys(alert["task"] for alert in closed):
            mine = [alert for alert in closed if alert["task"] == task]
            announce(connection, ledger.name, mine, "closed", channels(task), moment)
        return closed


def _of(table: sa.Table, states: Sequence[str], task: str | None) -> Iterable[sa.ColumnElement[bool]]:
    yield table.c.state.in_(states)
    if task is not None:
        yield table.c.task == task


def _found(warehouse: Warehouse, ledger: AlertLedger, column: str, values: Sequence[str]) -> list[Alert]:
    table = ledger_table(ledger)
    found: list[Alert] = []
    with warehouse.reading() as connection:
        for some in in_chunks(values):
            statement = sa.select(table).where(table.c[column].in_(some)).order_by(table.c.raised_at, table.c.alert_id)
            found += [dict(row) for row in connection.execute(statement).mappings()]
    return found


def _changed(
    connection: sa.Connection,
    table: sa.Table,
    alert_ids: Sequence[str],
    values: dict[str, Any],
    condition: sa.ColumnElement[bool],
) -> list[Alert]:
    changed: list[Alert] = []
    for some in in_chunks(alert_ids):
        statement = sa.update(table).where(table.c.alert_id.in_(some), condition).values(values).returning(table)
        changed += [dict(row) for row in connection.execute(statement).mappings()]
    return changed

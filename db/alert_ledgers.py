"""Ledgers of alerts that tasks declare, and the views through which everybody reads what is still of interest.

A ledger is no run's: its rows stay when runs go. The database itself keeps that no entity has two alerts that are not
closed. A ledger's index by entity answers what was raised about one before.
"""

from __future__ import annotations

import sqlalchemy as sa

from db.types import sql_type
from db.views import ViewOf
from forecasting.schema import AlertLedger, ConfigurationError


def ledger_table(ledger: AlertLedger, metadata: sa.MetaData | None = None) -> sa.Table:
    """The table of a declared ledger. Raises ConfigurationError for a declaration that cannot be one."""
    _check(ledger)
    columns = [sa.Column(one.name, sql_type(one.kind), nullable=not one.required) for one in ledger.columns]
    table = sa.Table(
        ledger.name,
        metadata if metadata is not None else sa.MetaData(),
        *columns,
        sa.PrimaryKeyConstraint("alert_id", name=f"{ledger.name}_pkey"),
    )
    entity, unclosed = table.c[ledger.entity], not_closed(table)
    sa.Index(f"{ledger.name}_by_state", table.c.task, table.c.state)
    sa.Index(f"{ledger.name}_by_entity", table.c.task, entity, table.c.as_of)
    sa.Index(
        f"{ledger.name}_one_open", table.c.task, entity, unique=True, sqlite_where=unclosed, postgresql_where=unclosed
    )
    return table


def current_alerts(ledger: AlertLedger) -> sa.Table:
    """The view `current_NAME` as something to select from: the ledger's columns."""
    return sa.Table(ledger.view, sa.MetaData(), *(sa.Column(one.name, sql_type(one.kind)) for one in ledger.columns))


def not_closed(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """The condition of the view and of the unique index, spelled so that both databases see it is the index's."""
    return table.c.state != sa.literal_column("'closed'")


class CreateLedgerView(ViewOf):
    """CREATE VIEW over the alerts that are not closed."""

    inherit_cache = False

    def __init__(self, ledger: AlertLedger):
        table = ledger_table(ledger)
        super().__init__(ledger.view, sa.select(*table.c).where(not_closed(table)))


def _check(ledger: AlertLedger) -> None:
    names = [column.name for column in ledger.columns]
    wrong = ""
    if twice := next((name for name in names if names.count(name) > 1), None):
        wrong = f"has two columns {twice!r}: the house's own and what is copied must differ"
    elif len(ledger.levels) < 2:
        wrong = "has fewer than two levels"
    if wrong:
        raise ConfigurationError(f"alert ledger {ledger.name!r} {wrong}.")

"""Tables that tasks declare, and the views through which everybody reads them.

A declared table stands in the database with `run_id` in front and (run_id, key) as primary key: one run's rows lie
together in key order, so reading what is published is a range of that index however many old runs are kept. SQLite
keeps such a table as that one tree (WITHOUT ROWID).
"""

from __future__ import annotations

import sqlalchemy as sa

from db.tables import PUBLICATIONS
from db.types import sql_type
from db.views import ViewOf
from forecasting.schema import ConfigurationError, Kind, OutputTable

RESERVED = ("run_id", "task")


def output_table(output: OutputTable, metadata: sa.MetaData | None = None) -> sa.Table:
    """The table of a declared output. Raises ConfigurationError for a declaration that cannot be one."""
    _check(output)
    columns = [
        sa.Column(column.name, sql_type(column.kind), nullable=not column.required and column.name not in output.key)
        for column in output.columns
    ]
    return sa.Table(
        output.name,
        metadata if metadata is not None else sa.MetaData(),
        sa.Column("run_id", sa.Text, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("run_id", *output.key, name=f"{output.name}_pkey"),
        sqlite_with_rowid=False,
    )


def current_view(output: OutputTable) -> sa.Table:
    """The view `current_NAME` as something to select from: `task`, `run_id` and the declared columns."""
    columns = [sa.Column(column.name, sql_type(column.kind)) for column in output.columns]
    return sa.Table(output.view, sa.MetaData(), sa.Column("task", sa.Text), sa.Column("run_id", sa.Text), *columns)


class CreateView(ViewOf):
    """CREATE VIEW over the published run of each configured task that writes the table."""

    inherit_cache = False

    def __init__(self, output: OutputTable):
        table = output_table(output)
        published = PUBLICATIONS.c.run_id == table.c.run_id
        super().__init__(
            output.view, sa.select(PUBLICATIONS.c.task, *table.c).join_from(PUBLICATIONS, table, published)
        )


def _check(output: OutputTable) -> None:
    names = [column.name for column in output.columns]
    wrong = ""
    if not output.key:
        wrong = "has no key"
    elif missing := [name for name in output.key if name not in names]:
        wrong = f"has a key column {missing[0]!r} that it does not declare"
    elif taken := [name for name in RESERVED if name in names]:
        wrong = f"declares {taken[0]!r}, which the house adds itself"
    elif len(set(names)) < len(names):
        wrong = "declares a column twice"
    elif untyped := [column.name for column in output.columns if column.kind is Kind.ANY]:
        wrong = f"gives its column {untyped[0]!r} no type of its own"
    if wrong:
        raise ConfigurationError(f"output table {output.name!r} {wrong}.")

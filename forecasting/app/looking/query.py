"""A `query` for the configuration: SQL in the words of the user's own database, every name quoted where it must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Parts = sa.ColumnElement[Any]


@dataclass(frozen=True)
class Select:
    """One SELECT. `columns`: (canonical name, expression)."""

    columns: Sequence[tuple[str, Parts]]
    source: sa.FromClause
    where: Sequence[Parts] = ()
    group_by: Sequence[Parts] = ()


def sql_of(selects: Sequence[Select], dialect: sa.Dialect) -> str:
    """The text of one SELECT, or of several put under each other by UNION ALL. Made by SQLAlchemy, piece by piece, so
    that there is a line for every column."""
    # The plain way to write parameters: others would double every % of a name.
    make: Any = type(dialect)
    plain = make(paramstyle="named")

    def text(piece: Any, **options: Any) -> str:
        compiler = plain.statement_compiler(plain, None)
        return compiler.process(piece, literal_binds=True, **options).strip()

    return "\nUNION ALL\n".join(_one(select, text) for select in selects)


def _one(select: Select, text: Callable[..., str]) -> str:
    qualified = {"include_table": isinstance(select.source, sa.Join)}
    columns = ",\n".join(f"  {text(value, **qualified)} AS {name}" for name, value in select.columns)
    parts = [f"SELECT\n{columns}", f"FROM {text(select.source, asfrom=True)}"]
    if select.where:
        parts.append("WHERE " + "\n  AND ".join(text(one, **qualified) for one in select.where))
    if select.group_by:
        parts.append("GROUP BY " + ", ".join(text(one, **qualified) for one in select.group_by))
    return "\n".join(parts)


def relation(schema: str | None, name: str, columns: Sequence[str], alias: str | None = None) -> sa.FromClause:
    """A table to take columns from, with a short name where several stand beside each other."""
    table = sa.table(name, *map(sa.column, columns), schema=schema)
    return table if alias is None else table.alias(alias)


def present(value: Parts, family: str, dialect: str) -> Parts:
    """Whether there is a value. SQLite keeps blank text in columns of any type; other databases in those of text."""
    if dialect == "sqlite" or family == "text":
        return sa.cast(value, sa.Text) != sa.literal("")
    return value.is_not(None)


def since_1970(value: Parts, units: int, dialect: str) -> Parts:
    """A count of seconds (`units` 1) or milliseconds (1000) as a time in UTC; as it is where nobody knows how."""
    seconds = value / sa.literal(float(units))
    if dialect == "postgresql":
        return sa.func.to_timestamp(seconds)
    if dialect == "sqlite":
        return sa.func.strftime("%Y-%m-%dT%H:%M:%fZ", seconds, "unixepoch")
    return value

"""Mapped sources: where a canonical source stands in a shop's own warehouse, column by column.

A mapping is plain configuration; `resolve` holds it against the real database and says which of the canonical and
extra columns are there. All names are quoted by SQLAlchemy, so reserved words, upper case and odd characters are safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from db import failures
from db.canonical import columns_to_read
from db.engines import Warehouse
from db.failures import first_line as first_line
from db.table_names import find_table, names_beside, qualified_names
from forecasting.schema import Column, ConfigurationError, DataError, Kind, Source

_JSON = (114, 3802)  # type codes (OIDs) of PostgreSQL: json, jsonb


@dataclass(frozen=True)
class SourceMapping:
    """One `[sources.NAME]` of forecasting.toml.

    `warehouse`: its name, None for the results warehouse. At most one of `table` ("orders", "shop.orders") and
    `query` (a SELECT of the user's own); with neither, the canonical table. `columns`: canonical or extra name ->
    theirs; columns that are not named keep their names. `timezone`: IANA name, of times without an offset.
    Raises ConfigurationError where it contradicts itself.
    """

    source: str
    warehouse: str | None = None
    table: str | None = None
    query: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.table and self.query:
            raise ConfigurationError(
                f"source {self.source!r} names both a table and a query.", remedy="Keep one of the two."
            )
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise ConfigurationError(
                f"source {self.source!r}: {self.timezone!r} is no time zone.",
                remedy='Use an IANA name such as "Europe/Berlin" or "UTC".',
            ) from error

    @property
    def mapped(self) -> bool:
        """Whether the user says where the source is, so that its absence is an error."""
        return bool(self.warehouse or self.table or self.query or self.columns)


@dataclass(frozen=True)
class ResolvedColumn:
    """A column that is there: what it means, their name for it, and its type code by the driver (may be None)."""

    column: Column
    theirs: str
    type_code: object = None


@dataclass(frozen=True)
class ResolvedSource:
    """A source found in a warehouse: what to select from, and the columns there are."""

    source: Source
    mapping: SourceMapping
    warehouse: Warehouse
    relation: sa.FromClause
    columns: tuple[ResolvedColumn, ...]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{described(self.mapping)} of warehouse {self.warehouse.name!r}"


def described(mapping: SourceMapping) -> str:
    """The table or query of a mapping, for messages."""
    return "its query" if mapping.query else f"table {mapping.table or mapping.source!r}"


def resolve(
    warehouse: Warehouse, mapping: SourceMapping, source: Source, extra: Sequence[str] = ()
) -> ResolvedSource | None:
    """The source as it stands in the warehouse; None where it is not mapped and there is no such table.

    Raises DataError where a mapped table, a mapped or required column or an extra one is missing or holds JSON where
    that is no value, and ConfigurationError where the query cannot be run."""
    with warehouse.reading() as connection:
        relation = _relation(connection, warehouse, mapping)
        if relation is None:
            if mapping.mapped:
                raise _no_table(connection, warehouse, mapping)
            return None
        there = _columns_there(connection, warehouse, mapping, relation)
    how = f'[sources.{source.name}] columns = {{{{ {{column}} = "THEIR NAME" }}}}'
    columns = match_columns(described(mapping), how, mapping.columns, source, extra, there)
    _refuse_documents(described(mapping), source, columns)
    relation = _with_columns(relation, mapping, [column.theirs for column in columns])
    return ResolvedSource(source, mapping, warehouse, relation, columns)


def quoted_table(name: str, columns: Iterable[str] = (), schema: str | None = None) -> sa.TableClause:
    """A table clause whose every name is quoted."""
    quoted: list[sa.ColumnClause[Any]] = [sa.column(sa.quoted_name(column, quote=True)) for column in columns]
    owner = None if schema is None else sa.quoted_name(schema, quote=True)
    return sa.table(sa.quoted_name(name, quote=True), *quoted, schema=owner)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known name, or nothing."""
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[near[0]]!r}?" if near else ""


def _relation(connection: sa.Connection, warehouse: Warehouse, mapping: SourceMapping) -> sa.FromClause | None:
    if mapping.query:
        return _subquery(mapping.query)
    found = find_table(connection, warehouse.schema, mapping.table or mapping.source, any_case=bool(mapping.table))
    return None if found is None else quoted_table(found.name, schema=found.schema)


def _subquery(query: str, columns: Sequence[str] = ()) -> sa.FromClause:
    escaped = re.sub(r":", r"\\:", query.strip().rstrip(";"))  # a colon is no parameter in the user's own SQL
    names: list[sa.ColumnClause[Any]] = [sa.column(sa.quoted_name(name, quote=True)) for name in columns]
    return sa.text(escaped + "\n").columns(*names).subquery("source")  # the line break ends a trailing comment


def _with_columns(relation: sa.FromClause, mapping: SourceMapping, names: Sequence[str]) -> sa.FromClause:
    if mapping.query:
        return _subquery(mapping.query, names)
    assert isinstance(relation, sa.TableClause)
    return quoted_table(relation.name, names, relation.schema)


def _columns_there(
    connection: sa.Connection, warehouse: Warehouse, mapping: SourceMapping, relation: sa.FromClause
) -> dict[str, object]:
    """Names of the relation's columns with the driver's type codes; SQLite's declared type in its place."""
    try:
        result: sa.CursorResult[Any] = connection.execute(
            sa.select(sa.literal_column("*")).select_from(relation).limit(0)
        )
    except SQLAlchemyError as error:
        told = failures.told(error, warehouse.place)
        if isinstance(told, failures.Unavailable | failures.Full):
            raise told from error
        raise ConfigurationError(
            f"source {mapping.source!r}: {described(mapping)} cannot be read from warehouse {warehouse.name!r}: "
            f"{first_line(error)}.",
            remedy=f"Correct [sources.{mapping.source}] in forecasting.toml.",
        ) from error
    described_by = result.cursor.description if result.cursor is not None else ()
    names = [entry[0] for entry in described_by]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"source {mapping.source!r}: {described(mapping)} has two columns named {twice!r}.",
            remedy="Give each column of the query a name of its own.",
        )
    result.close()
    if warehouse.dialect == "sqlite" and isinstance(relation, sa.TableClause):
        found = sa.inspect(connection).get_columns(relation.name, schema=relation.schema)
        return dict.fromkeys(names) | {column["name"]: column["type"] for column in found if column["name"] in names}
    return {entry[0]: entry[1] for entry in described_by}


def match_columns(
    where: str,
    how: str,
    mapped: Mapping[str, str],
    source: Source,
    extra: Sequence[str],
    there: Mapping[str, object],
) -> tuple[ResolvedColumn, ...]:
    """The canonical and extra columns that are there, `there` being names and type codes.

    `where` names the table, query or file and `how` the way to map a column, both for messages. Raises DataError
    for a mapped, required or extra column that is missing."""
    found = []
    for column in columns_to_read(source, extra):
        theirs = _find(mapped.get(column.name, column.name), there)
        if theirs is not None:
            found.append(ResolvedColumn(column, theirs, there[theirs]))
        elif column.name in mapped:
            raise DataError(
                f"{where} has no column {mapped[column.name]!r}, to which {column.name!r} is mapped.",
                source=source.name,
                column=column.name,
                remedy=f"{did_you_mean(mapped[column.name], there)} The columns are {_listed(there)}.".strip(),
            )
        elif column.required or column.name in extra:
            raise _no_column(where, how, mapped, source, column, there)
    return tuple(found)


def _refuse_documents(where: str, source: Source, columns: Iterable[ResolvedColumn]) -> None:
    """A JSON document is no id, number or time: its quotes and braces would become part of every value."""
    for column in columns:
        is_document = column.type_code in _JSON or isinstance(column.type_code, sa.JSON)
        holds_one_value = column.column.required or column.column.kind not in (Kind.TEXT, Kind.JSON, Kind.ANY)
        if is_document and holds_one_value:
            raise DataError(
                f"{where} holds JSON in {column.theirs!r}, where one {column.column.kind} is expected.",
                source=source.name,
                column=column.column.name,
                remedy=f"Map [sources.{source.name}] to a query that takes the value out of the document.",
            )


def _find(name: str, there: Iterable[str]) -> str | None:
    """The column of that name, else the only one that differs by case alone."""
    if name in there:
        return name
    alike = [other for other in there if other.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _no_column(
    where: str, how: str, mapped: Mapping[str, str], source: Source, column: Column, there: Mapping[str, object]
) -> DataError:
    misspelt = did_you_mean(column.name, [name for name in mapped if source.column(name) is None])
    if misspelt:
        remedy = f"The mapping names no such column. {misspelt} Its name is {column.name!r}."
    else:
        near = did_you_mean(column.name, there)
        remedy = f"Say which column it is: {how.format(column=column.name)}. {near} ".rstrip()
        remedy += f" The columns are {_listed(there)}."
    need = "required column" if column.required else "column"
    return DataError(
        f"{where} lacks the {need} {column.name!r}.", source=source.name, column=column.name, remedy=remedy
    )


def _no_table(connection: sa.Connection, warehouse: Warehouse, mapping: SourceMapping) -> DataError:
    name = mapping.table or mapping.source
    elsewhere = qualified_names(connection, name)
    beside = names_beside(connection, warehouse.schema, name)
    near = f"Did you mean {elsewhere[0]!r}?" if elsewhere else did_you_mean(name, beside)
    return DataError(
        f"warehouse {warehouse.name!r} has no {described(mapping)}.",
        source=mapping.source,
        remedy=near or f"Correct `table` in [sources.{mapping.source}] of forecasting.toml.",
    )


def _listed(names: Iterable[str], limit: int = 12) -> str:
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more if names else "none"


def unmapped(source: str) -> SourceMapping:
    """The mapping of a source that the configuration does not name: its canonical table in the results warehouse."""
    return SourceMapping(source)

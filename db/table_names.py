"""Finding the table that a mapping names, in databases with schemas and without, whatever the case of its letters.

PostgreSQL folds unquoted names to lower case, Oracle and Snowflake to upper case, and a person remembers neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

_SYSTEM = ("information_schema", "pg_catalog", "sys", "mysql", "performance_schema")


@dataclass(frozen=True)
class TableName:
    """A table or view as the database calls it. `schema`: None for those found unqualified."""

    schema: str | None
    name: str


def find_table(connection: sa.Connection, schema: str | None, name: str, *, any_case: bool) -> TableName | None:
    """The table called `name`, which may begin with a schema ("shop.orders").

    `schema` is where to look first, None for the database's default one; then "public", then the schema it names.
    `any_case`: where there is none, the only one that differs by the case of its letters alone."""
    places = list(_places(schema, name))
    inspector = sa.inspect(connection)
    for place in places:
        try:
            if inspector.has_table(place.name, schema=place.schema):
                return place
        except SQLAlchemyError:  # a schema that is none, in dialects that ask the database for it
            continue
    for place in places if any_case else ():
        alike = [found for found in _alike(inspector, place) if found.name.lower() == place.name.lower()]
        if len(alike) == 1:
            return alike[0]
    return None


def names_beside(connection: sa.Connection, schema: str | None, name: str) -> list[str]:
    """Tables and views, as a mapping may call them, that stand where `find_table` looks for `name`."""
    inspector = sa.inspect(connection)
    named = name.rpartition(".")[0]
    found = _tables(inspector, schema)
    for owner in _schemas_alike(inspector, named) if named else ():
        found += [f"{owner}.{table}" for table in _tables(inspector, owner)]
    return found


def qualified_names(connection: sa.Connection, name: str) -> list[str]:
    """Tables of that name in any schema of the database, as "schema.table"."""
    inspector = sa.inspect(connection)
    table = name.rpartition(".")[2].lower()
    return [
        f"{schema}.{found}"
        for schema in _schemas(inspector)
        for found in _tables(inspector, schema)
        if found.lower() == table
    ]


def _places(schema: str | None, name: str) -> Iterator[TableName]:
    yield TableName(schema, name)
    if schema is not None:
        yield TableName("public", name)
    owner, _, table = name.rpartition(".")
    if owner and table:
        yield TableName(owner, table)


def _alike(inspector: sa.Inspector, place: TableName) -> Iterator[TableName]:
    for schema in [None] if place.schema is None else _schemas_alike(inspector, place.schema):
        for table in _tables(inspector, schema):
            yield TableName(schema, table)


def _schemas_alike(inspector: sa.Inspector, name: str) -> list[str]:
    return [schema for schema in _schemas(inspector) if schema.lower() == name.lower()]


def _schemas(inspector: sa.Inspector) -> list[str]:
    try:
        return [name for name in inspector.get_schema_names() if name.lower() not in _SYSTEM]
    except (SQLAlchemyError, NotImplementedError):
        return []


def _tables(inspector: sa.Inspector, schema: str | None) -> list[str]:
    """Names of tables and views of every kind that the dialect knows."""
    found: list[str] = []
    for listing in (inspector.get_table_names, inspector.get_view_names, inspector.get_materialized_view_names):
        try:
            found += listing(schema)
        except (SQLAlchemyError, NotImplementedError):
            continue
    return list(dict.fromkeys(found))

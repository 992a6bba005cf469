"""Canonical tables grow with the files that are loaded: columns are added and types widened, never narrowed.

`load` alone owns these tables; Alembic leaves them be.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from db.canonical import kind_of
from db.convert import as_text
from db.engines import Warehouse
from db.types import kind_of_sql, sql_type
from forecasting.schema import Kind, Source

_NUMBERS = (Kind.FLAG, Kind.INTEGER, Kind.NUMBER)
_TIMES = (Kind.DATE, Kind.TIMESTAMP)


def existing_kinds(connection: sa.Connection, warehouse: Warehouse, source: Source) -> dict[str, Kind]:
    """Columns of a source's canonical table, in their order; empty where there is no such table."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(source.name, schema=warehouse.schema):
        return {}
    columns = inspector.get_columns(source.name, schema=warehouse.schema)
    return {column["name"]: _declared(column["type"]) for column in columns}


def evolve(connection: sa.Connection, warehouse: Warehouse, source: Source, rows: pa.Table) -> sa.Table:
    """Makes the source's canonical table fit to take the rows, and gives it as it is then."""
    wanted = {name: _wanted(source, name, rows.schema.field(name).type) for name in rows.column_names}
    there = existing_kinds(connection, warehouse, source)
    if not there:
        if warehouse.schema is not None:
            connection.execute(sa.schema.CreateSchema(warehouse.schema, if_not_exists=True))
        table = _table(source, wanted, warehouse.schema)
        table.create(connection)
        return table
    operations = Operations(MigrationContext.configure(connection))
    for name, kind in wanted.items():
        if name not in there:
            operations.add_column(source.name, _column(name, kind), schema=warehouse.schema)
            there[name] = kind
        elif (wide := wider(there[name], kind)) is not there[name]:
            _widen(connection, operations, warehouse.schema, source.name, name, there[name], wide)
            there[name] = wide
    return _table(source, there, warehouse.schema)


def fitted(rows: pa.Table, table: sa.Table) -> pa.Table:
    """The rows in the types of a table that is wider than they are."""
    columns = []
    for name in rows.column_names:
        values, kind = rows[name].combine_chunks(), _declared(table.columns[name].type)
        if kind is Kind.TEXT and not pa.types.is_dictionary(values.type):
            values = as_text(values)
        elif kind is Kind.NUMBER and pa.types.is_boolean(values.type):
            values = values.cast(pa.float64())
        elif kind is Kind.TIMESTAMP and pa.types.is_date(values.type):
            values = values.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        columns.append(values)
    return pa.table(columns, rows.column_names)


def wider(first: Kind, second: Kind) -> Kind:
    """The narrowest kind that holds the values of both: flags < integers < numbers, dates < times, all < text."""
    for chain in (_NUMBERS, _TIMES):
        if first in chain and second in chain:
            return max(first, second, key=chain.index)
    return first if first is second else Kind.TEXT


def _wanted(source: Source, name: str, type_: pa.DataType) -> Kind:
    column = source.column(name)
    if column is not None and column.kind not in (Kind.ANY, Kind.ID):
        return column.kind
    return kind_of(type_)


def _declared(type_: sa.types.TypeEngine[Any]) -> Kind:
    return kind_of_sql(type_) or Kind.TEXT


def _table(source: Source, kinds: dict[str, Kind], schema: str | None) -> sa.Table:
    columns = [_column(name, kind) for name, kind in kinds.items()]
    return sa.Table(sa.quoted_name(source.name, quote=True), sa.MetaData(), *columns, schema=schema)


def _column(name: str, kind: Kind) -> sa.Column[Any]:
    return sa.Column(sa.quoted_name(name, quote=True), sql_type(kind))


def _widen(
    connection: sa.Connection,
    operations: Operations,
    schema: str | None,
    table: str,
    name: str,
    old: Kind,
    new: Kind,
) -> None:
    """A wider column takes the old one's values and place: SQLite cannot alter a column's type."""
    temporary = f"{name}__wider"[-60:]
    operations.add_column(table, _column(temporary, new), schema=schema)
    narrow: sa.ColumnClause[Any] = sa.column(sa.quoted_name(name, quote=True))
    target = sa.table(table, narrow, _column(temporary, new), schema=schema)
    value = _cast(narrow, old, new, connection.dialect.name)
    connection.execute(sa.update(target).values({target.c[temporary]: value}))
    operations.drop_column(table, name, schema=schema)
    operations.alter_column(table, temporary, new_column_name=sa.quoted_name(name, quote=True), schema=schema)


def _cast(value: sa.ColumnElement[Any], old: Kind, new: Kind, dialect: str) -> sa.ColumnElement[Any]:
    if old is Kind.FLAG:
        if new is Kind.TEXT:
            return sa.case((value.is_(None), sa.null()), (sa.cast(value, sa.Boolean), "true"), else_="false")
        return sa.cast(sa.cast(value, sa.Integer), sql_type(new))
    if old is Kind.NUMBER and new is Kind.TEXT:
        whole = sa.and_(value == sa.func.round(value), sa.func.abs(value) < 2**53)
        return sa.case((whole, sa.cast(sa.cast(value, sa.BigInteger), sa.Text)), else_=sa.cast(value, sa.Text))
    if dialect == "sqlite" and old is Kind.DATE and new is Kind.TIMESTAMP:
        return sa.cast(value, sa.Text) + " 00:00:00.000000"
    if dialect == "sqlite" and old in _TIMES:
        return sa.cast(value, sa.Text)
    return sa.cast(value, sql_type(new))

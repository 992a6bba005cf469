"""Fast reads: a source's rows as a stream of Arrow batches, in bounded memory.

SQLite and PostgreSQL through ADBC, any other database (and these where ADBC cannot connect) through a streaming
SQLAlchemy cursor. Batches are raw: columns have the canonical names, and whatever Arrow types the database gave;
`db.checks` converts them. A column's type may differ from batch to batch where the database has no types (SQLite).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from db import failures
from db.convert import as_text
from db.engines import SESSION, STATEMENT_SECONDS, Warehouse
from db.interruption import interruptible
from db.mapping import ResolvedColumn, ResolvedSource, first_line
from db.sqlite_files import adbc_turn
from forecasting.schema import DataError, Kind

BATCH_ROWS = 65_536

_INTEGERS = {20, 21, 23}  # type codes (OIDs) of PostgreSQL, from its catalogue pg_type
_FLOATS = {700, 701}
_NUMERIC, _MONEY, _BOOLEAN = 1700, 790, 16
_STRINGS = {25, 1043}
_BYTES = 17
_TIMES = {1082, 1114, 1184}
_NUMBERS = (Kind.NUMBER, Kind.INTEGER, Kind.ANY)


def raw_batches(resolved: ResolvedSource, *, adbc: bool = True) -> Iterator[pa.RecordBatch]:
    """All rows of a source, columns named canonically and in the order of `resolved.columns`.

    `adbc=False` takes the road of other databases. Raises DataError with the database's message where reading
    fails."""
    warehouse = resolved.warehouse
    try:
        if adbc and warehouse.dialect == "sqlite" and warehouse.path is not None:
            yield from _sqlite(resolved, warehouse)
        elif adbc and warehouse.dialect == "postgresql":
            yield from _postgresql(resolved, warehouse)
        else:
            yield from _stream(resolved)
    except (SQLAlchemyError, adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        told = failures.told(error, warehouse.place)
        if isinstance(told, failures.Unavailable | failures.Full):
            raise told from error
        if warehouse.path is not None and not warehouse.path.exists():
            raise failures.gone(warehouse.place) from error
        raise DataError(
            f"{resolved.place} cannot be read: {first_line(error)}.",
            source=resolved.source.name,
            remedy="Run it in the database itself to see why.",
        ) from error


def _sqlite(resolved: ResolvedSource, warehouse: Warehouse) -> Iterator[pa.RecordBatch]:
    """SQLite types values, not columns, and ADBC takes a column's type from its first batch. So a first row of
    literals fixes the types, and numbers are read as two columns: what is a number, and what is something else."""
    assert warehouse.path is not None
    names = [column.column.name for column in resolved.columns]
    mixed = {column.column.name for column in resolved.columns if column.column.kind in _NUMBERS}
    flags = {column.column.name for column in resolved.columns if _is_declared_flag(column)}
    statement = _sqlite_statement(resolved)
    sql = str(statement.compile(dialect=sa.create_mock_engine("sqlite://", print).dialect, compile_kwargs=_LITERAL))
    with ExitStack() as stack:
        uri = stack.enter_context(adbc_turn(warehouse.path))
        connection = stack.enter_context(adbc_driver_sqlite.dbapi.connect(uri))
        cursor = stack.enter_context(connection.cursor())
        cursor.execute(f"pragma busy_timeout = {STATEMENT_SECONDS * 1000}")  # others may write, or recover from a crash
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
        stack.enter_context(interruptible(cursor.adbc_cancel))
        cursor.execute(sql)
        reader = stack.enter_context(cursor.fetch_record_batch())
        for number, batch in enumerate(reader):
            columns = iter(batch.slice(1 if number == 0 else 0).columns)
            arrays = []
            for name in names:
                values = next(columns)
                if name in mixed:
                    values = _merged(values, next(columns))
                if name in flags and pa.types.is_floating(values.type):
                    values = values.cast(pa.bool_())
                arrays.append(values)
            yield pa.RecordBatch.from_arrays(arrays, names)


_LITERAL = {"literal_binds": True}


def _sqlite_statement(resolved: ResolvedSource) -> sa.CompoundSelect[Any]:
    types: list[sa.ColumnElement[Any]] = []
    wanted: list[sa.ColumnElement[Any]] = []
    for position, column in enumerate(resolved.columns):
        value: sa.ColumnElement[Any] = resolved.relation.c[column.theirs]
        label = f"c{position}"
        kind = column.column.kind
        held = sa.func.typeof(value)
        if kind in _NUMBERS:
            numeric = held == "integer" if kind is Kind.INTEGER else held.in_(("integer", "real"))
            types += [sa.literal_column("0" if kind is Kind.INTEGER else "0.0").label(label)]
            types += [sa.literal_column("'x'").label(f"{label}_text")]
            wanted += [sa.case((numeric, value)).label(label)]
            wanted += [sa.case((~numeric, value)).label(f"{label}_text")]
        else:
            whole = sa.cast(value, sa.Integer)  # as text, ADBC would write a real 7 as 7.000000e+00
            text = sa.case((value == whole, sa.cast(whole, sa.Text)), else_=sa.cast(value, sa.Text))
            value = sa.case((held == "real", text), else_=value)
            types.append(sa.literal_column("'x'").label(label))
            wanted.append(value.label(label))
    return sa.union_all(sa.select(*types), sa.select(*wanted).select_from(resolved.relation))


def _is_declared_flag(column: ResolvedColumn) -> bool:
    return column.column.kind is Kind.ANY and isinstance(column.type_code, sa.Boolean)


def _merged(numbers: pa.Array, text: pa.Array) -> pa.Array:
    if text.null_count == len(text):
        return numbers
    return pc.coalesce(text, as_text(numbers))


def _postgresql(resolved: ResolvedSource, warehouse: Warehouse) -> Iterator[pa.RecordBatch]:
    names = [column.column.name for column in resolved.columns]
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(adbc_driver_postgresql.dbapi.connect(warehouse.libpq_uri))
            cursor = stack.enter_context(connection.cursor())
            cursor.execute("set transaction read only")
            for setting in SESSION:
                cursor.execute(setting)
        except adbc_driver_manager.Error:  # a url that only psycopg understands
            yield from _stream(resolved)
            return
        dialect = postgresql.dialect(paramstyle="named")
        stack.enter_context(interruptible(cursor.adbc_cancel))
        cursor.execute(str(_postgresql_statement(resolved).compile(dialect=dialect, compile_kwargs=_LITERAL)))
        reader = stack.enter_context(cursor.fetch_record_batch())
        for batch in reader:
            for part in range(0, len(batch), BATCH_ROWS):
                yield pa.RecordBatch.from_arrays(batch.slice(part, BATCH_ROWS).columns, names)


def _postgresql_statement(resolved: ResolvedSource) -> sa.Select[Any]:
    wanted = [
        _postgresql_value(resolved.relation.c[column.theirs], column.column.kind, column.type_code).label(
            f"c{position}"
        )
        for position, column in enumerate(resolved.columns)
    ]
    return sa.select(*wanted).select_from(resolved.relation)


def _postgresql_value(value: sa.ColumnElement[Any], kind: Kind, code: object) -> sa.ColumnElement[Any]:
    """The column cast, where it must be, to a type that ADBC reads as Arrow knows it."""
    if code in _STRINGS or code == _BYTES:  # bytes are text where they are UTF-8, as in SQLite, never \x and digits
        return value
    if kind in (Kind.TIMESTAMP, Kind.DATE) and code in _TIMES:
        return sa.case((sa.func.isfinite(value), value))  # 'infinity' means never: no time at all
    if kind in _NUMBERS:
        if code in _INTEGERS or code in _FLOATS:
            return value
        if code == _NUMERIC:
            return sa.cast(value, sa.Double)
        if code == _MONEY:
            return sa.cast(sa.cast(value, sa.Numeric), sa.Double)
    if code == _BOOLEAN and kind in (*_NUMBERS, Kind.FLAG):
        return value
    if kind is Kind.FLAG and code in _INTEGERS:
        return value
    if code == _NUMERIC:
        value = sa.func.trim_scale(value)  # an id 7.00 reads as "7"
    return sa.cast(value, sa.Text)


def _stream(resolved: ResolvedSource) -> Iterator[pa.RecordBatch]:
    names = [column.column.name for column in resolved.columns]
    if resolved.warehouse.dialect == "postgresql":
        statement = _postgresql_statement(resolved)
    else:
        chosen = [resolved.relation.c[column.theirs] for column in resolved.columns]
        statement = sa.select(*(value.label(f"c{n}") for n, value in enumerate(chosen)))
    flags = [_is_declared_flag(column) for column in resolved.columns]
    with resolved.warehouse.reading() as connection:
        result = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS).execute(statement)
        for rows in result.partitions(BATCH_ROWS):
            arrays = [_array(values, flag) for values, flag in zip(zip(*rows, strict=True), flags, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names)


def _array(values: Sequence[Any], flag: bool = False) -> pa.Array:
    """Python values of a driver as an Arrow array; where their types do not agree, as text."""
    try:
        array = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([None if value is None else _written(value) for value in values], pa.string())
    return array.cast(pa.bool_()) if flag and pa.types.is_integer(array.type) else array


def _written(value: Any) -> str:
    if isinstance(value, float | Decimal) and value == value // 1:  # an id 7.0 reads as "7"
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

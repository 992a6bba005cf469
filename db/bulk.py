"""Bulk writes of Arrow tables, in the caller's transaction: COPY in PostgreSQL, prepared inserts in SQLite.

ADBC's own ingest would need a connection, and so a transaction, of its own: rows and the ledger that speaks of them
could then part in a crash.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import sqlalchemy as sa
from psycopg import sql

from db.convert import as_text

CHUNK_ROWS = 50_000


def ingest(connection: sa.Connection, table: sa.TableClause, rows: pa.Table) -> int:
    """Appends rows to a table, columns by name, in the caller's transaction; the number of rows.

    Types that are taken: those of `forecasting.schema` and any that Arrow casts to the column's. Instants are stored
    in UTC, NaN as null. Raises what the database raises: a constraint broken is the caller's to explain."""
    if not rows.num_rows:
        return 0
    write = _copy if connection.dialect.name == "postgresql" else _insert
    for start in range(0, rows.num_rows, CHUNK_ROWS):
        write(connection, table, rows.slice(start, CHUNK_ROWS))
    return rows.num_rows


def _copy(connection: sa.Connection, table: sa.TableClause, rows: pa.Table) -> None:
    written = pa.table([_for_csv(column.combine_chunks()) for column in rows.columns], names=rows.column_names)
    buffer = BytesIO()
    pyarrow.csv.write_csv(written, buffer, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(*([table.schema] if table.schema else []), table.name),
        sql.SQL(", ").join(map(sql.Identifier, rows.column_names)),
    )
    cursor: Any = connection.connection.cursor()
    with cursor, cursor.copy(statement) as copy:
        copy.write(buffer.getbuffer())


def _for_csv(values: pa.Array) -> pa.Array:
    """What the CSV writer takes. Empty text is quoted there and null is not, so that both arrive as they were."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        return _without_nan(values)
    if pa.types.is_null(values.type):
        return values.cast(pa.string())
    return values


def _without_nan(values: pa.Array) -> pa.Array:
    nan = pc.fill_null(pc.is_nan(values), False)
    return pc.if_else(nan, pa.scalar(None, values.type), values) if pc.any(nan).as_py() else values


def _insert(connection: sa.Connection, table: sa.TableClause, rows: pa.Table) -> None:
    columns: list[sa.ColumnClause[Any]] = [sa.column(sa.quoted_name(name, quote=True)) for name in rows.column_names]
    target = sa.table(sa.quoted_name(table.name, quote=True), *columns, schema=table.schema)
    statement = str(sa.insert(target).compile(dialect=connection.dialect))
    types = {column.name: column.type for column in table.columns}
    values = [_for_sqlite(rows[name].combine_chunks(), types.get(name)) for name in rows.column_names]
    connection.exec_driver_sql(statement, list(zip(*values, strict=True)))


def _for_sqlite(values: pa.Array, type_: sa.types.TypeEngine[Any] | None) -> list[Any]:
    """Python values as SQLAlchemy itself would store them in SQLite."""
    if pa.types.is_timestamp(values.type):
        values = pc.strftime(values.cast(pa.timestamp("us")), "%Y-%m-%d %H:%M:%S")
    elif pa.types.is_date(values.type) or (isinstance(type_, sa.Text) and not _is_text(values.type)):
        values = as_text(values)
    elif pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    elif pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    if _is_text(values.type):
        return _objects(values)
    if pa.types.is_null(values.type):
        return [None] * len(values)
    numbers = values.to_numpy(zero_copy_only=False)
    if not values.null_count:
        return numbers.tolist()
    exact = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(object)
    exact[values.is_null().to_numpy(zero_copy_only=False)] = None
    return exact.tolist()


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_dictionary(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_)


def _objects(values: pa.Array) -> list[Any]:
    """Text as Python strings, each distinct one made once."""
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    distinct = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    missing = len(distinct) - 1
    return distinct[pc.fill_null(encoded.indices.cast(pa.int64()), missing).to_numpy(zero_copy_only=False)].tolist()

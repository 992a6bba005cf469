"""Bulk writes bring back what went in, awkward values included."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from db import bulk
from db.types import UtcDateTime

TABLE = sa.Table(
    'odd "table" %s',
    sa.MetaData(),
    sa.Column("order", sa.Text, primary_key=True),
    sa.Column('a "b" %c ?', sa.Text),
    sa.Column("number", sa.Double),
    sa.Column("count", sa.BigInteger),
    sa.Column("flag", sa.Boolean),
    sa.Column("day", sa.Date),
    sa.Column("instant", UtcDateTime),
    sa.Column("document", sa.JSON(none_as_null=True)),
)
EVENING = datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)
NEW_YEAR = datetime(2000, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(1902, 3, 4, 5, tzinfo=UTC)
ROWS = [
    ("a", "", 0.1, 2**62, True, date(2024, 2, 29), EVENING, {"k": ["v", None, 1.5]}),
    ("b", None, None, None, None, None, None, None),
    ("c", 'quote " comma , line\nbreak\r\ttab \\. \\N', -1e-300, -1, False, date(1, 1, 1), NEW_YEAR, []),
    ("d", "NULL", 1e300, 0, True, date(9999, 12, 31), datetime(1970, 1, 1, tzinfo=UTC), "text"),
    ("ü €", "\N{GRINNING FACE}", 123456789.12345679, 1, False, date(1969, 12, 31), LONG_AGO, {}),
]


def arrow(rows=ROWS) -> pa.Table:
    documents = ['{"k": ["v", null, 1.5]}', None, "[]", '"text"', "{}"]
    types = [
        pa.dictionary(pa.int32(), pa.string()),
        pa.string(),
        pa.float64(),
        pa.int64(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us", tz="UTC"),
    ]
    columns = [pa.array(values, type_) for values, type_ in zip(zip(*rows, strict=True), types, strict=False)]
    return pa.table([*columns, pa.array(documents[: len(rows)], pa.string())], TABLE.columns.keys())


@pytest.fixture
def table(warehouse):
    with warehouse.writing() as connection:
        TABLE.create(connection)
    return TABLE


def write(warehouse, rows: pa.Table) -> int:
    with warehouse.writing() as connection:
        return bulk.ingest(connection, TABLE, rows)


def read(warehouse) -> list[tuple]:
    with warehouse.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.instant, TABLE.c.order))]


def test_what_goes_in_comes_out(warehouse, table, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK_ROWS", 2)
    assert write(warehouse, arrow()) == len(ROWS)
    assert sorted(read(warehouse)) == sorted(ROWS)


def test_rows_written_in_bulk_and_singly_are_the_same_to_sql(warehouse, table):
    with warehouse.writing() as connection:
        connection.execute(table.insert().values(dict(zip(table.columns.keys(), ROWS[0], strict=True))))
    write(warehouse, arrow([("z", *ROWS[0][1:])]))
    with warehouse.reading() as connection:
        distinct = sa.select(sa.func.count(sa.distinct(table.c.instant)), sa.func.count(sa.distinct(table.c.day)))
        assert connection.execute(distinct).one() == (1, 1)


def test_a_repeated_key_writes_nothing(warehouse, table):
    with pytest.raises((sa.exc.IntegrityError, psycopg.IntegrityError)):
        write(warehouse, pa.concat_tables([arrow(), arrow(ROWS[:1])]))
    assert read(warehouse) == []


def test_the_callers_transaction_decides(warehouse, table):
    with pytest.raises(RuntimeError), warehouse.writing() as connection:
        bulk.ingest(connection, table, arrow())
        raise RuntimeError
    assert read(warehouse) == []


def test_no_rows_are_no_trouble(warehouse, table):
    assert write(warehouse, arrow()[:0]) == 0

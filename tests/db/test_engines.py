"""Warehouses: transactions that roll back DDL, snapshots, roles, and errors without secrets."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.engines import open_warehouse
from forecasting.schema import ConfigurationError, ForecastingError


@pytest.fixture
def opened(warehouse_url):
    warehouse = open_warehouse(warehouse_url)
    with warehouse.writing() as connection:
        if warehouse.schema:
            connection.execute(sa.schema.CreateSchema(warehouse.schema))
    with warehouse.writing() as connection:
        TABLE.create(connection)
    yield warehouse
    warehouse.close()


TABLE = sa.Table("things", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True))


def numbers(connection) -> list[int]:
    return list(connection.scalars(sa.select(TABLE.c.n).order_by(TABLE.c.n)))


def test_a_failed_transaction_rolls_back_ddl(opened):
    other = sa.Table("others", sa.MetaData(), sa.Column("n", sa.Integer))
    with pytest.raises(RuntimeError), opened.writing() as connection:
        connection.execute(TABLE.insert(), [{"n": 1}])
        other.create(connection)
        raise RuntimeError
    with opened.reading() as connection:
        assert numbers(connection) == []
        assert not sa.inspect(connection).has_table("others")


def test_a_reader_keeps_its_snapshot_while_others_write(opened):
    with opened.reading() as connection:
        assert numbers(connection) == []
        with opened.writing() as writer:
            writer.execute(TABLE.insert(), [{"n": 1}])
        assert numbers(connection) == []
    with opened.reading() as connection:
        assert numbers(connection) == [1]


def test_writers_wait_for_each_other(opened):
    def count_up() -> None:
        for _ in range(20):
            with opened.writing() as connection:
                if opened.dialect == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(1)))
                largest = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(TABLE.c.n), 0)))
                connection.execute(TABLE.insert(), [{"n": largest + 1}])

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with opened.reading() as connection:
        assert numbers(connection) == list(range(1, 81))


def test_a_source_is_only_read(opened):
    source = open_warehouse(opened.url, name="shop", role="source")
    with pytest.raises(ForecastingError, match="only ever read"), source.writing():
        pass
    table = sa.Table("things", sa.MetaData(), sa.Column("n", sa.Integer), schema=opened.schema)
    with pytest.raises(sa.exc.DBAPIError), source.engine.begin() as connection:
        connection.execute(table.insert(), [{"n": 1}])
    with source.reading() as connection:
        assert connection.execute(table.select()).all() == []
    source.close()


def test_reading_is_read_only_on_postgresql(postgres_database):
    warehouse = open_warehouse(postgres_database)
    with pytest.raises(sa.exc.DBAPIError), warehouse.reading() as connection:
        connection.execute(sa.schema.CreateSchema("forecasting"))
    with warehouse.writing() as connection:  # and the pooled connection forgets it
        connection.execute(sa.schema.CreateSchema("forecasting"))
        assert connection.scalar(sa.text("show search_path")) == "forecasting"
        assert connection.scalar(sa.text("show timezone")) == "UTC"
    warehouse.close()


def test_without_its_schema_nothing_lands_in_public(postgres_database):
    warehouse = open_warehouse(postgres_database)
    with pytest.raises(sa.exc.DBAPIError), warehouse.writing() as connection:
        TABLE.create(connection)
    warehouse.close()


def test_sqlite_files_of_any_name(tmp_path: Path):
    path = tmp_path / "new" / "what? 100% odd#name.db"
    warehouse = open_warehouse(sa.URL.create("sqlite", database=str(path)))
    with warehouse.writing() as connection:
        TABLE.create(connection)
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1
    assert path.is_file()
    assert warehouse.path == path
    warehouse.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_passwords_stay_hidden(scheme: str):
    warehouse = open_warehouse(f"{scheme}://me:s3cret@127.0.0.1:1/nowhere")
    assert warehouse.url.drivername == "postgresql+psycopg"
    assert "s3cret" not in repr(warehouse) + warehouse.address
    with pytest.raises(ConfigurationError) as caught, warehouse.reading():
        pass
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "role", "says"),
    [
        ("not a url s3cret", "results", "not one that SQLAlchemy understands"),
        ("sqlite://", "results", "in memory"),
        ("mysql+pymysql://me:s3cret@h/d", "results", "cannot be kept in mysql"),
        ("nosuch://me:s3cret@h/d", "source", "no driver for 'nosuch'"),
        ("sqlite:////nowhere/at/all.db", "source", "no SQLite file"),
    ],
)
def test_what_cannot_be_opened_says_so(url: str, role, says: str):
    with pytest.raises(ConfigurationError, match=says) as caught:
        open_warehouse(url, name="shop", role=role)
    assert "s3cret" not in str(caught.value)

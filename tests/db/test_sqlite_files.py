"""Two SQLite libraries in one process: why they take turns, and that they do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import adbc_driver_sqlite.dbapi
import pytest
import sqlalchemy as sa

from db.engines import open_warehouse
from db.sqlite_files import adbc_turn
from forecasting.schema import ForecastingError

TABLE = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer))
ELSEWHERE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('select n from t').fetchall()); c.close()"
)


def seen_elsewhere(path: Path) -> str:
    command = [sys.executable, "-c", ELSEWHERE, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def read_through_adbc(uri: str) -> int:
    with adbc_driver_sqlite.dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("select * from t")
        return cursor.fetch_arrow_table().num_rows


@pytest.fixture
def file_warehouse(tmp_path: Path):
    warehouse = open_warehouse(f"sqlite:///{tmp_path / 'a.db'}")
    with warehouse.writing() as connection:
        TABLE.create(connection)
        connection.execute(TABLE.insert(), [{"n": 1}])
    yield warehouse
    warehouse.close()


def test_the_danger_is_real(tmp_path: Path):
    """An open connection, ADBC in between, another process that closes: the next commit is lost."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table t (n int)")
        read_through_adbc(str(path))
        assert seen_elsewhere(path) == "[]"
        connection.execute("insert into t values (1)")
        assert seen_elsewhere(path) == "[]", "harmless by now: db.sqlite_files may go"


def test_nothing_is_lost_between_turns(file_warehouse):
    with adbc_turn(file_warehouse.path) as uri:
        assert read_through_adbc(uri) == 1
    seen_elsewhere(file_warehouse.path)
    with file_warehouse.writing() as connection:
        connection.execute(TABLE.insert(), [{"n": 2}])
    assert seen_elsewhere(file_warehouse.path) == "[(1,), (2,)]"


def test_each_library_waits_for_the_other(file_warehouse):
    order: list[str] = []
    opened = threading.Event()

    def write() -> None:
        opened.wait()
        with file_warehouse.writing() as connection:
            order.append("sqlite3")
            connection.execute(TABLE.insert(), [{"n": 2}])

    writer = threading.Thread(target=write)
    writer.start()
    with adbc_turn(file_warehouse.path) as uri:
        opened.set()
        writer.join(0.2)
        assert read_through_adbc(uri) == 1
        order.append("adbc")
    writer.join()
    assert order == ["adbc", "sqlite3"]


def test_one_thread_cannot_wait_for_itself(file_warehouse):
    refused = pytest.raises(ForecastingError, match="open in this thread")
    with file_warehouse.reading(), refused, adbc_turn(file_warehouse.path):
        pass
    with adbc_turn(file_warehouse.path), refused, file_warehouse.reading():
        pass

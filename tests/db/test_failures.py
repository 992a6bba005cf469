"""Databases that go away: which errors are told how, what is tried again, and what became of a commit cut off."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from db import engines, failures, migrate
from db.engines import Warehouse, open_warehouse
from db.failures import Broken, Full, Unavailable, repeated, told
from db.tables import LOADS
from forecasting.schema import ConfigurationError, ExitCode


def _rows(warehouse: Warehouse) -> int | None:
    with warehouse.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(LOADS))


def _add(warehouse: Warehouse) -> None:
    with warehouse.writing() as connection:
        moment = sa.func.current_timestamp()
        connection.execute(sa.insert(LOADS).values(source="s", sha256="d", file="f", rows=1, loaded_at=moment))


@pytest.fixture
def on_postgresql(postgres_database: str):
    opened = open_warehouse(postgres_database)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_cut_off_is_asked_after(on_postgresql: Warehouse, committed: bool) -> None:
    """The connection is lost in the commit: after the server did it, or before."""

    def cut(connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        if committed:
            driver.commit()
        driver.close()

    sa.event.listen(on_postgresql.engine, "commit", cut, once=True)
    if committed:
        _add(on_postgresql)
        assert _rows(on_postgresql) == 1
    else:
        with pytest.raises(Unavailable, match="was lost"):
            _add(on_postgresql)
        assert _rows(on_postgresql) == 0


def test_a_transaction_cut_off_is_done_again(on_postgresql: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    @repeated
    def add() -> None:
        attempts.append(1)
        with on_postgresql.writing() as connection:
            if len(attempts) == 1:
                _cut(on_postgresql, connection)
            moment = sa.func.current_timestamp()
            connection.execute(sa.insert(LOADS).values(source="s", sha256="d", file="f", rows=1, loaded_at=moment))

    add()
    assert (len(attempts), _rows(on_postgresql)) == (2, 1)
    assert "Trying again" in caplog.text


def test_patience_ends(on_postgresql: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PATIENCE_SECONDS", 0.3)
    attempts = []

    @repeated
    def never() -> None:
        attempts.append(1)
        with on_postgresql.writing() as connection:
            _cut(on_postgresql, connection)
            connection.scalar(sa.select(1))

    with pytest.raises(Unavailable) as caught:
        never()
    assert len(attempts) > 1 and caught.value.exit_code is ExitCode.ERROR


def test_a_locked_file_is_waited_for_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(engines, "STATEMENT_SECONDS", 0.1)
    warehouse = open_warehouse(f"sqlite:///{tmp_path / 'w.db'}")
    with warehouse.writing() as connection:
        LOADS.create(connection)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin immediate');"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(Unavailable, match="is locked by another program"):
            _add(warehouse)
        assert _rows(warehouse) == 0  # readers go on
        holder.communicate()
    _add(warehouse)
    assert _rows(warehouse) == 1


def test_a_file_that_vanishes_is_not_begun_anew(tmp_path: Path) -> None:
    warehouse = open_warehouse(f"sqlite:///{tmp_path / 'w.db'}")
    with warehouse.writing() as connection:
        LOADS.create(connection)
    assert warehouse.path is not None
    warehouse.path.rename(tmp_path / "aside.db")
    with pytest.raises(Broken, match="not the file that it was"):
        _add(warehouse)
    assert not warehouse.path.exists()


def test_a_database_that_was_never_there_is_a_matter_of_configuration() -> None:
    warehouse = open_warehouse("postgresql://me@127.0.0.1:1/nowhere")
    with pytest.raises(ConfigurationError, match="cannot be reached"), warehouse.reading():
        pass


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, Full),
        (sqlite3.SQLITE_IOERR | 3 << 8, Full),
        (sqlite3.SQLITE_BUSY, Unavailable),
        (sqlite3.SQLITE_CORRUPT, Broken),
        (sqlite3.SQLITE_CONSTRAINT, None),
    ],
)
def test_errors_of_sqlite(code: int, kind: type | None) -> None:
    error = sqlite3.OperationalError("said so")
    error.sqlite_errorcode = code
    found = told(sa.exc.OperationalError("select 1", {}, error), "the warehouse")
    assert found is None if kind is None else isinstance(found, kind) and "the warehouse" in found.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), Unavailable),
        (psycopg.errors.AdminShutdown("terminating"), Unavailable),
        (psycopg.errors.DeadlockDetected("deadlock"), Unavailable),
        (psycopg.errors.DiskFull("no space"), Full),
        (psycopg.errors.UndefinedTable("relation"), Broken),
        (psycopg.errors.UniqueViolation("twice"), None),
        (psycopg.errors.SyntaxError("select"), None),
    ],
)
def test_errors_of_postgresql(error: psycopg.Error, kind: type | None) -> None:
    found = told(error, "the warehouse")
    assert found is None if kind is None else isinstance(found, kind) and found.remedy


def _cut(warehouse: Warehouse, connection: sa.Connection) -> None:
    """Somebody ends the session of a connection."""
    number = connection.scalar(sa.select(sa.func.pg_backend_pid()))
    with warehouse.reading() as other:
        other.execute(sa.select(sa.func.pg_terminate_backend(number)))

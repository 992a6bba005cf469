"""Migrations of populated databases, down to every older revision of every branch and up again; and killed on the way.

Whatever is killed, the database stands as it did before or as it would have come to stand, rows included, and the same
command brings it to its end.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from nursery import Start
from program import Program
from psycopg import sql
from sqlalchemy.engine import make_url
from tally import is_full, points, tally

from db import migrate
from db.engines import Warehouse, open_warehouse

TASKS = ("churn", "completion", "demand", "recommendation")
LINEAGES = [f"tasks.{task}.migrations" for task in TASKS]
NOON = dt.datetime(2026, 3, 29, 12, 30, 15, 123456, tzinfo=dt.UTC)
ROWS = 3


@dataclass(frozen=True)
class Standing:
    """All that stands in a database: `schema`, tables and views as reflected; `rows` of each table, sorted."""

    schema: dict[str, object]
    rows: dict[str, list[str]]


def test_every_migration_up_down_up_and_killed(tmp_path: Path, warehouse_url: str, start: Start) -> None:
    master = open_warehouse(warehouse_url)
    migrate.upgrade(master, LINEAGES)
    _populate(master)
    full = _standing(master)
    assert all(len(rows) == ROWS for name, rows in full.rows.items() if name != "alembic_version")
    targets, dice = _targets(), random.Random(7)
    dice.shuffle(targets)
    targets = targets if is_full() else targets[:3]
    master.close()

    clean, database = {}, master.dialect
    with tally("up, down, up of populated tables", database, len(targets)) as survived:
        for target in targets:
            with survived.point(target), _copy(warehouse_url, tmp_path) as url:
                warehouse = open_warehouse(url)
                migrate.downgrade(warehouse, LINEAGES, target)
                down = _standing(warehouse)
                migrate.upgrade(warehouse, LINEAGES)
                up = _standing(warehouse)
                warehouse.close()
                clean[target] = (down, up)
                assert up.schema == full.schema
                for name in down.rows.keys() - {"alembic_version"}:  # what went down lost its rows; nothing else did
                    lossless = down.schema[name] == full.schema[name]
                    assert len(down.rows[name]) == len(up.rows[name]) == ROWS, name
                    assert not lossless or down.rows[name] == up.rows[name] == full.rows[name], name

    kills = points(full=3 * len(targets), share=1)
    chosen = [targets[number % len(targets)] for number in range(kills)]
    with (
        tally("kill -9 of db downgrade", database, kills) as downwards,
        tally("kill -9 of db upgrade", database, kills) as upwards,
    ):
        whole = 0.0
        for number, target in enumerate(chosen):
            down, up = clean[target]
            with _copy(warehouse_url, tmp_path) as url:
                program, warehouse = Program(tmp_path, url), open_warehouse(url)
                whole = whole or _seconds(start, program)
                for count, words, before, after in (
                    (downwards, ("db", "downgrade", target), full, down),
                    (upwards, ("db", "upgrade"), down, up),
                ):
                    with count.point(f"{number}, {target}"):
                        process = start(program, *words)
                        time.sleep(dice.uniform(0.2, 1.2) * whole)
                        process.send_signal(signal.SIGKILL)
                        process.wait()
                        assert _standing(warehouse) in (before, after), "half applied"
                        process = start(program, *words)
                        assert process.wait() == 0, process.communicate()[1]
                        assert _standing(warehouse) == after
                warehouse.close()


def _targets() -> list[str]:
    """Where `db downgrade` can go: each older revision of the house, each task's base, and the base of everything."""
    house = migrate._script(LINEAGES).iterate_revisions("house@head", "house@base")
    older = [one.revision for one in house][1:]
    return [*older, *(f"{task}@base" for task in TASKS), "base"]


def _seconds(start: Start, program: Program) -> float:
    """How long a command takes that migrates nothing."""
    began = time.monotonic()
    assert start(program, "db", "upgrade").wait() == 0
    return time.monotonic() - began


def _populate(warehouse: Warehouse) -> None:
    """ROWS rows in each table."""
    metadata = sa.MetaData()
    with warehouse.writing() as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                rows = [{column.name: _value(column, n) for column in table.columns} for n in range(1, ROWS + 1)]
                connection.execute(table.insert(), rows)


def _value(column: sa.Column[Any], number: int) -> object:
    if isinstance(column.type, sa.JSON):
        return {"n": number}
    kind = column.type.python_type
    if kind is bool:
        return number == 1
    if kind is dt.datetime:
        return NOON + dt.timedelta(days=number)
    if kind is dt.date:
        return NOON.date() + dt.timedelta(days=number)
    return kind(number) if kind in (int, float) else f"{column.name} {number}"


def _standing(warehouse: Warehouse) -> Standing:
    with warehouse.reading() as connection:
        inspector, schema, rows = sa.inspect(connection), {}, {}
        for name in inspector.get_table_names():
            columns = [(one["name"], str(one["type"]), one["nullable"]) for one in inspector.get_columns(name)]
            indexes = [(str(one["name"]), one["column_names"], one["unique"]) for one in inspector.get_indexes(name)]
            keys = inspector.get_pk_constraint(name)["constrained_columns"]
            schema[name] = (columns, keys, sorted(indexes))
            found = connection.execute(sa.select(sa.text("*")).select_from(sa.table(name))).mappings()
            rows[name] = sorted(str(sorted(row.items())) for row in found)
        for name in inspector.get_view_names():
            schema[name] = inspector.get_view_definition(name)
    return Standing(schema, rows)


@contextmanager
def _copy(original: str, directory: Path) -> Iterator[str]:
    """A copy of a database for a block; its URL."""
    url, name = make_url(original), f"copy_{uuid.uuid4().hex[:12]}"
    if url.get_backend_name() == "sqlite":
        file = directory / f"{name}.db"
        shutil.copy(str(url.database), file)
        yield f"sqlite:///{file}"
        return
    maintenance = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        names = (sql.Identifier(name), sql.Identifier(str(url.database)))
        connection.execute(sql.SQL("create database {} template {}").format(*names))
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("drop database {} with (force)").format(names[0]))

"""Old rows go in small transactions; what is published, running or to be kept stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from db import retention, runs
from db.claims import claim
from db.outputs import CreateView, current_view, output_table
from db.publishing import Outcome, publish, stage
from db.retention import retain, sweep
from db.tables import QUARANTINE, RUNS
from forecasting.schema import Column, Kind, OutputTable

SLOT = datetime(2026, 3, 1, tzinfo=UTC)
PAIRS = OutputTable(
    "pairs", (Column("item_id", Kind.ID), Column("date", Kind.DATE), Column("value", Kind.NUMBER)), ("item_id", "date")
)
OUTPUTS = (PAIRS,)
TABLE = output_table(PAIRS)
DEAD = "far/away/x/1/2"


@pytest.fixture
def house(warehouse, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK_ROWS", 7)
    with warehouse.writing() as connection:
        TABLE.create(connection)
        connection.execute(CreateView(PAIRS))
    return warehouse


def rows(count: int) -> pa.Table:
    days = [SLOT.date() + timedelta(days=number // 3) for number in range(count)]
    return pa.table({"item_id": ["abc"[number % 3] for number in range(count)], "date": days, "value": [1.0] * count})


def begin(warehouse, day: int, *, task: str = "demand", count: int = 30, owner: str | None = None, lease: float = 60):
    mine = claim(warehouse, task, SLOT + timedelta(days=day), owner=owner, lease_seconds=lease)
    run_id = runs.start(warehouse, mine, as_of=mine.slot, trigger="test")
    stage(warehouse, mine, run_id, PAIRS, rows(count))
    with warehouse.writing() as connection:
        connection.execute(QUARANTINE.insert().values(run_id=run_id, source="sales", row={}, reason="bad"))
    return mine, run_id


def done(warehouse, day: int, **options) -> str:
    mine, run_id = begin(warehouse, day, **options)
    publish(warehouse, mine, run_id, Outcome(rows=30, subject="model"))
    return run_id


def counts(warehouse, table: sa.Table = TABLE) -> dict[str, int]:
    with warehouse.reading() as connection:
        statement = sa.select(table.c.run_id, sa.func.count()).group_by(table.c.run_id)
        return {row[0]: row[1] for row in connection.execute(statement)}


def test_the_newest_runs_stay(house):
    finished = [done(house, day) for day in range(5)]
    other = done(house, 0, task="weekly")
    assert retain(house, OUTPUTS, "demand", keep=2) == 3 * 31
    assert counts(house) == dict.fromkeys([*finished[3:], other], 30)
    assert set(counts(house, QUARANTINE)) == {*finished[3:], other}
    assert len(runs.latest(house)) == 6, "the ledger forgets nothing"
    assert retain(house, OUTPUTS, "demand", keep=2) == 0


def test_the_published_run_stays_however_old(house):
    published = done(house, 9)
    backfilled = [done(house, day) for day in range(3)]
    with house.writing() as connection:  # as after a forced return to an old run
        connection.execute(sa.update(RUNS).where(RUNS.c.run_id == published).values(as_of=SLOT - timedelta(days=9)))
    retain(house, OUTPUTS, "demand", keep=1)
    assert set(counts(house)) == {published, backfilled[2]}
    retain(house, OUTPUTS, "demand", keep=0)
    assert counts(house) == {published: 30}
    with house.reading() as connection:
        assert len(connection.execute(sa.select(current_view(PAIRS))).all()) == 30


def test_what_was_never_published_is_kept_beside_what_was(house):
    published = [done(house, day) for day in (10, 11, 12)]
    backfilled = [done(house, day) for day in (1, 2, 3)]
    assert [runs.get(house, one).published_at for one in backfilled] == [None] * 3
    retain(house, OUTPUTS, "demand", keep=2)
    assert set(counts(house)) == {*published[1:], *backfilled[1:]}


def test_a_running_run_is_left_alone(house):
    finished = done(house, 0)
    _, running = begin(house, 1, owner=DEAD)  # on another machine, its lease alive
    assert sweep(house, OUTPUTS, "demand") == 0
    retain(house, OUTPUTS, "demand", keep=1)
    assert counts(house) == {finished: 30, running: 30}
    assert runs.get(house, running).state == "running"


def test_what_the_dead_left_is_swept(house):
    finished = done(house, 0)
    _, expired = begin(house, 1, owner=DEAD, lease=0)
    mine, failed = begin(house, 2)
    runs.fail(house, mine, failed, "broken", exit_code=1)
    _, other = begin(house, 1, task="weekly", owner=DEAD, lease=0)
    assert sweep(house, OUTPUTS, "demand") == 60
    assert counts(house) == {finished: 30, other: 30}
    assert (runs.get(house, expired).state, runs.get(house, failed).state) == ("abandoned", "failed")
    assert runs.get(house, other).state == "running"


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 14, 15])
def test_chunks_end_where_the_rows_end(house, count: int):
    mine, run_id = begin(house, 0, count=count)
    runs.fail(house, mine, run_id, "broken", exit_code=1)
    _, beside = begin(house, 1, count=10)
    assert sweep(house, OUTPUTS, "demand") == count
    assert counts(house) == {beside: 10}


def test_readers_go_on_while_rows_are_deleted(house):
    old = done(house, 0)
    done(house, 1)
    with house.reading() as reader:
        statement = sa.select(sa.func.count()).where(TABLE.c.run_id == old)
        assert reader.scalar(statement) == 30
        assert retain(house, OUTPUTS, "demand", keep=1) == 31
        assert reader.scalar(statement) == 30, "its snapshot still has them"
    assert old not in counts(house)

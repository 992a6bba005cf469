"""Publishing: nothing is seen until all is there, and then all at once; never back in time without force."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from db import models, publishing, runs
from db.claims import Claim, claim
from db.engines import open_warehouse
from db.outputs import CreateView, current_view, output_table
from db.publishing import Outcome, publications, publish, stage
from db.tables import CLAIMS, RUNS
from forecasting.schema import ClaimLost, Column, ConfigurationError, ForecastingError, Kind, OutputTable

SLOT = datetime(2026, 3, 1, tzinfo=UTC)
WIDE = OutputTable("wide", tuple(Column(kind.value, kind, required=False) for kind in Kind if kind != "any"), ("id",))
NARROW = OutputTable("narrow", (Column("item_id", Kind.ID), Column("value", Kind.NUMBER)), ("item_id",))
OUTPUTS = (WIDE, NARROW)


@pytest.fixture
def house(warehouse):
    """A warehouse in which the two tables above are somebody's outputs."""
    with warehouse.writing() as connection:
        for output in OUTPUTS:
            output_table(output).create(connection)
            connection.execute(CreateView(output))
    return warehouse


def begin(warehouse, day: int = 0, task: str = "demand", **options) -> tuple[Claim, str]:
    """A claim and a run as of the day-th day."""
    at = SLOT + timedelta(days=day)
    mine = claim(warehouse, task, at, **options)
    return mine, runs.start(warehouse, mine, as_of=at, trigger="test")


def narrow(*items: str, value: float = 1.0) -> pa.Table:
    return pa.table({"item_id": list(items), "value": [value] * len(items)})


def wide(*items: str) -> pa.Table:
    nothing = {
        name: pa.nulls(len(items)) for name in ("text", "number", "integer", "flag", "timestamp", "date", "json")
    }
    return pa.table({"id": list(items), **nothing})


def seen(warehouse, output: OutputTable) -> list[tuple]:
    view = current_view(output)
    statement = sa.select(view.c.task, view.c.run_id, view.c[output.key[0]]).order_by(
        view.c.task, view.c[output.key[0]]
    )
    with warehouse.reading() as connection:
        return [tuple(row) for row in connection.execute(statement)]


OUTCOME = Outcome(rows=2, subject="model")


def test_a_run_is_seen_once_it_is_published(house):
    mine, run_id = begin(house)
    assert stage(house, mine, run_id, WIDE, wide("a")) == 1
    assert stage(house, mine, run_id, NARROW, [narrow("a"), narrow("b")]) == 2
    assert seen(house, WIDE) == seen(house, NARROW) == []

    outcome = Outcome(rows=3, subject="baseline:naive", fallback=True, exit_code=3, reason="not_enough_data: two")
    assert publish(house, mine, run_id, outcome)
    assert seen(house, WIDE) == [("demand", run_id, "a")]
    assert seen(house, NARROW) == [("demand", run_id, "a"), ("demand", run_id, "b")]
    run = runs.get(house, run_id)
    assert (run.state, run.rows, run.subject, run.fallback, run.exit_code) == ("done", 3, "baseline:naive", True, 3)
    assert run.reason == "not_enough_data: two"
    current = publications(house)["demand"]
    assert (current.run_id, current.as_of, current.published_at) == (run_id, SLOT, run.published_at)
    with house.reading() as connection:
        assert connection.scalar(sa.select(CLAIMS.c.state)) == "done"


def test_values_of_every_kind_arrive(house):
    mine, run_id = begin(house)
    evening = datetime(2026, 3, 1, 23, 59, 59, 5, tzinfo=UTC)
    rows = pa.table(
        {
            "id": pa.array(["7", "8"], pa.large_string()).dictionary_encode(),
            "text": ["", None],
            "number": pa.array([float("nan"), 2.5], pa.float32()),
            "integer": pa.array([3, None], pa.int16()),
            "flag": [True, None],
            "timestamp": pa.array([evening, None], pa.timestamp("us", "Europe/Berlin")),
            "date": [date(2026, 3, 1), None],
            "json": ['{"why": ["a"]}', None],
            "case": [0, 1],
        }
    )
    stage(house, mine, run_id, WIDE, rows)
    publish(house, mine, run_id, OUTCOME)
    with house.reading() as connection:
        first, second = connection.execute(sa.select(current_view(WIDE)).order_by("id"))
    assert tuple(first)[2:] == ("7", "", None, 3, True, evening, date(2026, 3, 1), {"why": ["a"]})
    assert tuple(second)[2:] == ("8", None, 2.5, None, None, None, None, None)


def test_the_pointer_never_goes_back_without_force(house):
    later, later_run = begin(house, day=5)
    stage(house, later, later_run, NARROW, narrow("new"))
    assert publish(house, later, later_run, OUTCOME)

    older, older_run = begin(house, day=1)
    stage(house, older, older_run, NARROW, narrow("old"))
    assert not publish(house, older, older_run, OUTCOME)
    assert seen(house, NARROW) == [("demand", later_run, "new")]
    backfilled = runs.get(house, older_run)
    assert (backfilled.state, backfilled.published_at) == ("done", None)

    again = claim(house, "demand", SLOT + timedelta(days=1), force=True)
    forced_run = runs.start(house, again, as_of=SLOT + timedelta(days=1), trigger="test")
    stage(house, again, forced_run, NARROW, narrow("forced"))
    assert publish(house, again, forced_run, OUTCOME, force=True)
    assert seen(house, NARROW) == [("demand", forced_run, "forced")]


def test_for_one_instant_the_later_claim_counts(house):
    first = claim(house, "demand", SLOT)
    second = claim(house, "demand", SLOT + timedelta(hours=1))
    first_run, second_run = (runs.start(house, one, as_of=SLOT, trigger="test") for one in (first, second))
    assert publish(house, second, second_run, OUTCOME)
    assert not publish(house, first, first_run, OUTCOME)
    assert publications(house)["demand"].run_id == second_run


def test_tasks_that_share_a_table_do_not_meet(house):
    for task in ("daily", "weekly"):
        mine, run_id = begin(house, task=task)
        stage(house, mine, run_id, NARROW, narrow(task))
        assert publish(house, mine, run_id, OUTCOME)
    assert [(task, item) for task, _, item in seen(house, NARROW)] == [("daily", "daily"), ("weekly", "weekly")]


def test_who_lost_the_claim_publishes_nothing(house):
    old, old_run = begin(house, owner="far/away/x/1/2", lease_seconds=0)
    stage(house, old, old_run, NARROW, narrow("zombie"))
    new, new_run = begin(house)
    with pytest.raises(ClaimLost):
        publish(house, old, old_run, OUTCOME)
    with pytest.raises(ClaimLost):  # nor under another's run
        publish(house, old, new_run, OUTCOME, force=True)
    assert seen(house, NARROW) == []
    stage(house, new, new_run, NARROW, narrow("alive"))
    assert publish(house, new, new_run, OUTCOME)
    assert [item for _, _, item in seen(house, NARROW)] == ["alive"]
    with pytest.raises(ClaimLost):  # nor twice
        publish(house, new, new_run, OUTCOME)


def test_a_run_given_up_cannot_be_published(house):
    mine, run_id = begin(house)
    with house.writing() as connection:
        connection.execute(sa.update(RUNS).values(state="abandoned"))
    with pytest.raises(ClaimLost):
        publish(house, mine, run_id, OUTCOME)
    with house.reading() as connection:
        assert connection.scalar(sa.select(CLAIMS.c.state)) == "running"
    assert publications(house) == {}


def test_staging_stops_when_the_claim_is_known_to_be_lost(house):
    mine, run_id = begin(house)
    mine._lost.set()
    with pytest.raises(ClaimLost):
        stage(house, mine, run_id, NARROW, narrow("a"))


def test_the_champion_is_crowned_with_the_publication(house):
    def with_model(day: int, model_id: str) -> bool:
        mine, run_id = begin(house, day=day)
        models.register(house, model_id, task="demand", encoder="gru", trained_until=SLOT, uri="u", sha256="s")
        outcome = Outcome(rows=0, subject="model", model_id=model_id, champion=True)
        return publish(house, mine, run_id, outcome)

    assert with_model(3, "m3")
    assert models.champion(house, "demand").model_id == "m3"
    assert not with_model(1, "m1")
    assert models.champion(house, "demand").model_id == "m3"
    assert with_model(4, "m4")
    assert models.champion(house, "demand").model_id == "m4"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (pa.table({"item_id": ["a"]}), "lack the column 'value'"),
        (pa.table({"item_id": ["a"], "value": ["many"]}), "column 'value' of 'narrow' is string, which is no number"),
        (pa.table({"item_id": ["a"], "value": [float("nan")]}), "column 'value' of 'narrow' is required"),
        (narrow("a", "b", "a"), "repeat a key"),
    ],
)
def test_rows_that_do_not_fit_say_why(house, rows: pa.Table, says: str):
    mine, run_id = begin(house)
    with pytest.raises(ForecastingError, match=says):
        stage(house, mine, run_id, NARROW, rows)


@pytest.mark.parametrize(
    ("columns", "key", "says"),
    [
        ((Column("a", Kind.ID),), (), "no key"),
        ((Column("a", Kind.ID),), ("b",), "'b' that it does not declare"),
        ((Column("a", Kind.ID), Column("run_id", Kind.ID)), ("a",), "'run_id', which the house adds"),
        ((Column("a", Kind.ID), Column("a", Kind.ID)), ("a",), "twice"),
        ((Column("a", Kind.ANY),), ("a",), "no type"),
    ],
)
def test_declarations_that_cannot_be_tables(columns, key, says: str):
    with pytest.raises(ConfigurationError, match=says):
        output_table(OutputTable("bad", columns, key))


def test_readers_see_one_whole_run_or_another(house, warehouse_url, monkeypatch):
    """While runs of 300 rows in each of two tables are staged and published, every look finds one run, whole."""
    monkeypatch.setattr(publishing, "CHUNK_ROWS", 50)
    stop, looks, wrong = threading.Event(), [0], []

    def look() -> None:
        own = open_warehouse(warehouse_url)
        views = [current_view(output) for output in OUTPUTS]
        counts = [sa.select(view.c.run_id, sa.func.count()).group_by(view.c.run_id) for view in views]
        while not stop.is_set():
            with own.reading() as connection:
                found = [connection.execute(count).all() for count in counts]
            looks[0] += 1
            whole = found[0] == found[1] and len(found[0]) <= 1 and all(row[1] == 300 for row in found[0])
            if not whole:
                wrong.append(found)
        own.close()

    reader = threading.Thread(target=look)
    reader.start()
    items = [f"{number:04}" for number in range(300)]
    for day in range(8):
        mine, run_id = begin(house, day=day)
        stage(house, mine, run_id, WIDE, wide(*items))
        stage(house, mine, run_id, NARROW, narrow(*items))
        assert publish(house, mine, run_id, OUTCOME)
    stop.set()
    reader.join()
    assert looks[0] > 10
    assert wrong == []

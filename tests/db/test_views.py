"""A view over the published run costs what that run costs, however many old ones lie beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from db import publishing, runs
from db.claims import claim
from db.outputs import current_view
from tasks.demand.outputs import DEMAND_FORECASTS as FORECASTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNS, SERIES = 8, 2_000


@pytest.fixture
def filled(warehouse):
    """Eight runs of two thousand rows, the last one published."""
    numbers = {column.name: pa.array([0.5] * SERIES) for column in FORECASTS.columns if column.kind == "number"}
    keys = {
        "item_id": [f"i{number:05}" for number in range(SERIES)],
        "location_id": ["all"] * SERIES,
        "date": pa.array([NOW.date()] * SERIES),
    }
    for run in range(RUNS):
        mine = claim(warehouse, "demand", NOW + timedelta(days=run))
        run_id = runs.start(warehouse, mine, as_of=NOW, trigger="test")
        publishing.stage(warehouse, mine, run_id, FORECASTS, pa.table({**keys, **numbers}))
    assert publishing.publish(warehouse, mine, run_id, publishing.Outcome(rows=SERIES, subject="model"))
    return warehouse


def plan(connection: sa.Connection, statement: sa.Select) -> str:
    explain = "explain query plan " if connection.dialect.name == "sqlite" else "explain "
    text = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
    return "\n".join(str(row) for row in connection.exec_driver_sql(explain + text)).lower()


VIEW = current_view(FORECASTS)
QUESTIONS = {
    "all": sa.select(VIEW),
    "item": sa.select(VIEW).where(VIEW.c.item_id == "i00042"),
    "task": sa.select(VIEW).where(VIEW.c.task == "demand", VIEW.c.item_id == "i00042", VIEW.c.location_id == "all"),
}


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_primary_key_serves_every_question(filled, question: str, analysed: bool):
    with filled.writing() as connection:
        if analysed:
            connection.execute(sa.DDL("analyze"))
        how = plan(connection, QUESTIONS[question])
        rows = connection.execute(QUESTIONS[question]).all()
    if filled.dialect == "sqlite":
        assert "search demand_forecasts using primary key (run_id=?" in how
    else:
        assert "demand_forecasts_pkey" in how
        assert "seq scan on demand_forecasts" not in how
    if question != "all":
        assert "item_id" in how
    assert {row.run_id for row in rows} == {publishing.publications(filled)["demand"].run_id}
    assert len(rows) == (SERIES if question == "all" else 1)

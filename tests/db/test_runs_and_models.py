"""The ledgers of runs, figures and models."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from db import crowns, models, runs
from db.claims import claim
from db.runs import Metric
from db.tables import MODELS
from forecasting.schema import ClaimLost, ConfigurationError

SLOT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def test_a_run_from_start_to_failure(warehouse):
    mine = claim(warehouse, "demand", SLOT)
    config = {"horizon": 28, "nested": {"a": [1, None]}}
    run_id = runs.start(warehouse, mine, as_of=SLOT, trigger="command", code_version="1.0", config=config)
    runs.note_data_window(warehouse, run_id, datetime(2024, 1, 1, tzinfo=UTC), SLOT)
    figures = [Metric("gate", "model", "wql", 0.5), Metric("gate", "baseline:naive", "wql", math.nan)]
    runs.record_metrics(warehouse, run_id, figures)
    runs.record_metrics(warehouse, run_id, [])

    run = runs.get(warehouse, run_id)
    assert (run.state, run.fence, run.config, run.data_until, run.finished_at) == ("running", 1, config, SLOT, None)
    assert run.started_at.tzinfo is not None
    naive, model = runs.metrics(warehouse, run_id)
    assert model == figures[0]
    assert math.isnan(naive.value)

    runs.fail(warehouse, mine, run_id, "no data", exit_code=4)
    run = runs.get(warehouse, run_id)
    assert (run.state, run.error, run.exit_code) == ("failed", "no data", 4)
    assert run.finished_at >= run.started_at
    with pytest.raises(ClaimLost, match="is failed"):
        runs.record_metrics(warehouse, run_id, figures)
    claim(warehouse, "demand", SLOT)


def test_the_latest_runs_come_first(warehouse):
    started = [runs.start(warehouse, claim(warehouse, task, SLOT), as_of=SLOT, trigger="t") for task in ("a", "b", "c")]
    assert [run.run_id for run in runs.latest(warehouse)] == started[::-1]
    assert [run.run_id for run in runs.latest(warehouse, limit=2)] == started[:0:-1]
    assert [run.run_id for run in runs.latest(warehouse, "b")] == [started[1]]
    assert runs.get(warehouse, "nosuch") is None


def test_one_model_reigns_in_each_task(warehouse):
    for model_id, task in (("m1", "demand"), ("m2", "demand"), ("w1", "weekly")):
        stored = {"uri": f"file:///{model_id}", "sha256": "0" * 64, "recipe": {"epochs": 3}}
        models.register(warehouse, model_id, task=task, encoder="gru", trained_until=SLOT, **stored)
    assert models.champion(warehouse, "demand") is None
    crowns.promote(warehouse, "m1")
    crowns.promote(warehouse, "w1")
    crowns.promote(warehouse, "m2")
    assert models.champion(warehouse, "demand").model_id == "m2"
    assert models.champion(warehouse, "weekly").recipe == {"epochs": 3}
    assert models.get(warehouse, "m1").champion is False
    assert [one.model_id for one in models.latest(warehouse, "demand")] == ["m2", "m1"]
    with pytest.raises(ConfigurationError, match="no model 'nosuch'"):
        crowns.promote(warehouse, "nosuch")
    with pytest.raises(sa.exc.IntegrityError), warehouse.writing() as connection:
        connection.execute(sa.update(MODELS).values(champion=True))

"""Who reigned when, and how a crown is taken back; what an older warehouse's runs tell of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from db import crowns, migrate, models
from db.engines import Warehouse, open_warehouse
from db.tables import MODELS, RUNS
from forecasting.schema import ConfigurationError, ForecastingError

SLOT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def store(warehouse: Warehouse, model_id: str, day: int = 0, *, warm_from: str | None = None) -> None:
    until = SLOT + timedelta(days=day)
    stored = {"encoder": "gru", "uri": model_id, "sha256": "0", "warm_from": warm_from}
    models.register(warehouse, model_id, task="demand", trained_until=until, **stored)


def crown(warehouse: Warehouse, model_id: str) -> bool:
    """As a run does that publishes."""
    with warehouse.writing() as connection:
        return crowns.crown(connection, "demand", model_id, "run")


def line(warehouse: Warehouse) -> list[tuple[str, str]]:
    return [(reign.model_id, reign.cause) for reign in crowns.history(warehouse, "demand")]


def test_a_crown_is_taken_back_and_who_lost_it_is_known(warehouse):
    for model_id in "abc":
        store(warehouse, model_id)
        assert crown(warehouse, model_id) and not crown(warehouse, model_id), "the same reign goes on"
    bad = crowns.history(warehouse, "demand")[-1]
    crowns.take_back(warehouse, bad, "b", "ann")
    assert models.champion(warehouse, "demand").model_id == "b"
    assert line(warehouse) == [("a", "run"), ("b", "run"), ("c", "run"), ("b", "rollback")]
    last = crowns.history(warehouse, "demand")
    assert last[-1].crowned_by == "ann" and last[-1].crowned_at >= bad.crowned_at
    assert crowns.taken_back(last) == {"c"}
    with pytest.raises(ForecastingError, match="another model"):
        crowns.take_back(warehouse, bad, "a")
    assert crowns.promote(warehouse, "c") and not crowns.promote(warehouse, "c")
    assert crowns.taken_back(crowns.history(warehouse, "demand")) == set(), "a person may know better"
    with pytest.raises(ConfigurationError, match="no model 'nosuch'"):
        crowns.promote(warehouse, "nosuch")


def test_a_run_that_was_under_way_does_not_bring_a_line_back_that_was_dethroned(warehouse):
    for model_id, parent in (("a", None), ("b", None), ("b2", "b"), ("a2", "a"), ("new", None)):
        store(warehouse, model_id, warm_from=parent)
    crown(warehouse, "a")
    crown(warehouse, "b")
    crowns.take_back(warehouse, crowns.history(warehouse, "demand")[-1], "a")
    assert not crown(warehouse, "b2"), "fine-tuned from b while that still reigned"
    assert models.champion(warehouse, "demand").model_id == "a"
    assert crown(warehouse, "a2") and crown(warehouse, "new"), "its own line goes on, and a full fit is another"


def test_the_models_of_a_time_had_seen_nothing_after_it(warehouse):
    for model_id, day in (("old", -9), ("young", 0), ("future", 1)):
        store(warehouse, model_id, day)
    assert [one.model_id for one in models.as_of(warehouse, "demand", SLOT)] == ["young", "old"]
    assert models.as_of(warehouse, "weekly", SLOT) == []


def test_an_older_warehouse_tells_who_reigned_from_its_runs(warehouse_url):
    warehouse = open_warehouse(warehouse_url)
    migrate.upgrade(warehouse, revision="house_0004")
    nights = [("a", "model", 1, True), ("x", "model", 2, False), ("b", "model", 3, True), ("y", "champion", 4, True)]
    with warehouse.writing() as connection:
        for name, subject, day, published in nights:
            at = SLOT + timedelta(days=day)
            run = {"run_id": f"of {name}", "task": "demand", "slot": at, "as_of": at, "state": "done", "fence": day}
            told = {"subject": subject, "published_at": at if published else None}
            connection.execute(RUNS.insert().values(**run, **told, trigger="t", started_at=at))
            model = {"model_id": name, "task": "demand", "created_at": at, "trained_until": at, "run_id": f"of {name}"}
            connection.execute(MODELS.insert().values(**model, uri="u", sha256="s", champion=name == "b"))
        alone = {"model_id": "w", "task": "weekly", "created_at": SLOT, "trained_until": SLOT, "champion": True}
        connection.execute(MODELS.insert().values(**alone, uri="u", sha256="s"))
    for _ in range(2):
        migrate.upgrade(warehouse)
        assert line(warehouse) == [("a", "run"), ("b", "run")]
        assert [reign.crowned_at for reign in crowns.history(warehouse, "demand")] == [
            SLOT + timedelta(days=1),
            SLOT + timedelta(days=3),
        ]
        assert [reign.model_id for reign in crowns.history(warehouse, "weekly")] == ["w"]
        with warehouse.writing() as connection:  # the next row gets a number of its own
            crowns.crown(connection, "weekly", "other", "promotion")
            connection.execute(sa.update(MODELS).where(MODELS.c.model_id == "w").values(champion=True))
        migrate.downgrade(warehouse, [], "house_0004")
    warehouse.close()

"""Runs made after their time, on both databases: nothing of the future, nothing twice, nothing in today's way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import idle_shop
import pandas as pd
import pytest
from program import Program
from shell import Shell

from db import claims
from db.engines import open_warehouse
from db.extract import extract
from forecasting.discovery import task_classes

WEEK = ("--from", "2024-03-01", "--to", "2024-03-08", "--every", "2")
OPTIONS = "[settings]\nretrain_after_days = 3\nkeep_runs = 3\n"


@pytest.fixture
def shell(program: Program, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(idle_shop.create(program, monkeypatch, settings=OPTIONS))


def days(document: dict, state: str) -> list[int]:
    return [int(slot["slot"][8:10]) for slot in document["slots"] if slot["state"] == state]


def instants(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column, utc=True, format="ISO8601")


def test_a_week_that_was_never_run(shell: Shell) -> None:
    night = shell.document("run", "idle", "--as-of", "2024-03-10", "--slot", "2024-03-10")["runs"][0]
    before = shell.view("current_idle_forecasts"), shell.view("current_idle_alerts")
    planned = shell.document("backfill", "idle", *WEEK, "--dry-run")
    assert days(planned, "due") == [1, 3, 5, 7] and planned["exit_code"] == 0 and len(shell.view("runs")) == 1
    made = shell.document("backfill", "idle", *WEEK)
    assert days(made, "made") == [1, 3, 5, 7] and made["counts"]["made"] == 4
    assert not any(slot["published"] for slot in made["slots"]) and made["reports"] == []
    for was, name in zip(before, ("current_idle_forecasts", "current_idle_alerts"), strict=True):
        pd.testing.assert_frame_equal(shell.view(name), was)

    # Each slot's model had seen nothing after it; the champion, which had, neither forecast nor lost its crown.
    runs, models = shell.view("runs").set_index("run_id"), shell.view("models").set_index("model_id")
    mine = runs[runs["trigger"] == "backfill"].sort_values("slot")
    as_of = instants(mine["as_of"])
    assert (instants(mine["slot"]) == as_of).all() and (mine["state"] == "done").all() and len(mine) == 4
    assert (instants(models.loc[mine["model_id"], "trained_until"]).to_numpy() <= as_of.to_numpy()).all()
    assert [slot["trained"] for slot in made["slots"]] == [True, False, True, False]
    assert models.index[models["champion"].astype(bool)].tolist() == [night["model_id"]]

    # As many of its runs keep their rows as published ones do, and all their figures.
    assert set(shell.view("idle_totals")["run_id"]) == {night["run_id"], *mine.index[-3:]}
    assert set(mine.index[[0, 2]]) < set(shell.view("run_metrics")["run_id"])

    # Again: nothing is left to do, unless it is asked for; and even then the pointer does not move back.
    again = shell.document("backfill", "idle", *WEEK)
    assert days(again, "done") == [1, 3, 5, 7] and again["exit_code"] == 0
    forced = shell.document("backfill", "idle", "--from", "2024-03-07", "--to", "2024-03-08", "--force")
    assert days(forced, "made") == [7] and not forced["slots"][0]["published"]


def test_it_goes_on_where_it_was_stopped_beside_others(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []

    def counted(*arguments: Any, **options: Any) -> Any:
        readings.append(arguments)
        return extract(*arguments, **options)

    monkeypatch.setattr("forecasting.app.reading.extract", counted)
    toml = shell.program.directory / "forecasting.toml"
    works = toml.read_text()
    toml.write_text('[sources.orders]\ncolumns = { placed_at = "order_id" }\n[tasks.idle]\n')
    broken = shell.document("backfill", "idle", *WEEK, code=4)
    assert (days(broken, "failed"), days(broken, "due")) == ([1], [3, 5, 7]), "all slots read what is broken"
    assert len(shell.view("runs")) == 1 and len(shell.view("quarantine")) > 0
    toml.write_text(works)

    warehouse, elsewhere = open_warehouse(shell.program.url), "another/boot/machine/1/1"
    try:
        for day, lease in ((1, 0.0), (3, 60.0)):  # that of the 1st was killed
            slot = datetime(2024, 3, day, tzinfo=UTC)
            claims.claim(warehouse, "idle", slot, owner=elsewhere, lease_seconds=lease)
        claims.claim(warehouse, "idle", datetime(2024, 3, 5, tzinfo=UTC)).release("done")
        found = claims.taken(warehouse, "idle", datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 5, 1, tzinfo=UTC))
        assert {slot.day: state for slot, state in found.items()} == {3: "running", 5: "done"}
    finally:
        warehouse.close()
    readings.clear()
    made = shell.document("backfill", "idle", *WEEK, code=5)
    assert (days(made, "made"), days(made, "running"), days(made, "done")) == ([1, 7], [3], [5])
    assert len(readings) == 1, "the sources are read once for all slots"


def _no_room(*arguments: Any) -> Any:
    raise OSError("no space left on device")


def test_the_first_of_all_runs_may_be_a_backfill(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing newer is published its slots are; the next night trains a champion of its own."""
    for line, words in (
        (["--from", "2024-03-08", "--to", "2024-03-01"], "must lie before"),
        (["--from", "2024-03-08", "--to", "2124-03-01", "--every", "900"], "future"),
    ):
        assert words in shell.document("backfill", "idle", *line, code=2)["error"]["message"]
    with monkeypatch.context() as broken:
        broken.setattr(task_classes()["idle"], "fit", _no_room)
        tried = shell.document("backfill", "idle", *WEEK, code=1)
    assert (days(tried, "failed"), days(tried, "due")) == ([1, 3, 5], [7]), "three in a row are enough"
    never = shell.document("backfill", "idle", *WEEK, "--every", "7", "--retrain", "never", code=2)
    assert days(never, "failed") == [1] and "No model of these options" in never["slots"][0]["error"]["message"]

    made = shell.document("backfill", "idle", "--from", "2024-03-01", "--to", "2024-03-09", "--every", "7")
    assert days(made, "made") == [1, 8] and all(slot["published"] for slot in made["slots"])
    assert set(shell.view("current_idle_totals")["run_id"]) == {made["slots"][1]["run_id"]}
    assert not shell.view("models")["champion"].astype(bool).any()
    filled = ("--from", "2024-03-03", "--to", "2024-03-04", "--retrain", "never")
    assert shell.document("backfill", "idle", *filled)["slots"][0]["model_id"] == made["slots"][0]["model_id"]
    shell("run", "idle", "--as-of", "2024-03-14", "--retrain", "never", code=2)
    night = shell.document("run", "idle", "--as-of", "2024-03-14")["runs"][0]
    assert night["published"] and night["trained"] and shell.view("models")["champion"].astype(bool).sum() == 1

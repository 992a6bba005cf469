"""A model that is worse than a baseline goes nowhere: the best baseline's rows do, marked as such, exit code 3.

The network of each task is made to answer each case with what it would say of another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from changing_shops import TASKS, ChangingShop
from program import Program
from tally import is_full, tally

from db import models, runs
from db.tables import RUN_METRICS
from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.reading import read
from forecasting.app.workspace import Workspace
from forecasting.discovery import task_classes
from forecasting.pipeline import publication_rows
from forecasting.task import Cases, Model

DAYS = {"demand": 46, "recommendation": 14, "churn": 200, "completion": 100}
"""Of history, with which a model is judged."""


FALLBACK = "did worse than a simpler rule"
"""What a page says then."""


@dataclass(frozen=True)
class Spoiled:
    """A model that mistakes every case for another one."""

    model: Model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, dataset: Any, cases: Cases) -> Any:
        """What the model says of the case on the other side."""
        turned = np.roll(np.arange(len(cases))[::-1], 1)
        return self.model.predict(dataset, cases.take(turned))

    def parts(self) -> dict[str, Any]:
        return {}


@pytest.fixture(params=TASKS)
def shop(request: pytest.FixtureRequest, program: Program) -> Iterator[ChangingShop]:
    """A shop of each task with enough to judge a model by."""
    task = request.param
    turns = {"recommendation": "sqlite"}  # the quickest
    if not is_full() and not program.url.startswith(turns.get(task, "none")):
        pytest.skip("`make faults` tries it")
    opened = ChangingShop(task, program, days=DAYS[task])
    yield opened
    opened.close()


def test_the_best_baseline_goes_out_and_says_so(shop: ChangingShop, monkeypatch: pytest.MonkeyPatch) -> None:
    task_class = task_classes()[shop.task]
    fit = task_class.fit
    monkeypatch.setattr(task_class, "fit", lambda task, dataset, how: Spoiled(fit(task, dataset, how)))
    with tally(f"a model worse than its baseline, {shop.task}", shop.dialect, 1) as survived, survived.point():
        run = shop.night(0, code=3)["runs"][0]
        baseline = run["subject"]
        assert run["published"] and run["fallback"] and baseline.startswith("baseline:")
        _ledger_marks(shop, run["run_id"], baseline)
        assert _rows(shop, run) == _alone(shop, baseline)
        assert models.champion(shop.results, shop.task) is None
        (page,) = (Path(path) for path in run["reports"] if path.endswith(".html"))
        assert FALLBACK in page.read_text(encoding="utf-8")
        status = next(one for one in shop.shell.document("status", code=(0, 1))["tasks"] if one["task"] == shop.task)
        assert baseline in str(status)


def test_the_champion_stays_where_its_successor_is_worse(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration changed for the worse: the old one, fitted anew, goes out."""
    if not is_full() and program.url.startswith("sqlite"):
        pytest.skip("its turn is on the other database; `make faults` tries both")
    shop = ChangingShop("recommendation", program, days=DAYS["recommendation"])
    task_class = task_classes()[shop.task]
    fit, options = task_class.fit, task_class.example().options
    crowned = shop.night(0, code=0)["runs"][0]["model_id"]

    def fitted(task: Any, dataset: Any, how: Any) -> Any:
        model = fit(task, dataset, how)
        return Spoiled(model) if task.options.hidden == 8 else model

    monkeypatch.setattr(task_class, "fit", fitted)
    shop.configure(replace(options, hidden=8))
    with tally("a model worse than the champion", shop.dialect, 1) as survived, survived.point():
        run = shop.night(1, code=3)["runs"][0]
        assert run["fallback"] and run["subject"] == "champion" and run["published"]
        champion = models.champion(shop.results, shop.task)
        assert champion is not None and champion.model_id == crowned
        assert {row[0] for row in next(iter(shop.published().values()))} == {run["run_id"]}
    shop.close()


def _ledger_marks(shop: ChangingShop, run_id: str, baseline: str) -> None:
    """Whose rows these are, and that they are no model's; the best of all that were judged."""
    row = runs.get(shop.results, run_id)
    assert row is not None and row.fallback and row.subject == baseline and row.exit_code == 3 and row.reason
    metric = task_classes()[shop.task].spec.gate_metric
    wanted = sa.select(RUN_METRICS.c.subject, RUN_METRICS.c.value).where(
        RUN_METRICS.c.run_id == run_id, RUN_METRICS.c.slice == "evaluate", RUN_METRICS.c.metric == metric
    )
    with shop.results.reading() as connection:
        values = {row.subject: row.value for row in connection.execute(wanted)}
    assert values["model"] > values[baseline] and values[baseline] == pytest.approx(
        min(value for subject, value in values.items() if subject.startswith("baseline:")), rel=0.05
    )


def _rows(shop: ChangingShop, run: dict[str, Any]) -> list[tuple]:
    """What the main view shows: all of it of this run."""
    rows = next(iter(shop.published().values()))
    assert {row[0] for row in rows} == {run["run_id"]}
    return sorted(_plain(row[1:]) for row in rows)


def _alone(shop: ChangingShop, baseline: str) -> list[tuple]:
    """The rows of the baseline, had it been asked alone."""
    workspace = Workspace(
        config.load(shop.program.directory / "forecasting.toml", warehouse=shop.program.url), Console()
    )
    try:
        task = workspace.task(shop.task)
        as_of = shop.first_night.astype("datetime64[us]")
        dataset = read(workspace, workspace.results(), task).dataset
        forecaster = task.baselines(dataset, as_of)[baseline.removeprefix("baseline:")]
        output = task.spec.outputs[0]
        found = []
        for shard in publication_rows(task, dataset, as_of, forecaster):
            columns = shard[output.name].select([column.name for column in output.columns]).to_pydict()
            found += [_plain(row) for row in zip(*columns.values(), strict=True)]
    finally:
        workspace.close()
    return sorted(found)


def _plain(row: tuple) -> tuple:
    """A row as both the view and the task would write it."""
    return tuple(
        f"{value:.6g}" if isinstance(value, float) and value == value else str(_instant(value)) for value in row
    )


def _instant(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, str):  # SQLite gives documents and instants as text
        return json.loads(value) if value[:1] in ("[", "{") else value.removesuffix(".000000")
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value

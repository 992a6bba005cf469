"""Who forecasts, and what a model that watches itself says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.deciding import Decision, decide, options_of
from forecasting.app.request import RunRequest
from forecasting.pipeline import MetricRow
from forecasting.schema import TaskSpec
from forecasting.task import Cases, Fit, Fold, Instant, Recipe, Score, Watching

AS_OF = np.datetime64("2024-03-01", "us")
TRUTH = 3.0


@dataclass(frozen=True)
class Constant:
    """Forecasts a number."""

    value: float

    def predict(self, dataset: str, cases: Cases) -> np.ndarray:
        return np.full(len(cases), self.value)


@dataclass(frozen=True)
class Calm(Constant):
    """A model that says nothing of itself."""

    recipe: Recipe = Recipe(1)
    trained_until: Instant = AS_OF

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {"value": np.array([self.value])}

    def document(self) -> Mapping[str, Any]:
        return {}

    def parts(self) -> Mapping[str, Constant]:
        return {}


class Watchful(Calm):
    """One that sees the world drift away from it."""

    def watch(self, dataset: str, as_of: Instant) -> Mapping[str, float]:
        assert dataset == "the data" and as_of == AS_OF
        return {"drift_alarm": 1.0, "drift_z": self.value}


@dataclass(frozen=True)
class Options:
    """`value`: what the model forecasts."""

    value: float = TRUTH


@dataclass
class Toy:
    """A task whose models are of a kind, beside a baseline that is always wrong by one."""

    kind: type[Calm]
    options: Options = Options()
    spec = TaskSpec(name="toy", question="What comes?", entity="thing", outputs=(), gate_metric="error", migrations="")

    def folds(self, dataset: str, as_of: Instant) -> list[Fold]:
        return [Fold(AS_OF, Cases(np.arange(40), np.full(40, AS_OF)))]

    def fit(self, dataset: str, fit: Fit) -> Calm:
        return self.kind(self.options.value)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Calm:
        return self.kind(float(tensors["value"][0]))

    def baselines(self, dataset: str, until: Instant) -> dict[str, Constant]:
        return {"plain": Constant(TRUTH + 1)}

    def score(self, dataset: str, cases: Cases, forecast: np.ndarray) -> Score:
        loss = np.abs(forecast - TRUTH)
        return Score({"error": float(loss.mean()), "samples": float(len(cases))}, loss, cases.entity)


def decided(task: Toy, champion: ModelRecord | None = None) -> Decision:
    request = RunRequest("toy", AS_OF, AS_OF)
    return decide(  # type: ignore[arg-type]
        task, "the data", request, champion, seed=0, checkpoint=None, progress=lambda what, done, total: None
    )


def noted(decision: Decision) -> list[MetricRow]:
    return [row for row in decision.metrics if row.slice == "calibration"]


WATCHED = [MetricRow("calibration", "model", "drift_alarm", 1.0), MetricRow("calibration", "model", "drift_z", TRUTH)]


def test_what_a_model_notes_of_itself_stands_among_the_figures_of_its_run() -> None:
    assert isinstance(Watchful(TRUTH), Watching) and not isinstance(Calm(TRUTH), Watching)
    trained = decided(Toy(Watchful))
    assert trained.subject == "model" and noted(trained) == WATCHED
    assert len(trained.metrics) > len(WATCHED), "beside those of the judgement"
    assert noted(decided(Toy(Calm))) == []


def test_a_baseline_that_goes_out_in_its_place_notes_nothing() -> None:
    fallback = decided(Toy(Watchful, Options(TRUTH + 5)))
    assert fallback.subject == "baseline:plain" and noted(fallback) == []


@pytest.mark.parametrize("kind", [Watchful, Calm])
def test_a_champion_watches_itself_when_nothing_is_trained(kind: type[Calm], tmp_path: Path) -> None:
    task, uri = Toy(kind), tmp_path / "champion"
    sha256 = artifacts.save(uri, kind(TRUTH).tensors(), kind(TRUTH).document())
    when = dt.datetime(2024, 2, 28, tzinfo=dt.UTC)
    config = {"options": options_of(task)}  # type: ignore[arg-type]
    champion = ModelRecord("m1", "toy", when, None, when, str(uri), sha256, True, None, config, None)
    decision = decided(task, champion)
    assert decision.champion_id == "m1" and decision.model is None
    assert list(decision.metrics) == (WATCHED if kind is Watchful else [])

"""Who forecasts, and what a model that watches itself says of it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.deciding import Decision, decide, options_of
from forecasting.app.request import RunRequest
from forecasting.drift import Drift
from forecasting.pipeline import MetricRow
from forecasting.schema import NotEnoughData, TaskSpec, TrainingDiverged
from forecasting.task import Cases, Fit, Fold, Instant, Recipe, Renewable, Score, Watching

AS_OF, FITTED = np.datetime64("2024-03-01", "us"), np.datetime64("2024-02-28", "us")
DAY = np.timedelta64(1, "D")
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
    """One that sees the world drift away from it, as it did already when it was fitted, if not `news`."""

    news: ClassVar[bool] = False

    def watch(self, dataset: str, as_of: Instant) -> Mapping[str, float]:
        assert dataset == "the data" and as_of <= AS_OF
        return {"drift_alarm": float(as_of == AS_OF or not self.news), "drift_z": self.value}


@dataclass(frozen=True)
class Renewing(Watchful):
    """One that goes on learning, in a way that the class says."""

    how: ClassVar[str] = "well"

    def renew(self, dataset: str, fit: Fit) -> Renewing:
        assert dataset == "the data" and fit.until == AS_OF and fit.recipe == self.recipe and fit.seed == 7
        assert fit.checkpoint == Path("here/renewal")
        fit.progress(1, 2, "step")
        if self.how == "diverges":
            raise TrainingDiverged("The loss is lost.")
        if self.how == "too little":
            raise NotEnoughData("Nobody came.")
        return self if self.how == "nothing new" else Renewing(self.value + 0.25, self.recipe, fit.until)


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
        return self.kind(self.options.value, Recipe(3), fit.until)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Calm:
        return self.kind(float(tensors["value"][0]), Recipe(3), FITTED)

    def baselines(self, dataset: str, until: Instant) -> dict[str, Constant]:
        return {"plain": Constant(TRUTH + 1)}

    def score(self, dataset: str, cases: Cases, forecast: np.ndarray) -> Score:
        loss = np.abs(forecast - TRUTH)
        return Score({"error": float(loss.mean()), "samples": float(len(cases))}, loss, cases.entity)


def decided(task: Toy, champion: ModelRecord | None = None, drift: Sequence[Drift] = (), **asked: Any) -> Decision:
    request = RunRequest("toy", AS_OF, AS_OF, **asked)
    return decide(
        task,  # type: ignore[arg-type]
        "the data",
        request,
        champion,
        seed=7,
        checkpoint=Path("here"),
        progress=lambda what, done, total: None,
        drift=drift,
    )


def reigning(task: Toy, directory: Path, **known: Any) -> ModelRecord:
    """A champion, three days old, stored where a run would find it."""
    model, uri = task.kind(TRUTH), directory / "champion"
    sha256 = artifacts.save(uri, model.tensors(), model.document())
    when, config = moment(FITTED), {"options": options_of(task)}  # type: ignore[arg-type]
    return replace(ModelRecord("m1", "toy", when, None, when, str(uri), sha256, True, None, config, None), **known)


def moment(instant: Instant) -> dt.datetime:
    return instant.item().replace(tzinfo=dt.UTC)


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
    task = Toy(kind)
    decision = decided(task, reigning(task, tmp_path))
    assert decision.champion_id == "m1" and decision.model is None
    assert list(decision.metrics) == (WATCHED if kind is Watchful else [])


def test_a_young_champion_goes_on_learning_and_is_published_as_the_model(tmp_path: Path) -> None:
    task = Toy(Renewing)
    assert isinstance(Renewing(TRUTH), Renewable) and not isinstance(Watchful(TRUTH), Renewable)
    decision = decided(task, reigning(task, tmp_path))
    assert decision.model is decision.forecaster and decision.subject == "model" and not decision.fallback
    assert decision.model == Renewing(TRUTH + 0.25, Recipe(3), AS_OF)
    assert decision.warm_from == "m1" and decision.champion_id is None and decision.fully_trained_until == FITTED
    assert noted(decision) == [WATCHED[0], MetricRow("calibration", "model", "drift_z", TRUTH + 0.25)]
    assert "2024-02-28 to 2024-03-01" in decision.reason and decision.reason.endswith("(limit 7).")


def test_a_line_of_renewals_keeps_the_age_of_its_fit_from_scratch(tmp_path: Path) -> None:
    task = Toy(Renewing)
    young = decided(task, reigning(task, tmp_path, fully_trained_until=moment(AS_OF - 6 * DAY)))
    assert young.warm_from == "m1" and young.fully_trained_until == AS_OF - 6 * DAY
    old = decided(task, reigning(task, tmp_path, fully_trained_until=moment(AS_OF - 7 * DAY)))
    assert old.warm_from is None and old.fully_trained_until is None and old.model == Renewing(TRUTH, Recipe(3), AS_OF)
    assert any(row.slice == "evaluate" for row in old.metrics), "it was judged"


@pytest.mark.parametrize("how", ["diverges", "too little", "nothing new"])
def test_a_champion_that_cannot_go_on_forecasts_as_it_stands(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Renewing, "how", how)
    task = Toy(Renewing)
    decision = decided(task, reigning(task, tmp_path))
    assert decision.model is None and decision.champion_id == "m1" and decision.warm_from is None
    assert decision.forecaster == Renewing(TRUTH, Recipe(3), FITTED) and noted(decision) == WATCHED
    assert ("could not go on learning" in caplog.text) == (how != "nothing new")


@pytest.mark.parametrize("asked", [{"retrain": "never"}, {"retrain": "always"}, {"retrain_after_days": 2.0}])
def test_nothing_goes_on_learning_unless_that_is_due(asked: dict[str, Any], tmp_path: Path) -> None:
    task = Toy(Renewing)
    decision = decided(task, reigning(task, tmp_path), **asked)
    assert decision.warm_from is None
    assert decision.champion_id == ("m1" if asked.get("retrain") == "never" else None)


def test_drift_calls_for_a_fit_from_scratch(tmp_path: Path) -> None:
    task = Toy(Renewing)
    drifted = Drift("data", "things", "value", "psi", 0.4, True, "PSI 0.40")
    assert decided(task, reigning(task, tmp_path), drift=[drifted]).warm_from is None
    assert decided(task, reigning(task, tmp_path), drift=[replace(drifted, drifted=False)]).warm_from == "m1"


@pytest.mark.parametrize("asked", ["auto", "never"])
def test_a_new_alarm_calls_for_a_fit_from_scratch_and_the_run_says_so(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Renewing, "news", True)
    caplog.set_level(logging.INFO)
    task = Toy(Renewing)
    decision = decided(task, reigning(task, tmp_path), retrain=asked)
    assert noted(decision) == WATCHED
    if asked == "never":
        assert decision.champion_id == "m1" and decision.reason.endswith("no full training was due: --retrain never.")
        return
    assert decision.model == Renewing(TRUTH, Recipe(3), AS_OF) and decision.warm_from is None
    why = "forecasts drifted: calibration (z 3.0)."
    assert decision.reason.endswith(f"Fitted in full: {why}") and why in caplog.text
    assert any(row.slice == "evaluate" for row in decision.metrics), "it was judged"


@pytest.mark.parametrize("known", [{"config": {}}, {"trained_until": moment(AS_OF + DAY)}])
def test_other_options_or_a_look_into_the_future_never_go_on(known: dict[str, Any], tmp_path: Path) -> None:
    task = Toy(Renewing)
    assert decided(task, reigning(task, tmp_path, **known)).warm_from is None

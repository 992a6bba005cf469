"""When a full training is due, when the champion goes on learning, and what is said of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from db.models import ModelRecord
from forecasting.app.request import RunRequest
from forecasting.app.retraining import calibration_drift, drift_metrics, options_of, training_due
from forecasting.drift import Drift

AS_OF = np.datetime64("2024-03-11", "us")


@dataclass(frozen=True)
class Options:
    horizon: int = 7


@dataclass(frozen=True)
class Anything:
    """A task, as far as the policy looks at one."""

    options: Any = field(default_factory=Options)


TASK = Anything()


def champion(until: str, fully: str | None = None) -> ModelRecord:
    at, whole = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) if text else None for text in (until, fully))
    assert at is not None
    config = {"options": options_of(TASK)}  # type: ignore[arg-type]
    record = ModelRecord("m1", "toy", at, None, at, "", "", True, None, config, None)
    return dataclasses.replace(record, fully_trained_until=whole)


def due(record: ModelRecord, *, task: Anything = TASK, drift: tuple[Drift, ...] = (), **asked: Any) -> tuple[str, str]:
    found = training_due(task, RunRequest("toy", AS_OF, AS_OF, **asked), record, drift=drift)  # type: ignore[arg-type]
    return found.kind, found.reason


def psi(name: str, value: float, *, drifted: bool = True, source: str = "orders") -> Drift:
    return Drift("data", source, name, "psi", value, drifted, f"PSI {value:.2f}")


@pytest.mark.parametrize(
    ("until", "fully", "kind", "reason"),
    [
        ("2024-03-02", None, "full", "the champion is 9 days old (limit 7)"),
        ("2024-03-04", None, "full", "the champion is 7 days old (limit 7)"),
        ("2024-03-10", "2024-03-04", "full", "the champion is 7 days old (limit 7)"),
        ("2024-03-11", "2024-03-04", "full", "the champion is 7 days old (limit 7)"),
        ("2024-03-05", None, "warm", "the full fit is 6 days old (limit 7)"),
        ("2024-03-10", "2024-03-05", "warm", "the full fit is 6 days old (limit 7)"),
        ("2024-03-10T12:00", None, "warm", "the full fit is 12 hours old (limit 7)"),
        ("2024-03-11", None, "none", "the full fit is 0 hours old (limit 7)"),
        ("2024-03-12", None, "full", "the champion has seen past the cutoff: it was trained until 2024-03-12"),
    ],
)
def test_age_counts_from_the_last_full_fit(until: str, fully: str | None, kind: str, reason: str) -> None:
    assert due(champion(until, fully)) == (kind, reason)


def test_the_job_says_how_old_a_champion_may_be() -> None:
    assert due(champion("2024-03-02"), retrain_after_days=10.0)[0] == "warm"
    assert due(champion("2024-03-11"), retrain_after_days=0.0)[0] == "full"
    assert due(champion("2024-03-10"), retrain_after_days=0.5) == ("full", "the champion is 24 hours old (limit 0.5)")


def test_never_and_always_are_obeyed_unless_the_champion_saw_the_future() -> None:
    assert due(champion("2024-01-01"), retrain="never") == ("none", "--retrain never")
    assert due(champion("2024-03-11"), retrain="always") == ("full", "--retrain always")
    assert due(champion("2024-03-12"), retrain="never")[0] == "full"
    changed = Anything(Options(14))
    assert due(champion("2024-01-01"), task=changed, retrain="never", drift=(psi("value", 1.0),))[0] == "none"


def test_other_options_are_another_model() -> None:
    assert due(champion("2024-03-10"), task=Anything(Options(14))) == ("full", "the options changed")


def test_drift_is_said_by_source_and_column() -> None:
    found = (psi("value", 0.41), psi("price", 0.02, drifted=False), psi("carrier", 0.3, source="events"))
    reason = "events drifted: carrier (PSI 0.30); orders drifted: value (PSI 0.41)"
    assert due(champion("2024-03-10"), drift=found) == ("full", reason)
    assert due(champion("2024-03-10"), drift=found[1:2])[0] == "warm"


def test_a_long_list_of_drift_is_cut() -> None:
    many = tuple(psi(name, 0.5) for name in "abcde")
    said = "orders drifted: a (PSI 0.50), b (PSI 0.50), c (PSI 0.50) and 2 more"
    assert due(champion("2024-03-10"), drift=many)[1] == said


@dataclass
class Watched:
    """A model that raises an alarm from some instant on."""

    alarm_from: np.datetime64
    figures: dict[str, float] = field(default_factory=lambda: {"drift_z": 5.5, "drift_log_ratio": float(np.log(2))})
    trained_until: np.datetime64 = AS_OF
    recipe: None = None

    def watch(self, dataset: str, as_of: np.datetime64) -> dict[str, float]:
        return {"drift_alarm": float(as_of >= self.alarm_from), **self.figures}


DAY = np.timedelta64(1, "D")


@pytest.mark.parametrize(
    ("alarm_from", "since", "drifted"),
    [
        (AS_OF, AS_OF - 3 * DAY, True),
        (AS_OF - 3 * DAY, AS_OF - 3 * DAY, False),  # it was up when it was fitted: no news
        (AS_OF + DAY, AS_OF - 3 * DAY, False),
        (AS_OF, AS_OF, False),
        (AS_OF, None, True),
    ],
)
def test_an_alarm_counts_once(alarm_from: np.datetime64, since: np.datetime64 | None, drifted: bool) -> None:
    found = calibration_drift(Watched(alarm_from), "data", AS_OF, since)  # type: ignore[arg-type]
    assert found is not None and found.drifted is drifted and (found.subject, found.value) == ("model", 5.5)
    if drifted:
        said = "forecasts drifted: calibration (2.00 times what was expected, z 5.5)"
        assert due(champion("2024-03-10"), drift=(found,)) == ("full", said)


def test_a_model_that_says_nothing_of_itself_has_no_drift() -> None:
    assert calibration_drift(object(), "data", AS_OF) is None  # type: ignore[arg-type]


def test_figures_of_drift_say_what_they_are_of() -> None:
    rows = drift_metrics([psi("value", 0.4), psi("price", 0.0, drifted=False)])
    assert [(row.slice, row.subject, row.metric, row.value) for row in rows] == [
        ("drift", "data", "psi:orders.value", 0.4),
        ("drift", "data", "psi:orders.price", 0.0),
    ]

"""When to train: in full, on from the champion, or not at all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from db.models import ModelRecord
from forecasting import clock
from forecasting.app.request import RunRequest
from forecasting.drift import Drift, sentence
from forecasting.pipeline import MetricRow
from forecasting.task import Instant, Model, Task, Watching

Kind = Literal["full", "warm", "none"]
"""A fit from scratch, judged by the gate; the champion fine-tuned on what has come since; the champion as it stands."""

DRIFT = "drift"
"""The slice of `run_metrics` in which it stands how far the data have moved."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class TrainingDue:
    """What training is due, and why: a sentence without a full stop, for logs, reports and the reason of a run."""

    kind: Kind
    reason: str


def training_due(task: Task, request: RunRequest, champion: ModelRecord, *, drift: Sequence[Drift] = ()) -> TrainingDue:
    """What `--retrain`, the champion's age and options, and drift call for.

    A champion trained on what lies after the cutoff is never used: it has seen the future. Age counts from the last fit
    in full. `drift`: what was found of it; only what is beyond its limit counts."""
    trained_until = clock.instant(champion.trained_until)
    if trained_until > request.as_of:
        return TrainingDue("full", f"the champion has seen past the cutoff: it was trained until {_day(trained_until)}")
    if request.retrain == "never":
        return TrainingDue("none", "--retrain never")
    if request.retrain == "always":
        return TrainingDue("full", "--retrain always")
    if options_of(task) != (champion.config or {}).get("options"):
        return TrainingDue("full", "the options changed")
    fully = fully_trained_until(champion)
    age = float((request.as_of - fully) / _DAY)
    if age >= request.retrain_after_days:
        return TrainingDue("full", f"the champion is {_days(age)} old (limit {request.retrain_after_days:g})")
    if said := sentence(drift):
        return TrainingDue("full", said)
    kind: Kind = "warm" if trained_until < request.as_of else "none"
    return TrainingDue(kind, f"the full fit is {_days(age)} old (limit {request.retrain_after_days:g})")


def calibration_drift(model: Model, dataset: Any, as_of: Instant, since: Instant | None = None) -> Drift | None:
    """What a model that watches itself says of its calibration as of an instant; None where it says nothing.

    `since`: when its line was last fitted in full. An alarm that it raised then already is no news (a strike that goes
    on), and fitting once more would change nothing."""
    if not isinstance(model, Watching):
        return None
    found = model.watch(dataset, as_of)
    if "drift_alarm" not in found:
        return None
    alarm = bool(found["drift_alarm"])
    if alarm and since is not None:
        alarm = bool(since < as_of) and not model.watch(dataset, since).get("drift_alarm")
    z = float(found.get("drift_z", 0.0))
    ratio = found.get("drift_log_ratio")
    note = f"z {z:.1f}" if ratio is None else f"{np.exp(ratio):.2f} times what was expected, z {z:.1f}"
    return Drift("model", "forecasts", "calibration", "z", z, alarm, note)


def drift_metrics(found: Sequence[Drift]) -> tuple[MetricRow, ...]:
    """Drift as figures of a run: of each column its index, of each source how its rows have changed."""
    return tuple(MetricRow(DRIFT, one.subject, f"{one.measure}:{one.source}.{one.name}", one.value) for one in found)


def fully_trained_until(champion: ModelRecord) -> Instant:
    """Up to when the last fit from scratch in a champion's line had seen the world, datetime64[us] UTC."""
    return clock.instant(champion.fully_trained_until or champion.trained_until)


def options_of(task: Task) -> dict[str, Any]:
    """The task's options as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(task.options)))


def _day(instant: Instant) -> str:
    return str(instant.astype("datetime64[D]"))


def _days(age: float) -> str:
    return f"{int(age)} days" if age >= 2 else f"{int(age * 24)} hours"

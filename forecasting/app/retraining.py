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
from forecasting.task import Instant, Task

Kind = Literal["full", "warm", "none"]
"""A fit from scratch, judged by the gate; the champion fine-tuned on what has come since; the champion as it stands."""

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
    young = f"its full fit is {_days(age)} old (limit {request.retrain_after_days:g})"
    if trained_until < request.as_of:
        return TrainingDue("warm", f"the champion goes on learning: {young}")
    return TrainingDue("none", f"the champion has seen all there is: {young}")


def fully_trained_until(champion: ModelRecord) -> Instant:
    """Up to when the last fit from scratch in a champion's line had seen the world, datetime64[us] UTC."""
    return clock.instant(getattr(champion, "fully_trained_until", None) or champion.trained_until)


def options_of(task: Task) -> dict[str, Any]:
    """The task's options as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(task.options)))


def _day(instant: Instant) -> str:
    return str(instant.astype("datetime64[D]"))


def _days(age: float) -> str:
    return f"{int(age)} days" if age >= 2 else f"{int(age * 24)} hours"

"""What a run is asked for and what came of it: the structures between the commands and the runner.

`forecasting.app.runner.run(workspace, request, progress) -> RunResult` does one; it raises ForecastingError.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from db.raising import Raised
from forecasting.app.slots import Schedule
from forecasting.pipeline import MetricRow
from forecasting.schema import ConfigurationError, ExitCode
from forecasting.task import Instant

Retrain = Literal["auto", "always", "never"]

BACKFILL = "backfill"
"""The trigger of a run made after its time."""


@dataclass(frozen=True)
class RunRequest:
    """One run of one configured task.

    `slot`: what is claimed, once. `as_of`: the cutoff. Both datetime64[us], UTC. `trigger`: who asked (command,
    job:NAME, BACKFILL, demo). `retrain_after_days`: age of the champion from which `auto` trains. `notes`: sentences
    for the top of the report.
    """

    task: str
    slot: Instant
    as_of: Instant
    trigger: str = "command"
    retrain: Retrain = "auto"
    retrain_after_days: float = 7.0
    dry_run: bool = False
    force: bool = False
    notes: tuple[str, ...] = ()

    @property
    def in_hindsight(self) -> bool:
        """Whether the run is made after its time: it uses a model of its time, crowns none, never moves the pointer
        back and leaves the reports to whoever asked for it."""
        return self.trigger == BACKFILL


@dataclass(frozen=True)
class RunResult:
    """What came of a run. `subject`: whose rows these are (model, champion, baseline:NAME), `fallback`: not the
    model's, because the gate failed. `published`: the pointer moved. `trained`: a model was fitted, `warm_from`: going
    on from that one, None for from scratch. `reason`: what the gate said. `alerts`: how many were raised and closed,
    None where the task has none or nothing was published."""

    run_id: str
    task: str
    slot: Instant
    as_of: Instant
    exit_code: ExitCode
    subject: str | None = None
    fallback: bool = False
    published: bool = False
    trained: bool = False
    warm_from: str | None = None
    model_id: str | None = None
    reason: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    metrics: Sequence[MetricRow] = ()
    reports: tuple[Path, ...] = ()
    alerts: Raised | None = None


def slot_of(schedule: Schedule | None, now: dt.datetime) -> Instant:
    """The slot that is due: a job's latest, without a job today 00:00 UTC."""
    if schedule is None:
        return np.datetime64(now.date(), "us")
    due = schedule.latest(now)
    if due is None:
        raise ConfigurationError("The job was never due: its cron line names a day that does not exist.")
    return np.datetime64(due.replace(tzinfo=None), "us")


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The exit code of several tasks: the first present of 1, 2, 4, 3, 5, 0."""
    order = (
        ExitCode.ERROR,
        ExitCode.USAGE,
        ExitCode.DATA_BROKEN,
        ExitCode.GATE_FAILED,
        ExitCode.SLOT_TAKEN,
        ExitCode.DONE,
    )
    return next((code for code in order if code in codes), ExitCode.DONE)

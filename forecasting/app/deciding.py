"""Who forecasts for publication: the champion as it stands or brought up to tonight, or whatever the gate lets through
after a training from scratch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from db.models import ModelRecord
from forecasting.app.request import RunRequest
from forecasting.app.restoring import restored
from forecasting.app.retraining import (
    TrainingDue,
    calibration_drift,
    fully_trained_until,
    options_of,
    training_due,
)
from forecasting.app.validation import build
from forecasting.drift import Drift, sentence
from forecasting.gate import CHAMPION, MODEL
from forecasting.pipeline import MetricRow, Progress, chosen, judge
from forecasting.schema import ArtifactError, ConfigurationError, ExitCode, NotEnoughData, TrainingDiverged
from forecasting.task import Fit, Forecaster, Instant, Model, Renewable, Task, Watching

log = logging.getLogger(__name__)

CALIBRATION = "calibration"
"""The slice of `run_metrics` in which a model says what it noted of itself."""


@dataclass(frozen=True)
class Decision:
    """Who forecasts, and why. `options`: those of the task that forecasts (the champion's may differ from today's).
    `model`: the model fitted in this run, None where nothing was fitted for publication. `champion_id`: the stored
    model in use. `warm_from`: the stored model that `model` went on learning from, None where it was fitted from
    scratch; `fully_trained_until`: datetime64[us], of the fit from scratch in its line.
    `profile`: what the data were like then (`forecasting.profiles`), to be kept with `model`."""

    forecaster: Forecaster
    subject: str
    reason: str
    options: Any
    metrics: tuple[MetricRow, ...] = ()
    model: Model | None = None
    champion_id: str | None = None
    warm_from: str | None = None
    fully_trained_until: Instant | None = None
    profile: Mapping[str, Any] | None = None

    @property
    def fallback(self) -> bool:
        """Whether the rows are not the model's, because the gate failed."""
        return self.subject != MODEL

    @property
    def exit_code(self) -> ExitCode:
        """3 for a fallback, else 0."""
        return ExitCode.GATE_FAILED if self.fallback else ExitCode.DONE


def decide(
    task: Task,
    dataset: Any,
    request: RunRequest,
    champion: ModelRecord | None,
    *,
    seed: int,
    checkpoint: Path | None,
    progress: Progress,
    drift: Sequence[Drift] = (),
) -> Decision:
    """Use the champion, brought up to tonight where it can be; where a fit in full is due (`retraining.training_due`,
    which hears of `drift`), judge, and fit what the gate chose."""
    due: TrainingDue | None = None
    if champion is not None:
        due = training_due(task, request, champion, drift=drift)
        if due.kind != "full":
            try:
                model = restored(task, champion)
            except ArtifactError as refused:
                if request.retrain == "never":
                    raise
                log.warning("The champion %s is refused: %s Training anew.", champion.model_id, refused)
            else:
                due = _unless_miscalibrated(due, model, dataset, request, champion)
                if due.kind != "full":
                    warm = due.kind == "warm"
                    renewed = _renewed(model, dataset, request, seed, checkpoint, progress) if warm else None
                    return _reigning(task, dataset, request, champion, renewed or model, due, warm=renewed is not None)
    if request.retrain == "never" and champion is None:
        raise ConfigurationError(
            f"{request.task}: there is no champion to forecast with.", remedy="Run it once without --retrain never."
        )
    why = due.reason if due is not None and due.kind == "full" else ""
    if why:
        log.info("A new model is trained: %s.", why)
    decision = _trained(task, dataset, request, _rival(task, champion), seed, checkpoint, progress)
    return replace(decision, reason=f"{decision.reason} Fitted in full: {why}.") if why else decision


def _unless_miscalibrated(
    due: TrainingDue, model: Model, dataset: Any, request: RunRequest, champion: ModelRecord
) -> TrainingDue:
    """A fit in full where the champion raises an alarm about itself that it did not raise when it was fitted."""
    if request.retrain != "auto":
        return due
    found = calibration_drift(model, dataset, request.as_of, fully_trained_until(champion))
    return TrainingDue("full", sentence([found])) if found is not None and found.drifted else due


def _renewed(
    model: Model, dataset: Any, request: RunRequest, seed: int, checkpoint: Path | None, progress: Progress
) -> Model | None:
    """The champion's model gone on learning up to the cutoff; None where it cannot, or need not, as nothing has become
    known since."""
    if not isinstance(model, Renewable):
        return None

    def report(done: int, total: int, note: str) -> None:
        progress(f"training goes on from the champion {note}".strip(), done, total)

    within = checkpoint / "renewal" if checkpoint else None
    try:
        renewed = model.renew(dataset, Fit(request.as_of, seed, model.recipe, within, report))
    except (TrainingDiverged, NotEnoughData) as failure:
        log.warning("The champion could not go on learning and forecasts as it stands: %s", failure)
        return None
    return None if renewed is model else renewed


def _reigning(
    task: Task, dataset: Any, request: RunRequest, champion: ModelRecord, model: Model, due: TrainingDue, *, warm: bool
) -> Decision:
    """The champion forecasts, `warm`: brought up to the cutoff. Its recipe passed the gate when it was fitted in full,
    so it is published as the model."""
    noted = _noted(model, dataset, request.as_of)
    since = f"{champion.trained_until:%Y-%m-%d}"
    if not warm:
        reason = f"The champion, trained until {since}, forecasts; no full training was due: {due.reason}."
        return Decision(model, MODEL, reason, task.options, noted, champion_id=champion.model_id)
    reason = f"Brought up from {since} to {np.datetime_as_string(request.as_of, 'D')}: {due.reason}."
    return Decision(
        *(model, MODEL, reason, task.options, noted, model),
        warm_from=champion.model_id,
        fully_trained_until=fully_trained_until(champion),
    )


def _rival(task: Task, champion: ModelRecord | None) -> Task | None:
    """The champion's configuration as a task, where it differs from today's; None where it is the same recipe."""
    options: Mapping[str, Any] | None = (champion.config or {}).get("options") if champion else None
    if options is None or options == options_of(task):
        return None
    try:
        return type(task)(build(type(task).Options, options, "the champion's configuration"))
    except ConfigurationError as outdated:
        log.warning("The champion's configuration is no longer understood and does not compete: %s", outdated)
        return None


def _trained(
    task: Task,
    dataset: Any,
    request: RunRequest,
    rival: Task | None,
    seed: int,
    checkpoint: Path | None,
    progress: Progress,
) -> Decision:
    def within(name: str) -> Path | None:
        return checkpoint / name if checkpoint else None

    judgement = judge(
        task, dataset, request.as_of, seed=seed, champion=rival, checkpoint=within("judging"), progress=progress
    )
    forecaster, verdict = chosen(
        task,
        dataset,
        request.as_of,
        judgement,
        seed=seed,
        champion=rival,
        checkpoint=within("refit"),
        progress=progress,
    )
    log.info("gate: %s", verdict.reason)
    return Decision(
        forecaster,
        verdict.subject_to_publish,
        verdict.reason,
        rival.options if rival is not None and verdict.subject_to_publish == CHAMPION else task.options,
        (*judgement.metrics, *_noted(forecaster, dataset, request.as_of)),
        forecaster if isinstance(forecaster, Model) else None,
    )


def _noted(forecaster: Forecaster, dataset: Any, as_of: Instant) -> tuple[MetricRow, ...]:
    """What a model that watches itself says as of an instant (`forecasting.task.Watching`), as figures of a run."""
    if not isinstance(forecaster, Watching):
        return ()
    return tuple(MetricRow(CALIBRATION, MODEL, name, value) for name, value in forecaster.watch(dataset, as_of).items())

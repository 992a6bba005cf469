"""Who forecasts for publication: the champion as it stands, or whatever the gate lets through after a training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.models import ModelRecord
from forecasting.app.request import RunRequest
from forecasting.app.restoring import restored
from forecasting.app.retraining import options_of, training_due
from forecasting.app.validation import build
from forecasting.gate import CHAMPION, MODEL
from forecasting.pipeline import MetricRow, Progress, chosen, judge
from forecasting.schema import ArtifactError, ConfigurationError, ExitCode
from forecasting.task import Forecaster, Instant, Model, Task, Watching

log = logging.getLogger(__name__)

CALIBRATION = "calibration"
"""The slice of `run_metrics` in which a model says what it noted of itself."""


@dataclass(frozen=True)
class Decision:
    """Who forecasts, and why. `options`: those of the task that forecasts (the champion's may differ from today's).
    `model`: the model fitted in this run, None where nothing was fitted for publication. `champion_id`: the stored
    model in use."""

    forecaster: Forecaster
    subject: str
    reason: str
    options: Any
    metrics: tuple[MetricRow, ...] = ()
    model: Model | None = None
    champion_id: str | None = None

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
) -> Decision:
    """Use the champion where no training is due; otherwise judge, and fit what the gate chose."""
    if champion is not None and not training_is_due(task, request, champion):
        try:
            model = restored(task, champion)
        except ArtifactError as refused:
            if request.retrain == "never":
                raise
            log.warning("The champion %s is refused: %s Training anew.", champion.model_id, refused)
        else:
            reason = f"The champion, trained until {champion.trained_until:%Y-%m-%d}, forecasts; no training was due."
            noted = _noted(model, dataset, request.as_of)
            return Decision(model, MODEL, reason, task.options, noted, champion_id=champion.model_id)
    if request.retrain == "never" and champion is None:
        raise ConfigurationError(
            f"{request.task}: there is no champion to forecast with.", remedy="Run it once without --retrain never."
        )
    return _trained(task, dataset, request, _rival(task, champion), seed, checkpoint, progress)


def training_is_due(task: Task, request: RunRequest, champion: ModelRecord) -> bool:
    """Whether a new model is due, fitted from scratch."""
    return training_due(task, request, champion).kind == "full"


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

"""What a run that is made after its time may use: a model of its time, never one that has seen what came after."""

from __future__ import annotations

import logging
from pathlib import Path

from db import crowns, models
from db.engines import Warehouse
from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.request import RunRequest
from forecasting.app.retraining import options_of
from forecasting.clock import aware
from forecasting.schema import ArtifactError, ConfigurationError
from forecasting.task import Task

log = logging.getLogger(__name__)


def model_of_its_time(results: Warehouse, task: Task, request: RunRequest) -> ModelRecord | None:
    """The stored model that stands for the champion at `request.as_of`: of those trained on nothing later, with today's
    options, intact and not taken back by a rollback, the one that had seen most. None where there is none.

    Raises ConfigurationError where there is none and nothing may be trained.
    """
    moment = aware(request.as_of)
    options, refused = options_of(task), crowns.taken_back(crowns.history(results, request.task))
    for record in models.as_of(results, request.task, moment):
        if record.model_id not in refused and (record.config or {}).get("options") == options and _is_intact(record):
            return record
    if request.retrain == "never":
        raise ConfigurationError(
            f"No model of these options is stored that had seen nothing after {moment:%Y-%m-%d %H:%M} UTC.",
            remedy="Without --retrain never one is trained on what was known then.",
        )
    return None


def _is_intact(record: ModelRecord) -> bool:
    if not Path(record.uri).is_dir():
        return False  # cleared away long ago, which is no news
    try:
        artifacts.load(Path(record.uri), record.sha256)
    except ArtifactError as refused:
        log.warning("The model %s is passed over: %s", record.model_id, refused)
        return False
    return True

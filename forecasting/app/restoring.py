"""A stored model brought back to life, or refused: nothing that was not stored by a run forecasts."""

from __future__ import annotations

from pathlib import Path

from db.models import ModelRecord
from forecasting import artifacts, clock
from forecasting.schema import ArtifactError
from forecasting.task import Model, Task


def restored(task: Task, record: ModelRecord) -> Model:
    """The model of a row of the ledger. Raises ArtifactError where its artifact is missing, altered or another one's,
    or whole and yet none that the task can read."""
    tensors, document = artifacts.load(Path(record.uri), record.sha256)
    try:
        model = task.restore(tensors, document)
    except ArtifactError:
        raise
    except Exception as odd:  # the task's own code on contents that are not the task's: anything may come of it
        raise _refused(record, f"it is no model of the task ({type(odd).__name__})") from odd
    if clock.instant(record.trained_until) != model.trained_until.astype("datetime64[us]"):
        raise _refused(record, f"it was trained until {model.trained_until}, not {record.trained_until:%Y-%m-%d}")
    return model


def _refused(record: ModelRecord, why: str) -> ArtifactError:
    return ArtifactError(
        f"The artifact {record.uri} is refused: {why}.",
        remedy="Restore it from a backup, or run with --retrain always.",
    )

"""`forecasting models`: the ledger of stored models, and whether their artifacts are still what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db import models
from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.migrating import is_new
from forecasting.app.workspace import Workspace
from forecasting.schema import ArtifactError


@dataclass(frozen=True)
class StoredModel:
    """A model of the ledger; `problem` says why its artifact would be refused, empty where it would not."""

    record: ModelRecord
    problem: str


def list_models(workspace: Workspace, task: str | None = None, *, limit: int = 50) -> list[StoredModel]:
    """The models made last, newest first, each held against its SHA-256."""
    if task is not None:
        workspace.task_config(task)
    warehouse = workspace.results(prepare=False)
    if is_new(workspace, warehouse):
        return []
    return [StoredModel(record, problem_of(record)) for record in models.latest(warehouse, task, limit=limit)]


def problem_of(record: ModelRecord) -> str:
    """Why a model's artifact would be refused, empty where it would not."""
    try:
        artifacts.load(Path(record.uri), record.sha256)
    except ArtifactError as error:
        return error.message
    return ""

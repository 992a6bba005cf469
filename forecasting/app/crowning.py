"""`forecasting models promote` and `rollback`: a person chooses the champion.

The crown alone moves. What is published stays until a run publishes again: no row changes behind anybody's back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db import crowns, migrate, models
from db.crowns import Crown
from db.engines import Warehouse
from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.migrating import is_new, lineages
from forecasting.app.request import RunRequest, slot_of
from forecasting.app.restoring import restored
from forecasting.app.retraining import options_of, training_due
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ArtifactError, ConfigurationError, ForecastingError


@dataclass(frozen=True)
class Crowned:
    """Who reigns after a request. `before`: who reigned until then, None where nobody did. `changed`: whether the crown
    moved. `notes`: what follows from it, in sentences."""

    champion: ModelRecord
    before: ModelRecord | None
    changed: bool
    notes: tuple[str, ...]


def promote(workspace: Workspace, model_id: str, by: str) -> Crowned:
    """Makes a stored model the champion of its task.

    Raises ConfigurationError where there is no such model or its task is not configured, ForecastingError where its
    artifact is refused."""
    warehouse = _warehouse(workspace)
    record = models.get(warehouse, model_id) if warehouse is not None else None
    if warehouse is None or record is None:
        raise ConfigurationError(f"There is no model {model_id!r}.", remedy="`forecasting models` lists them.")
    _refuse_unfit(workspace, warehouse, record, "promoted")
    before = models.champion(warehouse, record.task)
    changed = crowns.promote(warehouse, model_id, by)
    return Crowned(record, before, changed, tuple(_what_follows(workspace, record)))


def rollback(workspace: Workspace, task: str, by: str) -> Crowned:
    """Gives the crown back to whoever reigned before the champion; once, until somebody else is crowned.

    Raises ForecastingError where nobody did, or where that model's artifact is refused."""
    workspace.task(task)
    warehouse = _warehouse(workspace)
    reigns = crowns.history(warehouse, task) if warehouse is not None else []
    if warehouse is None or not reigns:
        raise ForecastingError(f"{task} has no champion yet.", remedy=f"`forecasting run {task}` trains the first.")
    if reigns[-1].cause == "rollback":
        return _rolled_back_before(workspace, warehouse, reigns)
    if len(reigns) == 1:
        raise ForecastingError(
            f"Nobody reigned over {task} before {reigns[-1].model_id}.",
            remedy=f"`forecasting run {task} --retrain always` trains another.",
        )
    now_reigning, previous = (models.get(warehouse, reign.model_id) for reign in (reigns[-1], reigns[-2]))
    if previous is None:
        raise ForecastingError(f"The ledger no longer knows {reigns[-2].model_id}.", remedy=_others(task))
    _refuse_unfit(workspace, warehouse, previous, "brought back")
    crowns.take_back(warehouse, reigns[-1], previous.model_id, by)
    return Crowned(previous, now_reigning, True, tuple(_what_follows(workspace, previous)))


def _rolled_back_before(workspace: Workspace, warehouse: Warehouse, reigns: Sequence[Crown]) -> Crowned:
    """Nothing to do: the same request came twice, and going further back is another decision."""
    last, dethroned = reigns[-1], reigns[-2].model_id
    record = models.get(warehouse, last.model_id)
    if record is None:
        raise ForecastingError(f"The ledger no longer knows {last.model_id}.", remedy=_others(last.task))
    notes = [f"Rolled back already, from {dethroned}, on {last.crowned_at:%Y-%m-%d %H:%M} UTC."]
    if earlier := _reigned_before(reigns, record.model_id):
        notes.append(f"Before it reigned {earlier}: `forecasting models promote {earlier}` goes back there.")
    return Crowned(record, record, False, (*notes, *_what_follows(workspace, record)))


def _reigned_before(reigns: Sequence[Crown], model_id: str) -> str | None:
    """Who gave way to the first reign of a model."""
    line = [reign.model_id for reign in reigns]
    first = line.index(model_id)
    return line[first - 1] if first else None


def _what_follows(workspace: Workspace, record: ModelRecord) -> list[str]:
    """That the rows wait for a run, and whether the next one keeps to the model."""
    name, slot = record.task, slot_of(None, now())
    jobs = [job for job in workspace.configuration.jobs.values() if job.task == name]
    ages = [job.retrain_after_days for job in jobs if job.retrain_after_days is not None]
    age = min(ages, default=workspace.configuration.settings.retrain_after_days)
    due = training_due(workspace.task(name), RunRequest(name, slot, slot, retrain_after_days=age), record)
    notes = [
        "What is published stays as it is until a run publishes; "
        f"`forecasting run {name} --retrain never --force` does so now."
    ]
    if due.kind == "full":
        notes.append(
            f"A run with --retrain auto will train a new one: {due.reason}. --retrain never keeps to this one."
        )
    return notes


def _refuse_unfit(workspace: Workspace, warehouse: Warehouse, record: ModelRecord, what: str) -> None:
    """Raises ConfigurationError where the model's task is not configured, ForecastingError where a run would refuse its
    artifact."""
    task = workspace.task(record.task)
    try:
        if (record.config or {}).get("options") == options_of(task):
            restored(task, record)
        else:  # another layout, maybe: whether it is the one that was stored can be told all the same
            artifacts.load(Path(record.uri), record.sha256)
    except ArtifactError as refused:
        raise ForecastingError(
            f"{record.model_id} cannot be {what}; nothing was changed. {refused.message}",
            remedy=f"Restore the artifact from a backup. {_others(record.task)}",
        ) from refused


def _others(task: str) -> str:
    return f"`forecasting models {task}` shows which others are intact, and `forecasting models promote` crowns one."


def _warehouse(workspace: Workspace) -> Warehouse | None:
    """The results warehouse, None where it has no tables yet. Raises ConfigurationError where it is outdated."""
    warehouse = workspace.results(prepare=False)
    if is_new(workspace, warehouse):
        return None
    migrate.require_current(warehouse, lineages(workspace))
    return warehouse

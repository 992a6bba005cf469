"""Where rows come from: `run_id` leads to a run, the run to its model, the model to the run that trained it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from db import crowns, models, publishing, runs
from db.crowns import Crown
from db.engines import Warehouse
from db.models import ModelRecord
from db.runs import Run
from forecasting.app.migrating import is_new
from forecasting.app.modelling import problem_of
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

GENERATIONS = 100
"""How far a line of renewals is followed."""


@dataclass(frozen=True)
class Lineage:
    """What can be told of a run's rows, or of a model. `run`: the run asked for, None where a model was. `model`: None
    where a baseline made the rows. `problem`: why its artifact would be refused, empty where it would not.
    `trained_by`: the run in which it was fitted. `line`: the models that it was fine-tuned from, the youngest first.
    `reigns`: when it was champion. `runs`: how many runs forecast with it. `published`: whether everybody reads what
    the run, or the model, forecast."""

    run: Run | None
    model: ModelRecord | None
    published: bool
    problem: str = ""
    trained_by: Run | None = None
    line: tuple[ModelRecord, ...] = ()
    reigns: tuple[Crown, ...] = ()
    runs: int = 0


def lineage(workspace: Workspace, identifier: str) -> Lineage:
    """Of a model, or of a run. Raises ConfigurationError where there is neither."""
    warehouse = workspace.results(prepare=False)
    if not is_new(workspace, warehouse):
        model = models.get(warehouse, identifier)
        if model is not None:
            current = _published(warehouse, model.task)
            return _of(warehouse, None, model, current is not None and current.model_id == identifier)
        run = runs.get(warehouse, identifier)
        if run is not None:
            current, model_id = _published(warehouse, run.task), run.model_id
            published = current is not None and current.run_id == identifier
            return _of(warehouse, run, models.get(warehouse, model_id) if model_id else None, published)
    raise ConfigurationError(
        f"There is no model and no run {identifier!r}.", remedy="`forecasting models` lists the models."
    )


def _of(warehouse: Warehouse, run: Run | None, model: ModelRecord | None, published: bool) -> Lineage:
    if model is None:
        return Lineage(run, None, published)
    return Lineage(
        run,
        model,
        published,
        problem_of(model),
        runs.get(warehouse, model.run_id) if model.run_id else None,
        tuple(_ancestors(warehouse, model)),
        tuple(reign for reign in crowns.history(warehouse, model.task) if reign.model_id == model.model_id),
        runs.using(warehouse, model.model_id),
    )


def _published(warehouse: Warehouse, task: str) -> Run | None:
    publication = publishing.publications(warehouse).get(task)
    return runs.get(warehouse, publication.run_id) if publication else None


def _ancestors(warehouse: Warehouse, model: ModelRecord) -> Iterator[ModelRecord]:
    parent = model
    for _ in range(GENERATIONS):
        found = models.get(warehouse, parent.warm_from) if parent.warm_from else None
        if found is None:
            return
        yield found
        parent = found

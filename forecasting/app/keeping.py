"""Which stored models stay."""

from __future__ import annotations

from pathlib import Path

from db import crowns, models, publishing, runs
from db.engines import Warehouse
from db.models import ModelRecord
from forecasting import artifacts
from forecasting.app.request import BACKFILL

_MODEL = "-model"


def clear_artifacts(results: Warehouse, task: str, keep: int) -> None:
    """Deletes the artifacts of a task's models that `dispensable` names; the ledger keeps their rows."""
    for record in dispensable(results, task, keep):
        if Path(record.uri).name == record.model_id:  # a ledger that says otherwise is believed in nothing
            artifacts.remove(Path(record.uri))


def model_of(run_id: str) -> str:
    """The id of the model that a run stores, which tells whose it is even where the run died before it said so."""
    return f"{run_id}{_MODEL}"


def clear_unregistered(results: Warehouse, task: str, directory: Path) -> None:
    """Deletes artifacts in a task's directory that runs of this ledger left when they died before they entered them;
    what other ledgers may know is left alone."""
    for path in directory.glob(f"*{_MODEL}"):
        run = runs.get(results, path.name.removesuffix(_MODEL))
        dead = run is not None and run.task == task and run.state != "running"
        if dead and models.get(results, path.name) is None:
            artifacts.remove(path)


def dispensable(results: Warehouse, task: str, keep: int) -> list[ModelRecord]:
    """All but the `keep` newest models of a task and as many that backfills made.

    The champion stays however old it is, and so do the one before it, to which a rollback goes back, and the one that
    made what is published."""
    backfilled = runs.triggered_by(results, task, BACKFILL)
    needed = {reign.model_id for reign in crowns.history(results, task)[-2:]}
    publication = publishing.publications(results).get(task)
    run = runs.get(results, publication.run_id) if publication else None
    needed |= {run.model_id} if run and run.model_id else set()
    everything = models.latest(results, task, limit=10_000)
    nightly = [record for record in everything if record.run_id not in backfilled]
    in_hindsight = [record for record in everything if record.run_id in backfilled]
    old = [*nightly[keep:], *in_hindsight[keep:]]
    return [record for record in old if not record.champion and record.model_id not in needed]

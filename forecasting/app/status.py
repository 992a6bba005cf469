"""`forecasting status`: what is published, how fresh it is, and what the gate said, from the ledgers alone."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace

import sqlalchemy as sa

from db import models, outbox, publishing, runs
from db.engines import Warehouse
from db.models import ModelRecord
from db.outbox import Backlog
from db.publishing import Publication
from db.runs import Run
from db.tables import ALERT_DELIVERIES
from forecasting.app.cron import Cron
from forecasting.app.migrating import is_new
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ExitCode

GRACE = dt.timedelta(hours=6)
"""How long after its due time a job's slot may still be unpublished before its task counts as stale."""

POOLED = "evaluate"
"""The slice of `run_metrics` over all of the gate's test periods."""


@dataclass(frozen=True)
class GateFigures:
    """The gate metric of the model and of its rivals, smaller is better; None where it was not judged."""

    metric: str
    figures: dict[str, float | None]

    @property
    def best_rival(self) -> str | None:
        """The rival with the smallest figure."""
        rivals = {
            name: value
            for name, value in self.figures.items()
            if value is not None and (name == "champion" or name.startswith("baseline:"))
        }
        return min(rivals, key=lambda name: rivals[name]) if rivals else None


@dataclass(frozen=True)
class TaskStatus:
    """One configured task. `stale` says in a sentence what is late, empty where nothing is."""

    task: str
    stale: str
    published: Publication | None
    run: Run | None
    last_run: Run | None
    champion: ModelRecord | None
    gate: GateFigures | None


@dataclass(frozen=True)
class Status:
    """All configured tasks at one moment. `backlog`: channels to which alerts have not all been delivered."""

    warehouse: str
    moment: dt.datetime
    tasks: tuple[TaskStatus, ...]
    backlog: tuple[Backlog, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 where a task is stale."""
        return ExitCode.ERROR if any(task.stale for task in self.tasks) else ExitCode.DONE


def status(workspace: Workspace, *, moment: dt.datetime | None = None) -> Status:
    """Reads the ledgers; a warehouse without tables has published nothing."""
    moment = moment or now()
    warehouse = workspace.results(prepare=False)
    if is_new(workspace, warehouse):
        missing = "nothing is published yet"
        tasks = tuple(TaskStatus(name, missing, None, None, None, None, None) for name in workspace.tasks)
        return Status(warehouse.address, moment, tasks)
    published = publishing.publications(warehouse)
    names = dict.fromkeys([*workspace.tasks, *published])
    found = [_task(workspace, warehouse, name, published.get(name), moment) for name in names]
    if published and not workspace.configuration.tasks:  # nobody waits for a task that no table names and nobody ran
        jobs = {job.task for job in workspace.configuration.jobs.values()}
        found = [task if task.last_run or task.task in jobs else replace(task, stale="") for task in found]
    return Status(warehouse.address, moment, tuple(found), _backlog(warehouse))


def is_current(
    publication: Publication | None, due: dt.datetime | None, limit: dt.timedelta, moment: dt.datetime
) -> str:
    """What is late, in a sentence, or nothing. `due`: the latest time by which a job should have published."""
    if publication is None:
        return "nothing is published yet"
    if due is not None:
        late = publication.as_of < due
        return f"the slot of {due:%Y-%m-%d %H:%M} UTC is not published" if late else ""
    age = moment - publication.as_of
    if age <= limit:
        return ""
    return f"published as of {publication.as_of:%Y-%m-%d %H:%M} UTC, {_age(age)} ago"


def _backlog(warehouse: Warehouse) -> tuple[Backlog, ...]:
    """What waits in the outbox; a warehouse that was not upgraded yet has none."""
    with warehouse.reading() as connection:
        if not sa.inspect(connection).has_table(ALERT_DELIVERIES.name):
            return ()
    return tuple(outbox.pending(warehouse).values())


def _task(
    workspace: Workspace, warehouse: Warehouse, name: str, published: Publication | None, moment: dt.datetime
) -> TaskStatus:
    limit = dt.timedelta(hours=workspace.configuration.settings.stale_after_hours)
    run = runs.get(warehouse, published.run_id) if published else None
    last = runs.latest(warehouse, name, limit=1)
    return TaskStatus(
        name,
        is_current(published, _due(workspace, name, moment), limit, moment),
        published,
        run,
        last[0] if last else None,
        models.champion(warehouse, name),
        _gate(workspace, warehouse, name, run) if run else None,
    )


def _due(workspace: Workspace, task: str, moment: dt.datetime) -> dt.datetime | None:
    """The latest due time, past its grace, of the jobs that run the task."""
    jobs = [job for job in workspace.configuration.jobs.values() if job.task == task]
    times = [Cron.parse(job.cron).latest(moment - GRACE, job.timezone) for job in jobs]
    return max((time for time in times if time is not None), default=None)


def _gate(workspace: Workspace, warehouse: Warehouse, name: str, run: Run) -> GateFigures | None:
    """The figures of the published run, or of the run that trained the model it used."""
    if name not in workspace.tasks and name not in workspace.task_classes:
        return None
    metric = workspace.task_class(name).spec.gate_metric
    trained = models.get(warehouse, run.model_id) if run.model_id else None
    for run_id in dict.fromkeys([run.run_id, trained.run_id if trained else None]):
        figures = {
            row.subject: None if math.isnan(row.value) else row.value
            for row in (runs.metrics(warehouse, run_id) if run_id else [])
            if row.slice == POOLED and row.metric == metric
        }
        if figures:
            return GateFigures(metric, figures)
    return None


def _age(age: dt.timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"

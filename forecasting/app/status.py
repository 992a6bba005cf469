"""`forecasting status`: what is published and how fresh it is, what it was made of, what the gate said, who is at work.

What is asked of the ledgers is here; sources and tables are in `freshness`, jobs in `job_watch`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from db import migrate, models, outbox, publishing, runs
from db.engines import Warehouse
from db.models import ModelRecord
from db.outbox import Backlog
from db.publishing import Publication
from db.runs import Run
from db.watching import RunningClaim, quarantined, running_claims
from forecasting.app import freshness, job_watch
from forecasting.app.freshness import SourceFreshness, TableFreshness
from forecasting.app.job_watch import JobStatus
from forecasting.app.migrating import is_new, lineages
from forecasting.app.slots import schedule_of, upcoming
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ExitCode, ForecastingError

T = TypeVar("T")

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
    """One configured task. `stale` says in a sentence what is late, empty where nothing is. `next_slot`: of the first
    job that runs it, aware, UTC. `quarantined`: bad rows that its last run set aside, by source."""

    task: str
    stale: str
    published: Publication | None = None
    run: Run | None = None
    last_run: Run | None = None
    champion: ModelRecord | None = None
    gate: GateFigures | None = None
    next_slot: dt.datetime | None = None
    quarantined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """Everything at one moment. `backlog`: channels to which alerts have not all been delivered; `claims`: who is at
    work; `problems`: what could not be looked at, in sentences."""

    warehouse: str
    moment: dt.datetime
    tasks: tuple[TaskStatus, ...]
    backlog: tuple[Backlog, ...] = ()
    sources: tuple[SourceFreshness, ...] = ()
    tables: tuple[TableFreshness, ...] = ()
    jobs: tuple[JobStatus, ...] = ()
    claims: tuple[RunningClaim, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 where a task, a source or a job is stale."""
        late = [bool(one.stale) for part in (self.tasks, self.sources, self.jobs) for one in part]
        return ExitCode.ERROR if any(late) else ExitCode.DONE


def status(workspace: Workspace, *, moment: dt.datetime | None = None) -> Status:
    """Reads the ledgers, and asks each source how new it is; a warehouse without tables has published nothing."""
    moment = moment or now()
    warehouse = workspace.results(prepare=False)
    missing = warehouse.path is not None and not warehouse.path.exists()  # looking makes no file
    if is_new(workspace, warehouse):
        nothing = "nothing is published yet"
        tasks = tuple(TaskStatus(n, nothing, next_slot=_next_slot(workspace, n, moment)) for n in workspace.tasks)
        there = None if missing else warehouse
        sources, problems = freshness.sources(workspace, there, list(workspace.tasks), moment, freshness.SECONDS)
        jobs = job_watch.jobs(workspace, None, moment, GRACE)
        return Status(warehouse.address, moment, tasks, sources=sources, jobs=jobs, problems=problems)
    pending = migrate.pending(warehouse, lineages(workspace))
    return _Look(workspace, warehouse, moment, tuple(dict.fromkeys(one.label for one in pending))).everything()


@dataclass(frozen=True)
class _Look:
    """One look at a warehouse. `outdated`: lineages of which it lacks the latest tables; what these would tell is
    missing from what is found."""

    workspace: Workspace
    warehouse: Warehouse
    moment: dt.datetime
    outdated: tuple[str, ...] = ()

    def everything(self) -> Status:
        """All there is to see."""
        workspace, warehouse, moment = self.workspace, self.warehouse, self.moment
        problems = []
        if self.outdated:
            lacking = f"the warehouse lacks the latest tables of {', '.join(self.outdated)}"
            problems.append(f"{lacking}: `forecasting db upgrade` brings them")
        published: dict[str, Publication] = self.seen(lambda: publishing.publications(warehouse), {})
        tasks = [self._task(name, published.get(name)) for name in dict.fromkeys([*workspace.tasks, *published])]
        if published and not workspace.configuration.tasks:  # nobody waits for one that no table names and nobody ran
            jobs = {job.task for job in workspace.configuration.jobs.values()}
            tasks = [task if task.last_run or task.task in jobs else replace(task, stale="") for task in tasks]
        awaited = [task.task for task in tasks if task.stale or task.last_run or workspace.configuration.tasks]
        known = [name for name in awaited if name in workspace.tasks]
        sources, wrong = freshness.sources(workspace, warehouse, known, moment, freshness.SECONDS)
        stale = {task.task: bool(task.stale) for task in tasks}
        return Status(
            warehouse.address,
            moment,
            tuple(tasks),
            self.seen(lambda: tuple(outbox.pending(warehouse).values()), ()),
            sources,
            freshness.tables(workspace, warehouse, published, stale, moment, freshness.SECONDS),
            self.seen(lambda: job_watch.jobs(workspace, warehouse, moment, GRACE), ()),
            self.seen(lambda: running_claims(warehouse), ()),
            (*problems, *wrong),
        )

    def seen(self, look: Callable[[], T], otherwise: T) -> T:
        """What there is; something else where an outdated warehouse has no such table or column yet."""
        try:
            return look()
        except (SQLAlchemyError, ForecastingError):
            if not self.outdated:
                raise
            return otherwise

    def _task(self, name: str, published: Publication | None) -> TaskStatus:
        warehouse = self.warehouse
        limit = dt.timedelta(hours=self.workspace.configuration.settings.stale_after_hours)
        run = self.seen(lambda: runs.get(warehouse, published.run_id), None) if published else None
        rows: list[Run] = self.seen(lambda: runs.latest(warehouse, name, limit=1), [])
        last = rows[0] if rows else None
        return TaskStatus(
            name,
            is_current(published, _due(self.workspace, name, self.moment), limit, self.moment),
            published,
            run,
            last,
            self.seen(lambda: models.champion(warehouse, name), None),
            self.seen(lambda: _gate(self.workspace, warehouse, name, run), None) if run else None,
            _next_slot(self.workspace, name, self.moment),
            self.seen(lambda: quarantined(warehouse, last.run_id), {}) if last else {},
        )


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


def _due(workspace: Workspace, task: str, moment: dt.datetime) -> dt.datetime | None:
    """The latest due time, past its grace, of the jobs that run the task."""
    jobs = workspace.configuration.jobs
    times = [schedule_of(jobs, name).latest(moment - GRACE) for name, job in jobs.items() if job.task == task]
    return max((time for time in times if time is not None), default=None)


def _next_slot(workspace: Workspace, task: str, moment: dt.datetime) -> dt.datetime | None:
    """When the next of its jobs is due."""
    jobs = workspace.configuration.jobs
    times = [upcoming(schedule_of(jobs, name), moment) for name, job in jobs.items() if job.task == task]
    return min((time for time in times if time is not None), default=None)


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

"""`forecasting check`: everything that a first run would trip over, found before it, all at once. Writes nothing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from db import migrate
from db.checks import CheckedSource, unknown_ids
from db.engines import Warehouse, open_warehouse
from db.extract import locate, read_source
from db.quarantine import refuse_too_many
from forecasting.app.channels.opening import open_channel
from forecasting.app.migrating import lineages
from forecasting.app.source_findings import SourceFinding, costs, finding
from forecasting.app.workspace import Workspace, now, source_names
from forecasting.schema import ConfigurationError, DataError, ExitCode, ForecastingError, SourceNeed
from forecasting.task import Task


@dataclass(frozen=True)
class TaskFinding:
    """Whether a task can run on what there is."""

    task: str
    ready: bool
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChannelFinding:
    """Whether a channel of alerts can work, as far as can be seen without sending."""

    channel: str
    ready: bool
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class Check:
    """All findings. `exit_code`: 0, 2 where the configuration cannot be followed, 4 where data breaks its contract."""

    results: str
    results_state: str
    sources: list[SourceFinding] = field(default_factory=list)
    tasks: list[TaskFinding] = field(default_factory=list)
    channels: list[ChannelFinding] = field(default_factory=list)
    errors: list[ForecastingError] = field(default_factory=list)

    def add(self, error: ForecastingError) -> None:
        """One more error, each once."""
        if error not in self.errors:
            self.errors.append(error)

    @property
    def exit_code(self) -> ExitCode:
        """The worst of the errors'."""
        codes = {error.exit_code for error in self.errors}
        return next(
            (code for code in (ExitCode.ERROR, ExitCode.USAGE, ExitCode.DATA_BROKEN) if code in codes), ExitCode.DONE
        )


def check(workspace: Workspace) -> Check:
    """Opens every warehouse, reads every source that a configured task needs, and tries to put them together."""
    workspace.check_sources()
    tasks = {name: workspace.task(name) for name in workspace.tasks}
    for job in workspace.configuration.jobs:
        workspace.check_job(job)
    with _results(workspace) as (results, state):
        found = Check(results.address if state != "new" else workspace.results(prepare=False).address, state)
        reader = _Reader(workspace, results, found)
        for name, task in tasks.items():
            found.tasks.append(reader.try_task(name, task))
    for name in workspace.configuration.alerts:
        found.channels.append(_channel(workspace, name, found))
    # Installed tasks that no table names are tried on the chance: without rows they are no error while another runs.
    if workspace.configuration.tasks or not any(task.ready for task in found.tasks):
        for error in reader.absent:
            found.add(error)
    return found


def _channel(workspace: Workspace, name: str, found: Check) -> ChannelFinding:
    """A channel whose secrets are there, whose directory may be written, whose task alerts."""
    task = workspace.configuration.alerts[name].task
    try:
        if task is not None and workspace.task_class(task).spec.alerts is None:
            where = f"{workspace.configuration.label}: [alerts.{name}]"
            raise ConfigurationError(f"{where}: the task {task!r} raises no alerts.")
        with contextlib.closing(open_channel(workspace, name)) as channel:
            return ChannelFinding(name, True, notes=tuple(channel.check()))
    except ConfigurationError as error:
        found.add(error)
        return ChannelFinding(name, False, str(error))


@contextmanager
def _results(workspace: Workspace) -> Iterator[tuple[Warehouse, str]]:
    """The results warehouse and its state; an empty stand-in for a SQLite file that no run has made yet."""
    warehouse = workspace.results(prepare=False)
    if warehouse.path is not None and not warehouse.path.exists():
        with tempfile.TemporaryDirectory() as directory:
            stand_in = open_warehouse(f"sqlite:///{Path(directory) / 'empty.db'}", name=warehouse.name)
            try:
                yield stand_in, "new"
            finally:
                stand_in.close()
        return
    packages = lineages(workspace)
    if not migrate.current(warehouse, packages):
        yield warehouse, "new"
    else:
        yield warehouse, "outdated" if migrate.pending(warehouse, packages) else "ready"


class _Reader:
    """Reads each source once, however many tasks need it."""

    def __init__(self, workspace: Workspace, results: Warehouse, found: Check):
        self.workspace, self.results, self.found = workspace, results, found
        self.read: dict[tuple[str, tuple[str, ...]], CheckedSource | None] = {}
        self.broken: dict[str, ForecastingError] = {}
        self.absent: list[DataError] = []

    def try_task(self, name: str, task: Task) -> TaskFinding:
        """Whether the task's sources are there, whole, and fit together."""
        needs = {need.source: need for need in task.needs()}
        wanted = [needs.get(source, SourceNeed(source, required=False)) for source in source_names(task.needs())]
        instead = {other for need in needs.values() for other in need.instead if other not in needs}
        tables: dict[str, Any] = {}
        notes: list[str] = []
        problem: ForecastingError | None = None
        for need in wanted:
            if need.source in instead and not self._needed_instead(need.source, needs, tables):
                continue
            if need.only_with and need.only_with not in tables:
                continue
            checked = self._source(need)
            if need.source in self.broken:
                problem = problem or self.broken[need.source]
            elif checked is not None:
                tables[need.source] = checked.table
                notes.extend(costs(need, checked.table))
            elif not need.required and need.source not in instead:
                notes.append(f"runs without {need.source}" + (f": {need.without}" if need.without else ""))
        absent = _first_absent(needs, tables) if problem is None else None
        if absent is not None:
            self.absent.append(absent)
            return TaskFinding(name, False, str(absent), tuple(notes))
        if problem is None:
            for source, column, rows, example in unknown_ids(tables):
                notes.append(
                    f"{rows:,} rows of {source} have an unknown {column}, such as {example!r}: new, or none at all"
                )
            problem = self._assemble(task, tables, notes)
        if problem is not None:
            self.found.add(problem)
        return TaskFinding(name, problem is None, str(problem or ""), tuple(notes))

    def _needed_instead(self, source: str, needs: dict[str, SourceNeed], tables: dict[str, Any]) -> bool:
        return any(source in need.instead and need.source not in tables for need in needs.values())

    def _assemble(self, task: Task, tables: dict[str, Any], notes: list[str]) -> ForecastingError | None:
        try:
            dataset = task.assemble(tables)
            task.folds(dataset, np.datetime64(now().replace(tzinfo=None), "us"))
        except (DataError, ConfigurationError) as error:
            return error
        except ForecastingError as error:
            notes.append(f"a baseline would be published for now: {error}")
        return None

    def _source(self, need: SourceNeed) -> CheckedSource | None:
        key = (need.source, tuple(sorted(need.extra)))
        if key not in self.read:
            self.read[key] = None
            try:
                self.read[key] = self._read(need)
            except ForecastingError as error:
                self.broken[need.source] = error
                self.found.sources.append(SourceFinding(need.source, "broken", problems=(str(error),)))
        return self.read[key]

    def _read(self, need: SourceNeed) -> CheckedSource | None:
        names = [need.source]
        mappings = self.workspace.mappings(names)
        resolved = locate(need, self.results, self.workspace.source_warehouses(names), mappings)
        checked = read_source(resolved) if resolved is not None else None
        if resolved is None or checked is None or not checked.read:
            self.found.sources.append(SourceFinding(need.source, "absent"))
            return None
        refuse_too_many(checked, self.workspace.configuration.settings.quarantine_limit)
        self.found.sources.append(finding(resolved, checked))
        return checked


def _first_absent(needs: dict[str, SourceNeed], tables: dict[str, Any]) -> DataError | None:
    for need in needs.values():
        replaced = bool(need.instead) and all(name in tables for name in need.instead)
        if need.required and need.source not in tables and not replaced:
            instead = f", nor {' and '.join(need.instead)} to derive it from" if need.instead else ""
            return DataError(
                f"there are no rows{instead}.",
                source=need.source,
                remedy=f"Map [sources.{need.source}] to your own table, or `forecasting load {need.source} FILE`.",
            )
    return None

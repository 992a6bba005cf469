"""`forecasting demo`: the jobs on real sales, from an empty warehouse to reports, and what then happened.

The suite sees the invoices of a British web shop up to 11 November 2011, says what comes next, and is then held
against the days that followed. Every step looks first whether it is done already.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from db import models, runs
from db.engines import Warehouse
from db.runs import Run
from forecasting.app import delivering, invoices, reporting, runner, simulated_fulfilment, simulated_supply
from forecasting.app.acts import ACTS, AS_OF, Act
from forecasting.app.channels.configuration import CsvConfig
from forecasting.app.config import Configuration, TaskConfig
from forecasting.app.figures import POOLED, figures
from forecasting.app.loading import load_files
from forecasting.app.reading import read
from forecasting.app.request import RunRequest, worst
from forecasting.app.restoring import restored
from forecasting.app.side_by_side import cores, documents
from forecasting.app.workspace import Workspace
from forecasting.clock import aware
from forecasting.pipeline import MODEL, MetricRow, Progress, rivals, scored, with_parts
from forecasting.schema import SOURCES, ArtifactError, ConfigurationError, ExitCode, TaskSpec
from forecasting.task import Forecaster, Task
from reports.view import ExtraTable

ROWS = {
    "customers": 4_372,
    "items": 3_943,
    "locations": 1,
    "orders": 25_900,
    "order_events": 41_299,
    "order_lines": invoices.LINES,
    "supply": 3_784,
    "stock": 3_784,
}
"""Rows of each table that the demo loads, in the order of loading."""

AT_A_TIME = 2
"""Tasks that run beside each other: each takes a core, and a gigabyte."""


@dataclass(frozen=True)
class Comparison:
    """What a task said at an instant beside what happened after it, for who was published and for each rival.

    `outcome`: what came of it, in a sentence. `metrics`: figures by subject over those days. `reports`: its files.
    """

    task: str
    run_id: str
    subject: str
    exit_code: int
    outcome: str
    metrics: tuple[MetricRow, ...]
    reports: tuple[Path, ...]


@dataclass(frozen=True)
class Demo:
    """How the demo ended. `anew`: which steps had to be done, empty on a second run. `alerts`: the files that hold
    them, a file for each run that raised any."""

    exit_code: ExitCode
    anew: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    warehouse: str
    alerts: tuple[Path, ...] = ()


def configured(configuration: Configuration) -> Configuration:
    """The configuration with the options that the demo's tasks take, and alerts that go to files below var/."""
    tasks = {act.task: TaskConfig(act.task, act.task, dict(act.options), "demo") for act in ACTS}
    drop = CsvConfig(directory=str(_drop(configuration).absolute()))
    return replace(configuration, tasks=tasks, alerts={"drop": drop})


def run_demo(workspace: Workspace, tasks: Sequence[str], say: Callable[[str], None], progress: Progress) -> Demo:
    """Load, forecast, publish, compare, report, for `tasks` or for all where none is named; what is done already is
    left as it is. Raises ForecastingError."""
    anew = []
    warehouse = workspace.results()
    progress("looking at what is there", 0, 0)
    missing = _missing(warehouse)
    if missing:
        say(f"Loading {invoices.LINES:,} invoice lines into {warehouse.address}")
        _load(workspace, missing, progress)
        anew.append("load")
    acts = [act for act in ACTS if not tasks or act.task in tasks]
    anew += _side_by_side(workspace, warehouse, acts, say, progress)
    comparisons = []
    for act in acts:
        steps, comparison = _perform(workspace, warehouse, act, say, progress)
        anew += steps
        comparisons.append(comparison)
    code = worst([ExitCode(comparison.exit_code) for comparison in comparisons])
    alerts = tuple(sorted(_drop(workspace.configuration).glob("*.csv")))
    return Demo(code, tuple(anew), tuple(comparisons), warehouse.address, alerts)


def _side_by_side(
    workspace: Workspace, warehouse: Warehouse, acts: Sequence[Act], say: Callable[[str], None], progress: Progress
) -> list[str]:
    """Where there are cores to spare, let processes of their own do what is left of several acts; the steps that they
    did. What one of them could not do is left for this process, which then says why."""
    left = [act for act in acts if _undone(warehouse, act)]
    if len(left) < 2 or cores() < 2:
        return []

    def started(number: int) -> None:
        for as_of in _undone(warehouse, left[number]):
            say(f"{left[number].doing}, from what was known on {_day(as_of)}")
        progress("forecasting, judging, publishing", number, len(left))

    environment = dict(os.environ)
    if workspace.configuration.warehouse:  # not on a command line: its URL may hold a password
        environment["FORECASTING_WAREHOUSE"] = workspace.configuration.warehouse
    told = documents([["demo", act.task] for act in left], environment, at_a_time=AT_A_TIME, started=started)
    return [step for document in told if document is not None for step in document.get("steps", ())]


def _undone(warehouse: Warehouse, act: Act) -> list[np.datetime64]:
    """The instants at which an act's task is still to be run."""
    return [as_of for as_of in sorted({act.judged_at, AS_OF}) if _done(warehouse, act.task, as_of) is None]


def _perform(
    workspace: Workspace, warehouse: Warehouse, act: Act, say: Callable[[str], None], progress: Progress
) -> tuple[list[str], Comparison]:
    """One task: run, compare, report. Returns the steps that had to be done."""
    steps = []
    for as_of in _undone(warehouse, act):
        say(f"{act.doing}, from what was known on {_day(as_of)}")
        runner.run(workspace, RunRequest(act.task, as_of, as_of, trigger="demo", notes=act.notes), progress)
        delivering.deliver_after_runs(workspace)
        steps.append(f"run {act.task}" if as_of == AS_OF else f"run before {act.task}")
    run = _done(warehouse, act.task, act.judged_at)
    assert run is not None
    comparison = _stored(workspace, act.task, run.run_id)
    if comparison is None:
        progress("comparing what was said with what then happened", 0, 0)
        task = workspace.task(act.task)
        metrics = _compare(workspace, warehouse, task, run, act.judged_at)
        outcome = act.outcome(warehouse, run, metrics)
        progress("writing the report", 0, 0)
        reports = reporting.write(workspace, act.task, tables=[_table(act, outcome, metrics, task.spec)])
        comparison = Comparison(
            act.task, run.run_id, run.subject or MODEL, run.exit_code or 0, outcome, metrics, tuple(reports)
        )
        _store(workspace, comparison)
        steps.append(f"compare {act.task}")
    return steps, comparison


def _missing(warehouse: Warehouse) -> list[str]:
    """Tables still to be loaded. Raises ConfigurationError where one holds anything but the demo's rows."""
    with warehouse.reading() as connection:
        there = set(sa.inspect(connection).get_table_names(schema=warehouse.schema)) & SOURCES.keys()
        tables = {name: sa.table(name, schema=warehouse.schema) for name in there}
        counts = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for name, table in tables.items()
        }
    for name, count in counts.items():
        if count and count != ROWS.get(name):
            raise ConfigurationError(
                f"The warehouse {warehouse.address} holds data that is not the demo's: {count:,} rows of {name}.",
                remedy="Give the demo a file of its own: forecasting demo --warehouse sqlite:///var/demo.db",
            )
    return [name for name in ROWS if not counts.get(name)]


def _load(workspace: Workspace, missing: Sequence[str], progress: Progress) -> None:
    """Through the same door as anybody's files: Parquet into canonical tables, checked row by row."""
    progress("reading invoices", 0, 0)
    lines = invoices.read_lines()
    tables: dict[str, pa.Table] = invoices.canonical_tables(lines, invoices.read_titles())
    tables |= simulated_supply.simulate(lines, AS_OF)
    tables |= simulated_fulfilment.simulate(tables["orders"], tables["order_lines"])
    directory = workspace.var / "demo"
    directory.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(missing):
        progress(f"loading {name}", number, len(missing))
        file = directory / f"{name}.parquet"
        pq.write_table(tables[name], file)
        load_files(workspace, name, [file])


def _done(warehouse: Warehouse, task: str, as_of: np.datetime64) -> Run | None:
    """The latest run of a task at an instant that came to an end."""
    at = aware(as_of)
    return next(
        (run for run in runs.latest(warehouse, task, limit=1_000) if run.state == "done" and run.as_of == at), None
    )


def _compare(
    workspace: Workspace, warehouse: Warehouse, task: Task, run: Run, as_of: np.datetime64
) -> tuple[MetricRow, ...]:
    """The published forecaster and every baseline, all fitted on what was known at `as_of`, scored on what followed."""
    dataset = read(workspace, warehouse, task).dataset
    cases = task.cases(dataset, as_of)
    subjects: dict[str, Forecaster] = {}
    record = models.get(warehouse, run.model_id) if run.model_id else None
    if record is not None:
        try:
            model = restored(task, record)
        except ArtifactError as error:
            remedy = f"`forecasting run {run.task} --force` trains it again."
            raise ArtifactError(error.message, remedy=remedy) from None
        subjects = with_parts(model)
    scores = scored(task, dataset, cases, subjects | rivals(task, dataset, as_of))
    return tuple(
        MetricRow(POOLED, name, metric, value)
        for name, score in scores.items()
        for metric, value in score.metrics.items()
    )


def _table(act: Act, outcome: str, metrics: Sequence[MetricRow], spec: TaskSpec) -> ExtraTable:
    """The comparison as the report shows it."""
    headings, rows = figures(metrics, spec)
    text = f"{outcome} Each line was made from what was known on {_day(act.judged_at)} alone. {act.note}"
    return ExtraTable(act.heading, ["Subject", *headings[1:]], rows, text)


def _drop(configuration: Configuration) -> Path:
    """Where the demo's alerts go."""
    return configuration.var / "alerts"


def _file(workspace: Workspace, task: str) -> Path:
    return workspace.var / "demo" / f"comparison-{task}.json"


def _store(workspace: Workspace, comparison: Comparison) -> None:
    content: dict[str, Any] = {**vars(comparison), "metrics": [vars(row) for row in comparison.metrics]}
    content["reports"] = [str(path) for path in comparison.reports]
    file = _file(workspace, comparison.task)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _stored(workspace: Workspace, task: str, run_id: str) -> Comparison | None:
    """The comparison that an earlier call made of this run, where its files are all still there."""
    try:
        content = json.loads(_file(workspace, task).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    paths = tuple(Path(path) for path in content["reports"])
    if content["run_id"] != run_id or not all(path.is_file() for path in paths):
        return None
    return Comparison(**{**content, "metrics": tuple(MetricRow(**row) for row in content["metrics"]), "reports": paths})


def _day(instant: np.datetime64) -> str:
    day = instant.astype("datetime64[us]").item()
    return f"{day.day} {day:%B %Y}"

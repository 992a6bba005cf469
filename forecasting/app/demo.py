"""`forecasting demo`: the main job on real sales, from an empty warehouse to a report, and what then happened.

The suite sees the invoices of a British web shop up to 11 November 2011, says what will sell in the next 28 days, and
is then held against the days that followed. Every step looks first whether it is done already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from db import models, publishing, runs
from db.engines import Warehouse
from db.runs import Run
from forecasting import artifacts
from forecasting.app import invoices, reporting, runner, simulated_supply
from forecasting.app.figures import POOLED, figures
from forecasting.app.loading import load_files
from forecasting.app.reading import read
from forecasting.app.request import RunRequest
from forecasting.app.workspace import Workspace
from forecasting.pipeline import MODEL, MetricRow, Progress, rivals, scored, with_parts
from forecasting.schema import SOURCES, ArtifactError, ConfigurationError, ExitCode
from forecasting.task import Forecaster, Task
from reports.view import ExtraTable

TASK = "demand"
AS_OF = np.datetime64("2011-11-11", "us")
DAYS = 28
ROWS = {
    "customers": 4_372,
    "items": 3_943,
    "locations": 1,
    "orders": 25_900,
    "order_lines": invoices.LINES,
    "supply": 3_784,
    "stock": 3_784,
}
"""Rows of each table that the demo loads, in the order of loading."""


@dataclass(frozen=True)
class Comparison:
    """What was said at `AS_OF` beside what happened in the `DAYS` after it, for whom was published and each rival.

    `expected`, `sold`: units in all. `metrics`: figures by subject over those days.
    """

    run_id: str
    subject: str
    expected: float
    sold: float
    metrics: tuple[MetricRow, ...]


@dataclass(frozen=True)
class Demo:
    """How the demo ended. `anew`: which steps had to be done, empty on a second run."""

    exit_code: ExitCode
    anew: tuple[str, ...]
    comparison: Comparison
    gate_metric: str
    reports: tuple[Path, ...]
    warehouse: str


def run_demo(workspace: Workspace, say: Callable[[str], None], progress: Progress) -> Demo:
    """Load, forecast, publish, compare, report; what is done already is left as it is. Raises ForecastingError."""
    anew = []
    warehouse = workspace.results()
    progress("looking at what is there", 0, 0)
    missing = _missing(warehouse)
    if missing:
        say(f"Loading {invoices.LINES:,} invoice lines into {warehouse.address}")
        _load(workspace, missing, progress)
        anew.append("load")
    run = _done(warehouse)
    if run is None:
        say(f"Forecasting {DAYS} days as of {_day(AS_OF)}, from what was known that day")
        request = RunRequest(TASK, AS_OF, AS_OF, trigger="demo", notes=(simulated_supply.NOTE, invoices.NOTE))
        runner.run(workspace, request, progress)
        run = _done(warehouse)
        assert run is not None
        anew.append("run")
    task = workspace.task(TASK)
    comparison = _stored(workspace, run.run_id)
    reports = _reports(workspace)
    if comparison is None:
        say("Comparing what was said with what then happened")
        progress("comparing", 0, 0)
        comparison = _compare(workspace, warehouse, task, run)
        anew.append("compare")
    if "compare" in anew or not reports:
        progress("writing the report", 0, 0)
        reports = tuple(reporting.write(workspace, TASK, tables=[_table(comparison, task.spec.gate_metric)]))
        _store(workspace, comparison, reports)
        anew.append("report")
    code = ExitCode(run.exit_code or 0)
    return Demo(code, tuple(anew), comparison, task.spec.gate_metric, reports, warehouse.address)


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
    directory = workspace.var / "demo"
    directory.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(missing):
        progress(f"loading {name}", number, len(missing))
        file = directory / f"{name}.parquet"
        pq.write_table(tables[name], file)
        load_files(workspace, name, [file])


def _done(warehouse: Warehouse) -> Run | None:
    """The run of the demo's slot that is published."""
    published = publishing.publications(warehouse).get(TASK)
    run = runs.get(warehouse, published.run_id) if published else None
    return run if run is not None and run.as_of == AS_OF.item().replace(tzinfo=UTC) else None


def _compare(workspace: Workspace, warehouse: Warehouse, task: Task, run: Run) -> Comparison:
    """The published forecaster and every baseline, all fitted on what was known at `AS_OF`, scored on what followed."""
    dataset = read(workspace, warehouse, task).dataset
    cases = task.cases(dataset, AS_OF)
    subjects: dict[str, Forecaster] = {}
    record = models.get(warehouse, run.model_id) if run.model_id else None
    if record is not None:
        try:
            model = task.restore(*artifacts.load(Path(record.uri), record.sha256))
        except ArtifactError as error:
            raise ArtifactError(error.message, remedy="`forecasting run demand --force` trains it again.") from None
        subjects = with_parts(model)
    scores = scored(task, dataset, cases, subjects | rivals(task, dataset, AS_OF))
    rows = [
        MetricRow(POOLED, name, metric, value)
        for name, score in scores.items()
        for metric, value in score.metrics.items()
    ]
    return Comparison(run.run_id, run.subject or MODEL, *_totals(warehouse, run), tuple(rows))


def _totals(warehouse: Warehouse, run: Run) -> tuple[float, float]:
    """Units expected by the published rows, and units that the invoices of those days hold."""
    end = AS_OF + np.timedelta64(DAYS, "D")
    with warehouse.reading() as connection:
        said = sa.Table("demand_forecasts", sa.MetaData(), schema=warehouse.schema, autoload_with=connection)
        inside = sa.and_(said.c.run_id == run.run_id, said.c.date < end.item().date())
        expected = connection.scalar(sa.select(sa.func.sum(said.c.mean)).where(inside))
    lines = invoices.read_lines()
    days = lines["timestamp"]
    counts = (days >= AS_OF) & (days < end) & (lines["quantity"] > 0) & invoices.is_product(lines["item_id"])
    cancelled = lines["invoice_id"].isin(invoices.cancelled(lines))
    return float(expected or 0), float(lines.loc[counts & ~cancelled, "quantity"].sum())


def _table(comparison: Comparison, gate_metric: str) -> ExtraTable:
    """The comparison as the report shows it."""
    headings, rows = figures(comparison.metrics, gate_metric)
    return ExtraTable(
        f"What was said, and what happened in the {DAYS} days after",
        ["Subject", *headings[1:]],
        rows,
        f"Expected {comparison.expected:,.0f} units in all, sold {comparison.sold:,.0f}. Each line was made from what "
        f"was known on {_day(AS_OF)} alone; smaller is better but for the coverages, which should be 0.80 and 0.95.",
    )


def _file(workspace: Workspace) -> Path:
    return workspace.var / "demo" / "comparison.json"


def _store(workspace: Workspace, comparison: Comparison, reports: Sequence[Path]) -> None:
    content: dict[str, Any] = {**vars(comparison), "metrics": [vars(row) for row in comparison.metrics]}
    content["reports"] = [str(path) for path in reports]
    file = _file(workspace)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _content(workspace: Workspace) -> dict[str, Any]:
    try:
        return json.loads(_file(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _stored(workspace: Workspace, run_id: str) -> Comparison | None:
    """The comparison of an earlier call, where it is of this run."""
    content = _content(workspace)
    if content.get("run_id") != run_id:
        return None
    metrics = tuple(MetricRow(**row) for row in content["metrics"])
    return Comparison(run_id, content["subject"], content["expected"], content["sold"], metrics)


def _reports(workspace: Workspace) -> tuple[Path, ...]:
    """The files that an earlier call wrote, if all are still there."""
    paths = tuple(Path(path) for path in _content(workspace).get("reports", ()))
    return paths if paths and all(path.is_file() for path in paths) else ()


def _day(instant: np.datetime64) -> str:
    day = instant.astype("datetime64[us]").item()
    return f"{day.day} {day:%B %Y}"

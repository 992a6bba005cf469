"""Reports of what configured tasks have published, below var/reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from db import publishing, runs
from db.engines import Warehouse
from forecasting.app.validation import did_you_mean
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ConfigurationError, ForecastingError
from reports.rendering import render
from reports.view import ExtraTable


def write(
    workspace: Workspace, task_name: str, *, names: Sequence[str] | None = None, tables: Sequence[ExtraTable] = ()
) -> list[Path]:
    """All reports that the task declares, or those of `names`; their files, each page before its tables.

    The notes of the published run ("stock levels are simulated") stand at the top of each page, `tables` at its end.
    Raises ForecastingError where nothing is published yet.
    """
    spec, warehouse = workspace.task_class(task_name).spec, workspace.results()
    notes = _notes(warehouse, task_name)
    currency = workspace.configuration.settings.currency
    extra = {"currency": currency, "gate_metric": spec.gate_metric, "tables": tuple(tables)}
    return [
        path
        for report in spec.reports
        if names is None or report.name in names
        for path in render(warehouse, report, task_name, workspace.reports, now=now(), notes=notes, extra=extra)
    ]


def write_reports(workspace: Workspace, name: str | None = None) -> dict[str, list[Path]]:
    """The files by task: every report of every task that has published, those of one task, or all of one name."""
    declared = {
        task: [report.name for report in workspace.task_class(task).spec.reports]
        for task in dict.fromkeys([*workspace.tasks, *workspace.task_classes])
    }
    known = {*declared, *(report for reports in declared.values() for report in reports)}
    if name is not None and name not in known:
        raise ConfigurationError(f"There is no report {name!r}.", remedy=did_you_mean(name, known))
    published = publishing.publications(workspace.results())
    wanted = [task for task in declared if task in published and (name in (None, task) or name in declared[task])]
    if not wanted:
        raise ForecastingError(
            "Nothing is published yet, so there is nothing to report.", remedy="`forecasting run TASK` comes first."
        )
    return {task: write(workspace, task, names=None if name in (None, task) else [str(name)]) for task in wanted}


def _notes(warehouse: Warehouse, task_name: str) -> tuple[str, ...]:
    """What the published run said about itself."""
    publication = publishing.publications(warehouse).get(task_name)
    run = runs.get(warehouse, publication.run_id) if publication else None
    return tuple((run.config or {}).get("notes", ())) if run else ()

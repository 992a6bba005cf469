"""Reports of what a configured task has published, below var/reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forecasting.app.workspace import Workspace, now
from reports.rendering import render


def write(
    workspace: Workspace, task_name: str, notes: Sequence[str] = (), names: Sequence[str] | None = None
) -> list[Path]:
    """All reports that the task declares, or those of `names`; their files, each page before its tables.

    `notes` stand at the top of each page. Raises ForecastingError where nothing is published yet.
    """
    spec = workspace.task_class(task_name).spec
    extra = {"currency": workspace.configuration.settings.currency, "gate_metric": spec.gate_metric}
    return [
        path
        for report in spec.reports
        if names is None or report.name in names
        for path in render(
            workspace.results(), report, task_name, workspace.reports, now=now(), notes=tuple(notes), extra=extra
        )
    ]

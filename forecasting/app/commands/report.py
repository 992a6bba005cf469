"""`forecasting report`: pages of what is published."""

from __future__ import annotations

import click

from forecasting.app.options import global_options, with_workspace
from forecasting.app.reporting import write_reports
from forecasting.app.workspace import Workspace


@click.command("report")
@click.argument("name", required=False)
@global_options
@with_workspace
def command(workspace: Workspace, name: str | None) -> None:
    """Write the reports of what is published, below var/reports.

    NAME is a report (inventory, merchandising, retention, fulfilment) or a task; without it, every report of every task
    that has published. Pages work offline and stand beside XLSX and CSV files with the same rows.
    """
    written = write_reports(workspace, name)
    for paths in written.values():
        for path in paths:
            workspace.console.say(str(path))
    workspace.console.document(
        "report", {"reports": [{"task": task, "files": paths} for task, paths in written.items()]}
    )

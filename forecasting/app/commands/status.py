"""`forecasting status`: what is published and how fresh it is, for a person, a monitor or Prometheus."""

from __future__ import annotations

from typing import Any

import click

from forecasting.app.options import global_options, with_workspace
from forecasting.app.status import Status, TaskStatus, status
from forecasting.app.status_page import show_status
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError, ExitCode


@click.command("status")
@click.option(
    "--prometheus",
    "file",
    metavar="FILE",
    help="Write metrics for node_exporter's textfile collector, in one step; - for stdout.",
)
@global_options
@with_workspace
def command(workspace: Workspace, file: str | None) -> ExitCode:
    """Show for each task what is published, how fresh it is, its champion and what the gate said; how fresh its sources
    and tables are; the last and next slot of each job; who is at work.

    Exit code 1 where something is stale: a job's slot that is not published six hours after it was due, or, for a task
    without a job, rows older than `stale_after_hours` of [settings]; a source whose newest row is older than
    `source_stale_after_hours`, or that cannot be read; a job whose slot failed for good, was missed or not run.
    Where the file names no tasks, those that never ran are not waited for. Sources are asked for three seconds at most.
    """
    if file == "-" and workspace.console.json_output:
        raise ConfigurationError("Metrics and the JSON document cannot both go to stdout.", remedy="Name a file.")
    if file is None:
        found = status(workspace)
    else:
        from forecasting.app.metrics import status_with_metrics

        found = status_with_metrics(workspace, file)
    if file is None:
        show_status(found, workspace.console)
    workspace.console.document("status", _document(found))
    return found.exit_code


def _document(found: Status) -> dict[str, Any]:
    return {
        "warehouse": found.warehouse,
        "moment": found.moment,
        "tasks": [_task(task, found) for task in found.tasks],
        "backlog": [vars(channel) for channel in found.backlog],
        "sources": [{**vars(source), "stale": source.stale} for source in found.sources],
        "tables": [vars(table) for table in found.tables],
        "jobs": [
            {**vars(job), "stale": bool(job.stale), "why": job.stale, "last": vars(job.last) if job.last else None}
            for job in found.jobs
        ],
        "claims": [vars(claim) for claim in found.claims],
        "problems": found.problems,
        "exit_code": int(found.exit_code),
    }


def _task(task: TaskStatus, found: Status) -> dict[str, Any]:
    parts = {name: getattr(task, name) for name in ("published", "run", "last_run", "champion")}
    document: dict[str, Any] = {
        "task": task.task,
        "stale": bool(task.stale),
        "why": task.stale,
        **{name: dict(vars(part)) if part is not None else None for name, part in parts.items()},
        "gate": {"metric": task.gate.metric, "figures": task.gate.figures} if task.gate else None,
        "next_slot": task.next_slot,
        "quarantined": task.quarantined,
    }
    if task.champion is not None:
        age = found.moment - task.champion.created_at
        document["champion"] |= {"age_days": round(age.total_seconds() / 86400, 3)}
    return document

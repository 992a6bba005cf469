"""`forecasting status`: what is published and how fresh it is."""

from __future__ import annotations

from typing import Any

import click

from db.outbox import Backlog
from forecasting.app.options import global_options, with_workspace
from forecasting.app.status import TaskStatus, status
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


@click.command("status")
@global_options
@with_workspace
def command(workspace: Workspace) -> ExitCode:
    """Show for each task what is published, how fresh it is, its champion and what the gate said.

    Reads the ledgers alone. Exit code 1 where something is stale: a job's slot that is not published six hours after
    it was due, or, for a task without a job, rows older than `stale_after_hours` of [settings].
    Where the file names no tasks, those that never ran are not waited for.
    """
    found = status(workspace)
    console = workspace.console
    console.say(f"Warehouse {found.warehouse}")
    console.table(
        ["task", "published as of", "by", "last run", "started", "data until", "champion", "gate"],
        [_row(task) for task in found.tasks],
    )
    for task in found.tasks:
        if task.stale:
            console.say(f"STALE {task.task}: {task.stale}.")
        if task.last_run is not None and task.last_run.state in ("failed", "abandoned"):
            console.say(f"{task.task}: the last run {task.last_run.state}: {task.last_run.error}")
    for channel in found.backlog:
        console.say(_waiting(channel))
    console.document(
        "status",
        {
            "warehouse": found.warehouse,
            "moment": found.moment,
            "tasks": [_document(task) for task in found.tasks],
            "backlog": [vars(channel) for channel in found.backlog],
            "exit_code": int(found.exit_code),
        },
    )
    return found.exit_code


def _row(task: TaskStatus) -> list[Any]:
    run, last = task.run, task.last_run
    return [
        task.task,
        task.published.as_of if task.published else None,
        (f"{run.subject} (fallback)" if run.fallback else run.subject) if run else None,
        last.state if last else None,
        last.started_at if last else None,
        run.data_until if run else None,
        f"{task.champion.encoder or task.champion.model_id}, {task.champion.created_at:%Y-%m-%d}"
        if task.champion
        else None,
        _gate(task),
    ]


def _waiting(channel: Backlog) -> str:
    """A channel that is behind, in a line."""
    since = f" since {channel.oldest:%Y-%m-%d %H:%M} UTC" if channel.oldest else ""
    counts = [f"{channel.pending:,} waiting{since}"] * bool(channel.pending)
    counts += [f"{channel.given_up:,} given up"] * bool(channel.given_up)
    return f"alerts through {channel.channel}: {', '.join(counts)}" + (
        f" ({channel.last_error})" if channel.last_error else ""
    )


def _gate(task: TaskStatus) -> str | None:
    gate = task.gate
    if gate is None:
        return None
    model, rival = gate.figures.get("model"), gate.best_rival
    text = f"{gate.metric} {model:.4g}" if model is not None else gate.metric
    return f"{text}, {rival.removeprefix('baseline:')} {gate.figures[rival]:.4g}" if rival else text


def _document(task: TaskStatus) -> dict[str, Any]:
    parts = {name: getattr(task, name) for name in ("published", "run", "last_run", "champion")}
    return {
        "task": task.task,
        "stale": bool(task.stale),
        "why": task.stale,
        **{name: vars(part) if part is not None else None for name, part in parts.items()},
        "gate": {"metric": task.gate.metric, "figures": task.gate.figures} if task.gate else None,
    }

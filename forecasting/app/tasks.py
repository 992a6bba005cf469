"""What tasks there are, and whether one keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from forecasting.app.workspace import Workspace
from forecasting.contract import Finding, check


@dataclass(frozen=True)
class TaskListing:
    """A task as `forecasting tasks` shows it."""

    name: str
    type: str
    question: str
    entity: str
    gate_metric: str
    tables: tuple[str, ...]
    reports: tuple[str, ...]
    sources: tuple[str, ...]
    options: dict[str, Any]
    package: str


def list_tasks(workspace: Workspace) -> list[TaskListing]:
    """Configured tasks, then installed ones that no table configures."""
    types = {config.type for config in workspace.tasks.values()}
    names = [*workspace.tasks, *(name for name in workspace.task_classes if name not in types | set(workspace.tasks))]
    return [_listing(workspace, name) for name in names]


def check_task(workspace: Workspace, name: str) -> Iterator[Finding]:
    """The contract suite on a task's own example, finding by finding."""
    return check(workspace.task_class(name))


def _listing(workspace: Workspace, name: str) -> TaskListing:
    task = workspace.task(name)
    options = {field: getattr(task.options, field) for field in getattr(task.options, "__dataclass_fields__", {})}
    return TaskListing(
        name,
        task.spec.name,
        task.spec.question,
        task.spec.entity,
        task.spec.gate_metric,
        tuple(output.name for output in task.spec.outputs),
        tuple(report.name for report in task.spec.reports),
        tuple(need.source for need in task.needs()),
        options,
        type(task).__module__.split(".")[0],
    )

"""Tables of the results warehouse: made in a new one, upgraded by command, refused where outdated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db import migrate
from db.engines import Warehouse
from db.migrate import Revision
from forecasting.app.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schema:
    """Where a warehouse stands. `revisions`: in place, `applied`: the steps just taken, `pending`: still missing."""

    warehouse: str
    address: str
    revisions: tuple[Revision, ...]
    pending: tuple[Revision, ...]
    applied: tuple[Revision, ...] = ()


def lineages(workspace: Workspace) -> list[str]:
    """Packages with the Alembic revisions of every installed task."""
    return [task_class.spec.migrations for task_class in workspace.task_classes.values()]


def is_new(workspace: Workspace, warehouse: Warehouse) -> bool:
    """Whether nothing was ever written to a warehouse: its file is not there, or has no tables. Makes no file."""
    if warehouse.path is not None and not warehouse.path.exists():
        return True
    return not migrate.current(warehouse, lineages(workspace))


def prepare(workspace: Workspace, warehouse: Warehouse) -> None:
    """Makes the tables of a warehouse that has none yet. Raises ConfigurationError for one that lacks some: an
    upgrade of tables that hold rows is somebody's decision."""
    packages = lineages(workspace)
    if not migrate.current(warehouse, packages):
        log.info("%s is new: making its tables", warehouse.address)
        migrate.upgrade(warehouse, packages)
    migrate.require_current(warehouse, packages)


def upgrade(workspace: Workspace, revision: str = "heads") -> Schema:
    """Every lineage to its newest revision, or up to the one named."""
    return _changed(workspace, lambda warehouse, packages: migrate.upgrade(warehouse, packages, revision))


def downgrade(workspace: Workspace, revision: str) -> Schema:
    """Back to a revision: "base" for everything, "LABEL@base" for one lineage."""
    return _changed(workspace, lambda warehouse, packages: migrate.downgrade(warehouse, packages, revision))


def current(workspace: Workspace) -> Schema:
    """Where the warehouse stands."""
    return _changed(workspace, lambda warehouse, packages: ())


def _changed(workspace: Workspace, change: Callable[[Warehouse, Sequence[str]], tuple[Revision, ...]]) -> Schema:
    warehouse, packages = workspace.results(prepare=False), lineages(workspace)
    applied = change(warehouse, packages)
    return Schema(
        warehouse.name,
        warehouse.address,
        migrate.current(warehouse, packages),
        migrate.pending(warehouse, packages),
        applied,
    )

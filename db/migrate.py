"""Bringing a warehouse's tables up to date, and back: Alembic, driven from Python.

A lineage is a package with Alembic revisions: the house's own (`migrations.versions`) and one for each task, named by
its spec. Lineages do not depend on each other in Alembic's sense (a plugin that is uninstalled would take the house's
revision with it); the house simply goes up first and down last. All steps of one call are one transaction on both
databases: killed or failed anywhere, nothing has changed. Concurrent calls wait for each other.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

import db.migrating  # noqa: F401  (registers the operations that revisions use)
from db.alert_ledgers import current_alerts, ledger_table
from db.engines import Warehouse
from db.failures import repeated
from db.locks import one_at_a_time
from db.outputs import current_view, output_table
from db.tables import METADATA
from forecasting.schema import AlertLedger, ConfigurationError, ForecastingError, OutputTable

HOUSE = "migrations.versions"
VERSION_TABLE = "alembic_version"


@dataclass(frozen=True)
class Revision:
    """One revision that a warehouse stands at, or could. `label` is its lineage: house, or the task's name."""

    revision: str
    label: str
    description: str
    installed: bool = True


def upgrade(warehouse: Warehouse, lineages: Sequence[str] = (), revision: str = "heads") -> tuple[Revision, ...]:
    """Upgrades every lineage (or up to one `revision`) and returns the steps taken, none where all was up to date.

    `lineages`: package names of the tasks' revisions; the house's is always there. A revision in the database whose
    plugin is not installed is left alone.
    """
    script = _script(lineages)

    def steps(heads: tuple[str, ...]) -> Iterator[MigrationStep]:
        known = _known(script, heads)
        targets = _heads(script) if revision == "heads" else (revision,)
        for target in targets:
            path = script.iterate_revisions(target, known, implicit_base=True)
            for step in reversed([one for one in path if one is not None]):
                if step.revision not in done:
                    done[step.revision] = step
                    yield MigrationStep.upgrade_from_script(script.revision_map, step)

    done: dict[str, Script] = {}
    with _explained(warehouse), warehouse.writing() as connection:
        one_at_a_time(connection, "migrations")
        _create_schema(connection, warehouse)
        _migrate(connection, script, steps)
    return tuple(_revision(script, one.revision) for one in done.values())


def downgrade(warehouse: Warehouse, lineages: Sequence[str], revision: str) -> tuple[Revision, ...]:
    """Downgrades to `revision` ("base" for everything, "LABEL@base" for one lineage) and returns the steps taken."""
    script = _script(lineages)
    done: list[str] = []

    def steps(heads: tuple[str, ...]) -> Iterator[MigrationStep]:
        known = _known(script, heads)
        if revision == "base":
            labels = [_label(script, head) for head in reversed(_heads(script))]
            targets = [f"{label}@base" for label in dict.fromkeys(labels)]
        else:
            targets = [revision]
        for target in targets:
            remaining = tuple(head for head in known if head not in done)
            for step in script.iterate_revisions(remaining, target, select_for_downgrade=True):
                done.append(step.revision)
                yield MigrationStep.downgrade_from_script(script.revision_map, step)

    with _explained(warehouse), warehouse.writing() as connection:
        one_at_a_time(connection, "migrations")
        _migrate(connection, script, steps)
    return tuple(_revision(script, one) for one in done)


@repeated
def current(warehouse: Warehouse, lineages: Sequence[str] = ()) -> tuple[Revision, ...]:
    """Where each lineage stands in the database; none before the first upgrade."""
    script = _script(lineages)
    with _explained(warehouse), warehouse.reading() as connection:
        heads = _stamped(connection)
    return tuple(_revision(script, head) for head in sorted(heads))


@repeated
def pending(warehouse: Warehouse, lineages: Sequence[str] = ()) -> tuple[Revision, ...]:
    """The revisions that `upgrade` would run, oldest first within each lineage."""
    script = _script(lineages)
    with _explained(warehouse), warehouse.reading() as connection:
        known = _known(script, _stamped(connection))
    waiting: dict[str, Revision] = {}
    for target in _heads(script):
        for step in reversed(list(script.iterate_revisions(target, known, implicit_base=True))):
            waiting.setdefault(step.revision, _revision(script, step.revision))
    return tuple(waiting.values())


def require_current(warehouse: Warehouse, lineages: Sequence[str] = ()) -> None:
    """Raises ConfigurationError where the warehouse lacks a revision."""
    if waiting := pending(warehouse, lineages):
        labels = ", ".join(dict.fromkeys(one.label for one in waiting))
        raise ConfigurationError(
            f"warehouse {warehouse.name!r} ({warehouse.address}) lacks the latest tables of: {labels}.",
            remedy="Run `forecasting db upgrade`.",
        )


def check(
    warehouse: Warehouse, outputs: Iterable[OutputTable] = (), ledgers: Iterable[AlertLedger] = ()
) -> tuple[str, ...]:
    """What differs between the declared tables and the database's, one line each; nothing when all agrees.

    Tables that are neither the house's nor of `outputs` or `ledgers` (the canonical sources that `load` owns, the
    user's) are left out of the comparison.
    """
    metadata = sa.MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(metadata)
    views = []
    for output in outputs:
        output_table(output, metadata)
        views.append(current_view(output))
    for ledger in ledgers:
        ledger_table(ledger, metadata)
        views.append(current_alerts(ledger))

    def ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return kind != "table" or name in metadata.tables

    with _explained(warehouse), warehouse.reading() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": ours,
            "version_table": VERSION_TABLE,
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = [str(difference) for difference in compare_metadata(context, metadata)]
        return (*differences, *_view_differences(connection, views))


def _view_differences(connection: sa.Connection, views: Iterable[sa.Table]) -> Iterator[str]:
    inspector = sa.inspect(connection)
    there = set(inspector.get_view_names())
    for view in views:
        if view.name not in there:
            yield f"view {view.name} is missing"
            continue
        wanted = list(view.columns.keys())
        found = [column["name"] for column in inspector.get_columns(view.name)]
        if found != wanted:
            yield f"view {view.name} has columns {found}, not {wanted}"


def _script(lineages: Sequence[str]) -> ScriptDirectory:
    directories = [_directory(package) for package in dict.fromkeys((HOUSE, *lineages))]
    script = ScriptDirectory(str(directories[0]), version_locations=[str(directory) for directory in directories])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Alembic only warns when two lineages use one revision id
            script.revision_map.heads  # noqa: B018  (loads all revisions)
    except (CommandError, UserWarning) as error:
        raise ConfigurationError(
            f"the tasks' migrations do not fit together: {error}",
            remedy="Give every revision an id of its own, beginning with its task's name.",
        ) from error
    return script


def _directory(package: str) -> Path:
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(
            f"there is no package {package!r} with migrations.",
            remedy="A task's spec names in `migrations` the package that holds its Alembic revisions.",
        )
    return Path(next(iter(found.submodule_search_locations)))


def _heads(script: ScriptDirectory) -> tuple[str, ...]:
    """All heads, the house's first, so that its tables are there before the views over them."""
    house = _directory(HOUSE).resolve()
    return tuple(sorted(script.get_heads(), key=lambda head: (_home(script, head) != house, head)))


def _home(script: ScriptDirectory, revision: str) -> Path:
    found = script.get_revision(revision)
    assert found is not None
    return Path(found.path).resolve().parent


def _known(script: ScriptDirectory, heads: Iterable[str]) -> tuple[str, ...]:
    return tuple(head for head in heads if _find(script, head) is not None)


def _find(script: ScriptDirectory, revision: str) -> Script | None:
    try:
        return script.get_revision(revision)
    except CommandError:  # of a plugin that is not installed
        return None


def _label(script: ScriptDirectory, revision: str) -> str:
    found = script.get_revision(revision)
    assert found is not None
    labels = sorted(found.branch_labels)
    if not labels:
        raise ConfigurationError(
            f"the migration {revision!r} ({found.path}) belongs to no branch.",
            remedy="Set branch_labels to the task's name in the lineage's first revision.",
        )
    return labels[0]


def _revision(script: ScriptDirectory, revision: str) -> Revision:
    found = _find(script, revision)
    if found is None:
        return Revision(revision, "", "of a plugin that is not installed", installed=False)
    return Revision(revision, _label(script, revision), found.doc)


def _stamped(connection: sa.Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()


def _create_schema(connection: sa.Connection, warehouse: Warehouse) -> None:
    # Asked first: IF NOT EXISTS would still want the right to create schemas.
    if warehouse.schema and not sa.inspect(connection).has_schema(warehouse.schema):
        connection.execute(sa.schema.CreateSchema(warehouse.schema))


def _migrate(
    connection: sa.Connection, script: ScriptDirectory, steps: Callable[[tuple[str, ...]], Iterator[MigrationStep]]
) -> None:
    def run(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
        return steps(tuple(heads))

    with EnvironmentContext(Config(), script, fn=run) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            transactional_ddl=True,  # our SQLite connections roll DDL back, whatever Alembic thinks of SQLite
            render_as_batch=True,
        )
        environment.run_migrations()


@contextmanager
def _explained(warehouse: Warehouse) -> Iterator[None]:
    try:
        yield
    except (CommandError, RevisionError) as error:
        raise ConfigurationError(f"migrations of warehouse {warehouse.name!r}: {error}.") from error
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        place = f"warehouse {warehouse.name!r} ({warehouse.address})"
        raise ForecastingError(f"the migration of {place} failed and changed nothing: {cause[0]}.") from error

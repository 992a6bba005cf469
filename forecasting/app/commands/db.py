"""`forecasting db`: the suite's tables, revision by revision."""

from __future__ import annotations

import click

from forecasting.app import migrating
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


@click.group("db", context_settings={"help_option_names": ["-h", "--help"]})
@global_options
def command() -> None:
    """Create, upgrade or take back the suite's tables.

    Alembic owns every table that the suite writes; what `load` fills is left alone.
    """


@command.command("upgrade")
@click.argument("revision", default="heads")
@global_options
@with_workspace
def upgrade(workspace: Workspace, revision: str) -> None:
    """Bring the tables to REVISION, by default the newest of every installed task."""
    _say(workspace, "db upgrade", migrating.upgrade(workspace, revision))


@command.command("downgrade")
@click.argument("revision")
@global_options
@with_workspace
def downgrade(workspace: Workspace, revision: str) -> None:
    """Take the tables back to REVISION ("base" for none, "demand@base" to remove one task's).

    The rows in tables that a revision drops are lost.
    """
    _say(workspace, "db downgrade", migrating.downgrade(workspace, revision))


@command.command("current")
@global_options
@with_workspace
def current(workspace: Workspace) -> ExitCode:
    """Show the revisions in place; exit code 1 where some are missing."""
    schema = migrating.current(workspace)
    _say(workspace, "db current", schema)
    return ExitCode.ERROR if schema.pending else ExitCode.DONE


def _say(workspace: Workspace, name: str, schema: migrating.Schema) -> None:
    console = workspace.console
    console.say(f"Warehouse {schema.warehouse} ({schema.address})")
    for step in schema.applied:
        console.say(f"  {step.revision}  {step.label}: {step.description}")
    console.say(f"In place: {', '.join(one.revision for one in schema.revisions) or 'nothing'}")
    if schema.pending:
        missing = ", ".join(one.revision for one in schema.pending)
        console.say(f"Missing: {missing}. `forecasting db upgrade` brings them.")
    lists = {key: [vars(one) for one in getattr(schema, key)] for key in ("revisions", "applied", "pending")}
    console.document(name, {"warehouse": schema.warehouse, "address": schema.address, **lists})

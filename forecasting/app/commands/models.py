"""`forecasting models`: what was trained."""

from __future__ import annotations

import click

from forecasting.app.modelling import list_models
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace


@click.command("models")
@click.argument("task", required=False)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show.")
@global_options
@with_workspace
def command(workspace: Workspace, task: str | None, limit: int) -> None:
    """List the stored models, newest first, of TASK or of all.

    Each artifact is held against the SHA-256 of the ledger: one that was altered or is gone is marked, and a run
    would refuse it and train anew.
    """
    stored = list_models(workspace, task, limit=limit)
    console = workspace.console
    if not stored:
        console.say("No model is stored yet. `forecasting run` trains the first.")
    else:
        console.table(
            ["model", "task", "encoder", "trained until", "created", "champion", "artifact"],
            [
                [
                    one.record.model_id,
                    one.record.task,
                    one.record.encoder,
                    one.record.trained_until,
                    one.record.created_at,
                    "champion" if one.record.champion else "",
                    one.problem or "intact",
                ]
                for one in stored
            ],
        )
    console.document("models", {"models": [{**vars(one.record), "problem": one.problem} for one in stored]})

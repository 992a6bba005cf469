"""`forecasting backfill`: the nights that were never run."""

from __future__ import annotations

from typing import Any

import click

from forecasting.app import backfilling
from forecasting.app.backfilling import Backfill, BackfillRequest, Filled
from forecasting.app.delivering import DeliveryReport, deliver_after_runs
from forecasting.app.options import INSTANT, global_options, with_workspace
from forecasting.app.workspace import Workspace
from forecasting.clock import shown
from forecasting.schema import ExitCode


@click.command("backfill")
@click.argument("task")
@click.option("--from", "start", type=INSTANT, required=True, metavar="A", help="The first slot.")
@click.option("--to", "end", type=INSTANT, required=True, metavar="B", help="Make the slots before B.")
@click.option(
    "--every",
    "every_days",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="DAYS",
    help="Days from one slot to the next.",
)
@click.option(
    "--retrain",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Train a model for a slot: auto, where none of its time is stored or it is old.",
)
@click.option(
    "--retrain-after-days",
    type=click.FloatRange(0),
    metavar="DAYS",
    help="Age of a stored model from which auto trains anew.  [default: the setting]",
)
@click.option("--force", is_flag=True, help="Make slots that are done once more.")
@click.option("--dry-run", is_flag=True, help="List the slots and what would be done; read and write nothing else.")
@global_options
@with_workspace
def command(workspace: Workspace, **options: Any) -> ExitCode:
    """Make the runs of TASK that were never made: one at A, every DAYS after it, and before B.

    Each is a run whose slot and as-of time are that instant, oldest first. It sees what was known then and uses a model
    that had seen no more: the newest stored one of today's options, trained for the slot where there is none or it is
    old. No such model becomes champion. What is published changes only where a slot is newer; alerts and reports then
    follow as after any run. The rows of the others stand in the task's tables under their run_id, and those of as many
    runs are kept as of published ones (keep_runs).

    Slots that are done are left alone, so that a backfill that was stopped goes on where it was when it is started
    again, and several may share the work. A slot that runs elsewhere is passed over. Exit code: the first present of 1,
    2, 4, 3, 5, 0 over all slots.
    """
    request, console = BackfillRequest(**options), workspace.console

    def told(filled: Filled) -> None:
        console.say(f"{shown(filled.slot)}  {_line(filled)}")

    result = backfilling.run(workspace, request, told)
    deliveries = deliver_after_runs(workspace) if result.published else DeliveryReport()
    console.say(_sum(request, result))
    for line in (*map(str, result.reports), *deliveries.lines):
        console.say(line)
    counts = {state: result.count(state) for state in ("made", "done", "running", "failed", "due")}
    console.document(
        "backfill",
        {
            "task": request.task,
            "from": request.start,
            "to": request.end,
            "every_days": request.every_days,
            "dry_run": request.dry_run,
            "counts": counts,
            "slots": [_document(filled) for filled in result.slots],
            "reports": result.reports,
            "deliveries": deliveries.document,
            **_error(result),
            "exit_code": int(result.exit_code),
        },
    )
    return result.exit_code


def _line(filled: Filled) -> str:
    result = filled.result
    if result is None:
        return {"done": "done before", "running": "running elsewhere", "failed": "failed", "due": "due"}[filled.state]
    whose = f"{result.subject} (fallback)" if result.fallback else str(result.subject)
    trained = ", trained for it" if result.trained else ""
    published = ", published" if result.published else ""
    return f"{sum(result.rows.values()):,} rows by {whose}{trained}{published}"


def _sum(request: BackfillRequest, result: Backfill) -> str:
    words = {"made": "made", "done": "done before", "running": "running elsewhere", "failed": "failed", "due": "due"}
    found = [f"{result.count(state):,} {words[state]}" for state in words if result.count(state)]  # type: ignore[arg-type]
    return f"{request.task}: {len(result.slots):,} slot{'s' * (len(result.slots) > 1)}, {', '.join(found)}"


def _document(filled: Filled) -> dict[str, Any]:
    result, error = filled.result, filled.error
    about = ("run_id", "subject", "fallback", "published", "trained", "model_id", "reason", "rows")
    return {
        "slot": filled.slot,
        "state": filled.state,
        **{name: getattr(result, name) if result is not None else None for name in about},
        "error": {"message": error.message, "remedy": error.remedy} if error is not None else None,
        "exit_code": int(filled.exit_code),
    }


def _error(result: Backfill) -> dict[str, Any]:
    if result.problem is None:
        return {}
    return {"error": {"message": result.problem.message, "remedy": result.problem.remedy}}

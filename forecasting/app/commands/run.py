"""`forecasting run`: the nightly job."""

from __future__ import annotations

from typing import Any

import click

from forecasting.app.delivering import DeliveryReport, deliver_after_runs
from forecasting.app.options import INSTANT, global_options, with_workspace
from forecasting.app.running import Attempt, plan, run_all
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode, ForecastingError


@click.command("run")
@click.argument("tasks", nargs=-1, metavar="[TASK...]")
@click.option("--as-of", type=INSTANT, metavar="T", help="See what was known at T.  [default: the slot]")
@click.option(
    "--retrain",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Train a model: auto, where there is no champion or it is old.",
)
@click.option("--dry-run", is_flag=True, help="Do everything but publish: claim and write nothing.")
@click.option("--force", is_flag=True, help="Run a slot that is done, and let the published rows move back in time.")
@click.option("--job", metavar="NAME", help="Run a job of the configuration instead of naming tasks.")
@click.option(
    "--slot", type=INSTANT, metavar="T", help="The slot to claim.  [default: the job's latest; today 00:00 UTC]"
)
@global_options
@with_workspace
def command(workspace: Workspace, tasks: tuple[str, ...], **options: Any) -> ExitCode:
    """Forecast, judge and publish TASKs, or what a job names.

    A run claims its slot, reads and checks the sources, trains where needed, compares the model with baselines and
    champion, publishes the winner's rows in one step and writes the reports; then alerts that are due are delivered,
    which the exit code does not ask about. Times are ISO 8601, UTC where they name no zone; a bare date is its first
    instant. Exit code 3: the gate failed, and the rows published are the best baseline's or the champion's. With
    several tasks: the first present of 1, 4, 3, 5, 0.
    """
    requests = plan(workspace, tasks, **options)
    try:
        attempts, code = run_all(workspace, requests)
    except ForecastingError:
        _deliver(workspace, options)  # what stopped this run keeps no alert of an earlier one waiting
        raise
    console = workspace.console
    for attempt in attempts:
        _say(workspace, attempt)
    deliveries = _deliver(workspace, options)
    for line in deliveries.lines:
        console.say(line)
    runs = [_document(attempt) for attempt in attempts]
    console.document("run", {"runs": runs, "deliveries": deliveries.document, "exit_code": int(code)})
    return code


def _deliver(workspace: Workspace, options: dict[str, Any]) -> DeliveryReport:
    if options["dry_run"]:
        return DeliveryReport()
    return deliver_after_runs(workspace)


def _say(workspace: Workspace, attempt: Attempt) -> None:
    console, result = workspace.console, attempt.result
    if result is None:
        return
    whose = f"{result.subject} (fallback: the gate failed)" if result.fallback else result.subject
    done = "published" if result.published else "not published"
    rows = ", ".join(f"{count:,} rows of {table}" for table, count in result.rows.items())
    console.say(f"{attempt.task}: {done} as of {str(result.as_of)[:16]}, {rows or 'no rows'}, by {whose}")
    if result.reason:
        console.say(f"  {result.reason}")
    if result.alerts is not None:
        alerts = result.alerts
        held_back = f", {alerts.held_back:,} of less value held back" if alerts.held_back else ""
        console.say(f"  alerts: {alerts.raised:,} raised{held_back}, {alerts.closed:,} closed")
    for report in result.reports:
        console.say(f"  {report}")


def _document(attempt: Attempt) -> dict[str, Any]:
    if attempt.result is not None:
        result = vars(attempt.result)
        alerts = attempt.result.alerts
        return {
            **result,
            "metrics": [vars(row) for row in attempt.result.metrics],
            "alerts": vars(alerts) if alerts is not None else None,
        }
    assert attempt.error is not None
    error = {"message": attempt.error.message, "remedy": attempt.error.remedy}
    return {"task": attempt.task, "exit_code": int(attempt.exit_code), "error": error}

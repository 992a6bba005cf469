"""`forecasting run`: the nightly job."""

from __future__ import annotations

from typing import Any

import click

from forecasting.app.delivering import DeliveryReport, deliver_after_runs
from forecasting.app.jobs import JobRequest, JobResult, run_job
from forecasting.app.options import INSTANT, global_options, with_workspace
from forecasting.app.running import Attempt, plan, run_all
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError, ExitCode, ForecastingError


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
@click.option("--fence", type=int, hidden=True, help="Of the claim that a scheduler made for this process.")
@global_options
@with_workspace
def command(
    workspace: Workspace, tasks: tuple[str, ...], job: str | None, fence: int | None, **options: Any
) -> ExitCode:
    """Forecast, judge and publish TASKs, or what a job names.

    A run claims its slot, reads and checks the sources, trains where needed, compares the model with baselines and
    champion, publishes the winner's rows in one step and writes the reports; then alerts that are due are delivered,
    which the exit code does not ask about. Times are ISO 8601, UTC where they name no zone; a bare date is its first
    instant. Exit code 3: the gate failed, and the rows published are the best baseline's or the champion's. With
    several tasks: the first present of 1, 4, 3, 5, 0.
    """
    if job is not None and tasks:
        raise ConfigurationError("Name either tasks or --job, not both.", remedy="A job names its task itself.")
    if job is None and not tasks:
        raise ConfigurationError("Name a task to run, or a job.", remedy="`forecasting tasks` lists what there is.")
    try:
        if job is not None:
            done = run_job(workspace, JobRequest(job, fence=fence, **options))
            attempts, code, about = done.runs, done.exit_code, _job(job, done)
        else:
            found, code = run_all(workspace, plan(workspace, tasks, **options))
            attempts, about, done = tuple(found), {}, None
    except ForecastingError:
        _deliver(workspace, options)  # what stopped this run keeps no alert of an earlier one waiting
        raise
    console = workspace.console
    for attempt in attempts:
        _say(workspace, attempt)
    for path in (path for paths in (done.reports if done else {}).values() for path in paths):
        console.say(str(path))
    deliveries = done.deliveries if done and workspace.job(str(job)).alerts else _deliver(workspace, options)
    for line in deliveries.lines:
        console.say(line)
    runs = [_document(attempt) for attempt in attempts]
    console.document("run", {**about, "runs": runs, "deliveries": deliveries.document, "exit_code": int(code)})
    return code


def _job(name: str, done: JobResult) -> dict[str, Any]:
    """What the document says of a job."""
    reports = [{"task": task, "files": paths} for task, paths in done.reports.items()]
    return {"job": name, "slot": done.slot, "attempt": done.attempt, "reports": reports}


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

"""`forecasting backtest`: what would we have said?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecasting.app import backtesting
from forecasting.app.figures import figures
from forecasting.app.options import INSTANT, global_options, with_workspace
from forecasting.app.workspace import Workspace
from forecasting.clock import shown
from forecasting.schema import ExitCode


@click.command("backtest")
@click.argument("task")
@click.option("--from", "start", type=INSTANT, required=True, metavar="A", help="Fit on what was known at A.")
@click.option("--to", "end", type=INSTANT, required=True, metavar="B", help="Predict every case in [A, B).")
@click.option(
    "--refit", "refit_days", type=click.IntRange(1), metavar="DAYS", help="Fit again every DAYS.  [default: once]"
)
@click.option(
    "--every",
    "every_days",
    type=click.IntRange(1),
    metavar="DAYS",
    help="Make cases every DAYS, where the task allows.",
)
@click.option(
    "--out",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the forecasts to DIR, a Parquet file for each table.",
)
@global_options
@with_workspace
def command(workspace: Workspace, **options: Any) -> ExitCode:
    """What would TASK have said? Forecasts in hindsight, beside the baselines.

    The model is fitted on what was known at A. Between fits its weights stand still while the inputs follow the
    clock: each case sees all that was known at its own cutoff. The files of --out hold the rows of the task's tables
    with a column `cutoff`. Nothing in a warehouse changes. Exit code 3 where the gate would have failed; the files
    are written all the same.
    """
    request = backtesting.BacktestRequest(**options)
    with workspace.console.progress() as progress:
        result = backtesting.run(workspace, request, progress)
    console, outcome = workspace.console, result.backtest
    spec = workspace.task_class(request.task).spec
    console.say(f"{request.task}: {outcome.cases:,} cases from {shown(request.start)} to {shown(request.end)}")
    headings, table = figures(outcome.metrics, spec)
    if table:
        console.table(headings, table)
    console.say(f"Gate {'passed' if outcome.verdict.passed else 'failed'}: {outcome.verdict.reason}")
    for file in result.files:
        console.say(str(file))
    console.document(
        "backtest",
        {
            "task": request.task,
            "from": request.start,
            "to": request.end,
            "cases": outcome.cases,
            "gate": {"metric": spec.gate_metric, **vars(outcome.verdict)},
            "metrics": [vars(row) for row in outcome.metrics],
            "files": result.files,
            "exit_code": int(result.exit_code),
        },
    )
    return result.exit_code

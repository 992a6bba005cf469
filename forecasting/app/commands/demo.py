"""`forecasting demo`: the main job on real sales."""

from __future__ import annotations

import time

import click

from forecasting.app import config, invoices, simulated_supply
from forecasting.app.demo import DAYS, Demo, run_demo
from forecasting.app.figures import figures
from forecasting.app.options import chosen, console_of, global_options
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


@click.command("demo")
@global_options
@click.pass_context
def command(context: click.Context) -> ExitCode:
    """Run the main job on real sales that come with the suite, and compare what it said with what happened.

    Loads the 541,909 lines of Online Retail (CC BY 4.0) into a warehouse, by default SQLite below var/, forecasts
    demand as of 11 November 2011, publishes, writes the inventory report, and holds it against the 28 days that
    followed. Stock levels and lead times are simulated. It takes no configuration file, and a second call finds
    everything done. Exit code 3 where the gate let only a baseline through.
    """
    console, started = console_of(context), time.monotonic()
    configuration = config.load(warehouse=chosen(context).get("warehouse"), search=False)
    console.logs = configuration.var / "logs"
    if not {"verbose", "quiet"} & chosen(context).keys():
        console.set_level("error")  # the demo tells its steps itself
    workspace = Workspace(configuration, console)
    console.say(f"Data: {invoices.ATTRIBUTION}.")
    console.say(f"Note: {simulated_supply.NOTE}")
    console.say()
    try:
        with console.progress() as progress:
            demo = run_demo(workspace, console.say, progress)
    finally:
        workspace.close()
    seconds = time.monotonic() - started
    _say(workspace, demo, seconds)
    comparison = demo.comparison
    console.document(
        "demo",
        {
            "done_before": not demo.anew,
            "steps": demo.anew,
            "warehouse": demo.warehouse,
            "run_id": comparison.run_id,
            "subject": comparison.subject,
            "expected_units": comparison.expected,
            "sold_units": comparison.sold,
            "metrics": [vars(row) for row in comparison.metrics],
            "notes": [simulated_supply.NOTE, invoices.NOTE],
            "reports": demo.reports,
            "seconds": round(seconds, 1),
            "exit_code": int(demo.exit_code),
        },
    )
    return demo.exit_code


def _say(workspace: Workspace, demo: Demo, seconds: float) -> None:
    console, comparison = workspace.console, demo.comparison
    if not demo.anew:
        console.say("Everything is done already; this is what came of it.")
    console.say()
    console.table(
        *figures(comparison.metrics, demo.gate_metric),
        title=f"What was said, and what happened in the {DAYS} days after (smaller is better; coverages: 0.80, 0.95)",
    )
    console.say()
    console.say(f"Published: {comparison.subject}.")
    console.say(f"Expected {comparison.expected:,.0f} units in all, sold {comparison.sold:,.0f}.")
    console.say("Stock levels, lead times and costs in the report are simulated.")
    at = f" --warehouse {demo.warehouse}" if workspace.configuration.warehouse else ""
    console.say(f"Look around: forecasting{at} status")
    console.say()
    console.say(f"Report, after {seconds:.0f} s: {demo.reports[0]}")

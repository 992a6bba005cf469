"""`forecasting demo`: the jobs on real sales."""

from __future__ import annotations

import time

import click

from forecasting.app import config, invoices, simulated_fulfilment, simulated_supply
from forecasting.app.acts import ACTS
from forecasting.app.demo import Demo, configured, run_demo
from forecasting.app.figures import figures
from forecasting.app.options import chosen, console_of, global_options
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode

SIMULATED = (simulated_supply.NOTE, simulated_fulfilment.NOTE)
"""What is not real in the demo, for the screen."""


@click.command("demo")
@click.argument("tasks", nargs=-1, metavar="[TASK...]", type=click.Choice([act.task for act in ACTS]))
@global_options
@click.pass_context
def command(context: click.Context, tasks: tuple[str, ...]) -> ExitCode:
    """Run the jobs on real sales that come with the suite, all or TASKs, and compare what they said with what happened.

    Loads the 541,909 lines of Online Retail (CC BY 4.0) into a warehouse, by default SQLite below var/, and works as
    of 11 November 2011: forecasts demand and plans orders, recommends items to every customer, asks who is about to
    leave and alerts, tells when each open order will arrive, publishes, writes the reports, and holds them against what
    followed (of churn, what it said on 10 September). Stock levels, lead times, packing and delivery are simulated. Two
    tasks run beside each other where there are cores for them. It takes no configuration file, and a second call finds
    everything done. Exit code 3 where the gate let only a baseline through.
    """
    console, started = console_of(context), time.monotonic()
    configuration = configured(config.load(warehouse=chosen(context).get("warehouse"), search=False))
    console.logs = configuration.var / "logs"
    if not {"verbose", "quiet"} & chosen(context).keys():
        console.set_level("error")  # the demo tells its steps itself
    workspace = Workspace(configuration, console)
    console.say(f"Data: {invoices.ATTRIBUTION}.")
    for note in SIMULATED:
        console.say(f"Note: {note}")
    console.say()
    try:
        with console.progress() as progress:
            demo = run_demo(workspace, tasks, console.say, progress)
        seconds = time.monotonic() - started
        _say(workspace, demo, seconds)
    finally:
        workspace.close()
    console.document(
        "demo",
        {
            "done_before": not demo.anew,
            "steps": demo.anew,
            "warehouse": demo.warehouse,
            "notes": [*SIMULATED, invoices.NOTE],
            "tasks": {
                comparison.task: {
                    "run_id": comparison.run_id,
                    "subject": comparison.subject,
                    "outcome": comparison.outcome,
                    "metrics": [vars(row) for row in comparison.metrics],
                    "reports": comparison.reports,
                    "exit_code": comparison.exit_code,
                }
                for comparison in demo.comparisons
            },
            "alerts": demo.alerts,
            "seconds": round(seconds, 1),
            "exit_code": int(demo.exit_code),
        },
    )
    return demo.exit_code


def _say(workspace: Workspace, demo: Demo, seconds: float) -> None:
    console = workspace.console
    if not demo.anew:
        console.say("Everything is done already; this is what came of it.")
    acts = {act.task: act for act in ACTS}
    for comparison in demo.comparisons:
        act = acts[comparison.task]
        console.say()
        title = f"{act.task}: {act.heading[0].lower()}{act.heading[1:]}"
        console.table(*figures(comparison.metrics, workspace.task_class(act.task).spec), title=title)
        console.say(act.note)
        console.say(f"Published: {comparison.subject}. {comparison.outcome}")
    console.say()
    console.say(
        "Simulated: stock levels, lead times and costs in the inventory report, all but orders in that of open orders."
    )
    at = f" --warehouse {demo.warehouse}" if workspace.configuration.warehouse else ""
    console.say(f"Look around: forecasting{at} status")
    console.say()
    console.say(f"Reports, after {seconds:.0f} s:")
    for comparison in demo.comparisons:
        console.say(f"  {comparison.reports[0]}")
    if demo.alerts:
        console.say("Alerts for CRM, one file for each night that raised any:")
    for file in demo.alerts:
        console.say(f"  {file}")

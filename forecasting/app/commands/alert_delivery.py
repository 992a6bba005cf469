"""`forecasting alerts deliver`: what is due goes out."""

from __future__ import annotations

import time

import click

from forecasting.app.delivering import DeliveryReport, deliver
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


@click.command("deliver")
@click.option("--channel", metavar="NAME", help="Deliver through this channel alone.  [default: all]")
@click.option("--given-up", is_flag=True, help="Try again what was given up, too: the receiver is repaired.")
@click.option(
    "--watch",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Look again after so many seconds, until interrupted.",
)
@global_options
@with_workspace
def command(workspace: Workspace, channel: str | None, given_up: bool, watch: float | None) -> ExitCode:
    """Send the alerts that are due through the channels of the configuration, `[alerts.NAME]`.

    Every `run` does so at its end; let cron call this every few minutes for what a receiver did not take at once.
    Pauses between attempts grow from half a minute to six hours; after `max_attempts` an alert is given up for that
    channel. Each arrives at least once, and under the same key if more than once. Exit code 1 where something failed
    or was given up.
    """
    report = _deliver(workspace, channel, given_up)
    _say(workspace, report)
    while watch is not None:
        try:
            time.sleep(watch)
            report = _deliver(workspace, channel)
        except KeyboardInterrupt:  # the way in which watching ends
            break
        _say(workspace, report, repeated=True)
    workspace.console.document("alerts deliver", {**report.document, "exit_code": int(report.exit_code)})
    return report.exit_code


def _deliver(workspace: Workspace, channel: str | None, given_up: bool = False) -> DeliveryReport:
    with workspace.console.progress() as progress:
        return deliver(workspace, channel=channel, given_up=given_up, progress=progress)


def _say(workspace: Workspace, report: DeliveryReport, *, repeated: bool = False) -> None:
    for line in report.lines:
        workspace.console.say(line)
    if not workspace.configuration.alerts:
        workspace.console.say(
            f"No channel is configured: add a table [alerts.NAME] to {workspace.configuration.label}."
        )
    elif not report.lines and not repeated:
        workspace.console.say("Nothing is due.")

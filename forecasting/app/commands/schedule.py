"""`forecasting schedule`: every job at its time, on any number of machines."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable
from typing import Any

import click

from forecasting.app.options import chosen, global_options, with_workspace
from forecasting.app.request import worst
from forecasting.app.side_by_side import cores
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode

log = logging.getLogger(__name__)


@click.command("schedule")
@click.option("--once", is_flag=True, help="Do what is due now, and end.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Jobs that this scheduler runs at a time.  [default: one for each core]",
)
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve metrics for Prometheus on this port."
)
@click.option(
    "--metrics-address", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen for it."
)
@global_options
@with_workspace
@click.pass_context
def command(
    context: click.Context,
    workspace: Workspace,
    once: bool,
    workers: int | None,
    metrics_port: int | None,
    metrics_address: str,
) -> ExitCode:
    """Run the jobs of the configuration when they are due, until it is stopped.

    Slots are computed from the schedules, and what was done stands in the warehouse: a scheduler that slept, was
    started late or crossed a change of clocks runs each due slot once, and any number of schedulers, cron lines and
    people may share the work. Each slot runs in a process of its own. SIGTERM or Ctrl-C stops it, and what runs, within
    ten seconds; the slots are free again. It reads the configuration once: restart it after a change.

    With --once the exit code is the first present of 1, 2, 4, 3, 0 of the jobs run.
    """
    from forecasting.app.scheduling import Scheduler

    scheduler = Scheduler(workspace, _global(context), workers or cores())
    console = workspace.console
    if once:
        try:
            scheduler.run_once()
        finally:
            scheduler.stop()
        code = worst([ExitCode.DONE if one is ExitCode.SLOT_TAKEN else one for one in scheduler.codes])
        console.say(f"{len(scheduler.codes)} slots run." if scheduler.codes else "Nothing is due.")
        console.document("schedule", {"slots": len(scheduler.codes), "exit_code": int(code)})
        return code
    with contextlib.ExitStack() as stack:
        if metrics_port is not None:
            stack.callback(_serve(workspace, metrics_port, metrics_address))
        console.say(f"Scheduling {len(scheduler.jobs)} jobs: {', '.join(scheduler.jobs)}")
        try:
            scheduler.run()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the clean stop short
            scheduler.stop()
    console.say("Stopped.")
    console.document("schedule", {"slots": len(scheduler.codes), "exit_code": 0})
    return ExitCode.DONE


def _serve(workspace: Workspace, port: int, address: str) -> Callable[[], None]:
    from forecasting.app.metrics_port import serve

    served = serve(lambda: Workspace(workspace.configuration, workspace.console), port, address)
    log.info("metrics at http://%s:%d/metrics", address, served.port)
    return served.stop


def _global(context: click.Context) -> list[str]:
    """The global options given, for workers."""
    given: dict[str, Any] = chosen(context)
    named = {name: ["--" + name, str(given[name])] for name in ("config", "warehouse") if name in given}
    flags = [f"--{name}" for name in ("verbose", "quiet") if name in given]
    return [word for words in named.values() for word in words] + flags

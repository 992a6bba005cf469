"""`forecasting check`: look before you run."""

from __future__ import annotations

import click

from forecasting.app.checking import check
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode

STATES = {
    "new": "new: the first run makes its tables",
    "outdated": "lacks tables: `forecasting db upgrade` brings them",
    "ready": "ready",
}


@click.command("check")
@global_options
@with_workspace
def command(workspace: Workspace) -> ExitCode:
    """Check configuration, warehouses, sources and data, and say all that is wrong at once.

    Reads every source that a configured task needs, writes nothing. Exit code 2 where the configuration cannot be
    followed, 4 where a source is missing or holds too many bad rows. Where the file names no tasks, all installed
    ones are tried, and one without its sources is no error as long as another can run.
    """
    with workspace.console.progress() as progress:
        progress("reading sources", 0, 0)
        found = check(workspace)
    console = workspace.console
    console.say(f"Results go to {found.results} ({STATES[found.results_state]}).")
    console.say()
    console.table(
        ["source", "state", "where", "rows", "set aside", "latest (UTC)", "times without a zone", "not there"],
        [
            [s.source, s.state, s.place, s.rows, s.bad, s.latest, s.timezone, ", ".join(s.missing)]
            for s in found.sources
        ],
    )
    console.say()
    said = {str(error) for error in found.errors}  # once is enough, below
    for source in found.sources:
        for line in source.lines():
            if line not in said:
                console.say(f"{source.source}: {line}")
    console.say()
    for task in found.tasks:
        console.say(f"task {task.task}: {'ready' if task.ready else task.problem}")
        for note in task.notes:
            console.say(f"  {note}")
    for channel in found.channels:
        console.say(f"alerts through {channel.channel}: {'ready' if channel.ready else channel.problem}")
        for note in channel.notes:
            console.say(f"  {note}")
    for error in found.errors:
        console.error(str(error))
    console.document(
        "check",
        {
            "results": {"address": found.results, "state": found.results_state},
            "sources": [vars(source) for source in found.sources],
            "tasks": [vars(task) for task in found.tasks],
            "channels": [vars(channel) for channel in found.channels],
            "errors": [{"message": error.message, "remedy": error.remedy} for error in found.errors],
            "exit_code": int(found.exit_code),
        },
    )
    return found.exit_code

"""`forecasting tasks`: what is installed and configured, and whether a task keeps its promises."""

from __future__ import annotations

import click

from forecasting.app.options import global_options, with_workspace
from forecasting.app.tasks import check_task, list_tasks
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


@click.group("tasks", invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
@click.pass_context
def command(context: click.Context) -> None:
    """List the installed tasks, or check one.

    Tasks are found by the entry-point group `forecasting.tasks`: a stranger's package brings its own.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list)


@with_workspace
def _list(workspace: Workspace) -> None:
    tasks = list_tasks(workspace)
    console = workspace.console
    console.table(
        ["task", "type", "question", "gate metric", "tables", "from"],
        [[t.name, t.type, t.question, t.gate_metric, ", ".join(t.tables), t.package] for t in tasks],
    )
    console.document("tasks", {"tasks": [vars(task) for task in tasks]})


@command.command("check")
@click.argument("name")
@global_options
@with_workspace
def check(workspace: Workspace, name: str) -> ExitCode:
    """Run the public contract suite on the task NAME, built-in or a stranger's.

    It tries the task on its own small example: determinism, the two clocks, storing and restoring, output rows.
    Exit code 1 where a promise is broken.
    """
    console, findings = workspace.console, []
    for finding in check_task(workspace, name):
        findings.append(finding)
        console.say(f"{'ok  ' if finding.kept else 'FAIL'}  {finding.promise}")
        if not finding.kept:
            console.say(f"      {finding.seen}")
    broken = [finding for finding in findings if not finding.kept]
    console.say(f"{len(findings) - len(broken)} of {len(findings)} promises kept.")
    code = ExitCode.ERROR if broken else ExitCode.DONE
    console.document(
        "tasks check",
        {
            "task": name,
            "passed": not broken,
            "promises": [{"promise": f.promise, "kept": f.kept, "seen": f.seen} for f in findings],
            "exit_code": int(code),
        },
    )
    return code

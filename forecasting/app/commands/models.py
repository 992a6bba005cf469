"""`forecasting models`: what was trained, who reigns, and where rows come from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import click

from forecasting.app import crowning
from forecasting.app.crowning import Crowned
from forecasting.app.lineage import Lineage, lineage
from forecasting.app.modelling import list_models
from forecasting.app.options import global_options, with_workspace
from forecasting.app.person import user
from forecasting.app.workspace import Workspace


class Models(click.Group):
    """A listing, unless the first word is one of the other commands' names."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Puts "list" in front where no command is named."""
        word = _first_word(args, {name for option in list_.params for name in option.opts if _takes_value(option)})
        if word not in self.commands and (word is not None or not {"--help", "-h"} & set(args)):
            args = ["list", *args]
        return super().parse_args(context, args)


def _takes_value(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.is_flag


def _first_word(args: list[str], with_value: Collection[str]) -> str | None:
    """The first argument that is no option and no option's value."""
    before = ""
    for argument in args:
        if not argument.startswith("-") and before not in with_value:
            return argument
        before = argument
    return None


@click.group(
    "models",
    cls=Models,
    subcommand_metavar="[TASK] | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@global_options
def command() -> None:
    """List the stored models, newest first, of TASK or of all; say where one comes from; choose the champion.

    Without a command's name it lists, with the options of `models list`; a task that is called like one of the commands
    is listed by that alone.

    Each artifact is held against the SHA-256 of the ledger: one that was altered or is gone is marked, and a run would
    refuse it and train anew.
    """


@command.command("list")
@click.argument("task", required=False)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show.")
@global_options
@with_workspace
def list_(workspace: Workspace, task: str | None, limit: int) -> None:
    """List the stored models, newest first, of TASK or of all, and say of each whether its artifact is intact."""
    stored = list_models(workspace, task, limit=limit)
    console = workspace.console
    if not stored:
        console.say("No model is stored yet. `forecasting run` trains the first.")
    else:
        console.table(
            ["model", "task", "encoder", "trained until", "created", "champion", "artifact"],
            [
                [
                    one.record.model_id,
                    one.record.task,
                    one.record.encoder,
                    one.record.trained_until,
                    one.record.created_at,
                    "champion" if one.record.champion else "",
                    one.problem or "intact",
                ]
                for one in stored
            ],
        )
    console.document("models", {"models": [{**vars(one.record), "problem": one.problem} for one in stored]})


@command.command("show")
@click.argument("identifier", metavar="ID")
@global_options
@with_workspace
def show(workspace: Workspace, identifier: str) -> None:
    """Where rows come from. ID: of a model, or the run_id that a row bears.

    Says which run made the rows and which model, on what data, by which code and with which options; which run trained
    that model, what it was fine-tuned from, and when it was champion.
    """
    found = lineage(workspace, identifier)
    console, model = workspace.console, found.model
    for name, value in _facts(found):
        console.say(f"{name:<14} {value}")
    document = {
        "run": vars(found.run) if found.run else None,
        "model": {**vars(model), "problem": found.problem} if model else None,
        "trained_by": vars(found.trained_by) if found.trained_by else None,
        "line": [vars(one) for one in found.line],
        "reigns": [vars(reign) for reign in found.reigns],
        "runs": found.runs,
        "published": found.published,
    }
    console.document("models show", document)


def _choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the commands that move the crown."""
    option = click.option("--by", metavar="NAME", help="Who decides, for the ledger.  [default: the user's name]")
    return option(global_options(with_workspace(function)))


@command.command("promote")
@click.argument("model_id")
@_choosing
def promote(workspace: Workspace, model_id: str, by: str | None) -> None:
    """Make a stored model the champion of its task.

    Its artifact must be intact and its task configured. What is published stays until the next run publishes; whether
    that run keeps to the model or trains anew is said. A model that reigns already is left alone.
    """
    _say(workspace, "promote", crowning.promote(workspace, model_id, by or user()))


@command.command("rollback")
@click.argument("task")
@_choosing
def rollback(workspace: Workspace, task: str, by: str | None) -> None:
    """Give the crown of TASK back to the champion before.

    The model that loses it is neither renewed nor used by a backfill, unless somebody promotes it. Asked for twice it
    is done once: to go further back, promote the model you want. What is published stays until the next run publishes;
    whether that run keeps to the model or trains anew is said.
    """
    _say(workspace, "rollback", crowning.rollback(workspace, task, by or user()))


def _say(workspace: Workspace, verb: str, crowned: Crowned) -> None:
    console, champion, before = workspace.console, crowned.champion, crowned.before
    known = f"{champion.model_id}, trained until {champion.trained_until:%Y-%m-%d %H:%M} UTC"
    if crowned.changed:
        instead = f" in the place of {before.model_id}" if before else ""
        console.say(f"{champion.task}: {known}, is champion{instead}.")
    else:
        console.say(f"{champion.task}: {known}, is champion already; nothing was changed.")
    for note in crowned.notes:
        console.say(f"  {note}")
    console.document(
        f"models {verb}",
        {
            "task": champion.task,
            "champion": champion.model_id,
            "before": before.model_id if before else None,
            "changed": crowned.changed,
            "notes": crowned.notes,
        },
    )


def _facts(found: Lineage) -> list[tuple[str, str]]:
    """What a person wants to know first."""
    run, model, trained_by = found.run, found.model, found.trained_by
    facts = []
    if run is not None:
        whose = f"{run.subject or 'nobody'}{' (fallback)' if run.fallback else ''}"
        facts += [
            ("run", f"{run.run_id} of {run.task}, {run.state}, {'published' if found.published else 'not published'}"),
            ("as of", f"{run.as_of:%Y-%m-%d %H:%M} UTC, for {run.trigger}"),
            ("rows by", whose),
            *_circumstances(run),
        ]
    if model is None:
        return facts
    state = "intact" if not found.problem else found.problem
    facts += [
        ("model", f"{model.model_id} of {model.task}{', champion' if model.champion else ''}"),
        ("trained until", f"{model.trained_until:%Y-%m-%d %H:%M} UTC"),
        ("artifact", f"{model.uri}, {state}"),
        ("sha256", model.sha256),
        ("options", str(dict((model.config or {}).get("options", {})))),
        *(("renewed from", one.model_id) for one in found.line),
        *(("crowned", f"{reign.crowned_at:%Y-%m-%d %H:%M} UTC by {_cause(reign)}") for reign in found.reigns),
        ("used by", f"{found.runs:,} run{'' if found.runs == 1 else 's'}{', published' if found.published else ''}"),
    ]
    if trained_by is not None and (run is None or trained_by.run_id != run.run_id):
        facts += [("trained in", f"run {trained_by.run_id} as of {trained_by.as_of:%Y-%m-%d %H:%M} UTC")]
        facts += _circumstances(trained_by)
    return facts


def _circumstances(run: Any) -> list[tuple[str, str]]:
    window = f"{run.data_from:%Y-%m-%d %H:%M} to {run.data_until:%Y-%m-%d %H:%M} UTC" if run.data_from else "unknown"
    return [("code", run.code_version or "unknown"), ("data", window)]


def _cause(reign: Any) -> str:
    return f"a {reign.cause}{f' ({reign.crowned_by})' if reign.crowned_by else ''}"

"""`forecasting alerts`: what tasks warn about, and what people have done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from forecasting.app import alerting
from forecasting.app.alerting import Entry, Handled, Named
from forecasting.app.commands import alert_delivery
from forecasting.app.options import INSTANT, global_options, with_workspace
from forecasting.app.person import user
from forecasting.app.workspace import Workspace
from forecasting.clock import aware
from forecasting.schema import ALERT_STATES, AlertLedger


@click.group("alerts", context_settings={"help_option_names": ["-h", "--help"]})
@global_options
def command() -> None:
    """List, deliver, acknowledge, close and prune the alerts that tasks raised.

    A run raises an alert when something that a task watches gets worse, such as a customer's risk of leaving, and
    closes it when that has settled itself. It stays open until every channel of [alerts.NAME] was told of it, then is
    delivered, and acknowledged once a person has seen to it.
    """


@command.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice(ALERT_STATES),
    multiple=True,
    help="Of this state; may be repeated.  [default: all but closed]",
)
@click.option("--task", metavar="NAME", help="Of this configured task alone.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show.")
@global_options
@with_workspace
def list_(workspace: Workspace, states: tuple[str, ...], task: str | None, limit: int) -> None:
    """List alerts, the newest first.

    Of one night, the worst and most valuable come first. With --json each has every column of its ledger.
    """
    found, total = alerting.listed(workspace, states=states or alerting.NOT_CLOSED, task=task, limit=limit)
    console = workspace.console
    ledgers = list(dict.fromkeys(entry.ledger for entry in found))
    for ledger in ledgers:
        mine = [entry for entry in found if entry.ledger == ledger]
        console.table(*_table(ledger, mine), title=ledger.name if len(ledgers) > 1 else "")
    if not found:
        console.say("No alert is open." if not states else "There is no such alert.")
    elif total > len(found):
        console.say(f"{len(found):,} of {total:,} alerts; --limit shows more.")
    console.document("alerts list", {"alerts": [entry.document() for entry in found], "total": total})


def _which(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that name alerts and the person who acts."""
    parameters = (
        click.argument("ids", nargs=-1, metavar="[ALERT_ID...]"),
        click.option(
            "--customer",
            "--entity",
            "entities",
            metavar="ID",
            multiple=True,
            help="Every alert about this customer, or whatever else the task watches, that is not closed.",
        ),
        click.option("--task", metavar="NAME", help="Of this configured task alone."),
        click.option("--by", metavar="NAME", help="Who has seen to it.  [default: the user's name]"),
    )
    for parameter in reversed(parameters):
        function = parameter(function)
    return function


command.add_command(alert_delivery.command)


@command.command("acknowledge")
@_which
@global_options
@with_workspace
def acknowledge(
    workspace: Workspace, ids: tuple[str, ...], entities: tuple[str, ...], task: str | None, by: str | None
) -> None:
    """Note that a person has seen to alerts.

    They are named by id or by customer. An alert keeps the name of whoever acknowledged it first; one that is closed
    stays closed. Should one of those named be unknown, nothing is changed.
    """
    handled = alerting.acknowledge(workspace, Named(ids, entities, task), by or user())
    _say(workspace, "acknowledge", handled)


@command.command("close")
@_which
@global_options
@with_workspace
def close(
    workspace: Workspace, ids: tuple[str, ...], entities: tuple[str, ...], task: str | None, by: str | None
) -> None:
    """Close alerts by hand.

    They are named by id or by customer, and channels that want to know are told. An alert closes by itself when the
    customer buys; within the cooldown no other of the same level is raised. Should one of those named be unknown,
    nothing is changed.
    """
    handled = alerting.close(workspace, Named(ids, entities, task), by or user())
    _say(workspace, "close", handled)


@command.command("prune")
@click.option("--before", type=INSTANT, metavar="T", help="Alerts that were closed before T.")
@click.option(
    "--customer",
    "--entity",
    "entities",
    metavar="ID",
    multiple=True,
    help="Every alert about this customer, open ones too; may be repeated.",
)
@click.option("--channel", metavar="NAME", help="What a channel was never told that is no longer configured.")
@global_options
@with_workspace
def prune(workspace: Workspace, before: Any, entities: tuple[str, ...], channel: str | None) -> None:
    """Delete alerts and their deliveries for good.

    Nothing else ever does: call it where they grow too many, or where a customer has asked to be forgotten, once the
    sources know nothing of them any more. No channel is told. Whoever is forgotten within the cooldown may be alerted
    about anew.
    """
    moment = aware(before) if before is not None else None
    pruned = alerting.prune(workspace, before=moment, entities=entities, channel=channel)
    workspace.console.say(f"Deleted {pruned.alerts:,} alerts and {pruned.deliveries:,} deliveries.")
    workspace.console.document("alerts prune", vars(pruned))


def _say(workspace: Workspace, name: str, handled: Handled) -> None:
    for entry in handled.changed:
        workspace.console.say(f"{entry.alert['alert_id']}  {entry.entity}: {entry.alert['state']}")
    for entry in handled.unchanged:
        workspace.console.say(f"{entry.alert['alert_id']}  {entry.entity}: {_already(entry)}")
    parts = {key: [entry.document() for entry in getattr(handled, key)] for key in ("changed", "unchanged")}
    workspace.console.document(f"alerts {name}", parts)


def _already(entry: Entry) -> str:
    alert = entry.alert
    if alert["state"] == "closed":
        return f"closed already, {alert['closed_because']}"
    return f"{alert['state']} already, by {alert['acknowledged_by']}"


def _table(ledger: AlertLedger, entries: Sequence[Entry]) -> tuple[list[str], list[list[Any]]]:
    columns = ["alert_id", "task", ledger.entity, ledger.level, "as_of", "raised_at", "state", "acknowledged_by"]
    if any(column.name == ledger.value for column in ledger.copied):
        columns.insert(4, ledger.value)
    if any(entry.alert["state"] == "closed" for entry in entries):
        columns.append("closed_because")
    headings = ["alert", *(name.removesuffix("_id").replace("_", " ") for name in columns[1:])]
    return headings, [[entry.alert[name] for name in columns] for entry in entries]

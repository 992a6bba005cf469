"""Alerts between configuration and warehouse: raised in a run, listed, acknowledged, closed and forgotten by people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import alerts, migrate, pruning
from db.announcing import Alert
from db.engines import Warehouse
from db.pruning import Pruned
from db.publishing import Move, Then
from db.raising import Raised, raise_alerts
from forecasting.app.delivering import interests
from forecasting.app.migrating import is_new, lineages
from forecasting.app.workspace import Workspace
from forecasting.schema import ALERT_STATES, AlertLedger, ConfigurationError, ForecastingError
from forecasting.task import Alerting, Task

_LOOK = "`forecasting alerts list` shows what there is."

NOT_CLOSED = tuple(state for state in ALERT_STATES if state != "closed")


@dataclass(frozen=True)
class Entry:
    """An alert and the ledger in which it stands."""

    ledger: AlertLedger
    alert: Alert

    @property
    def entity(self) -> str:
        """Whom it is about."""
        return self.alert[self.ledger.entity]

    def document(self) -> dict[str, Any]:
        """The ledger's columns, with its name."""
        return {"ledger": self.ledger.name, **self.alert}


@dataclass(frozen=True)
class Named:
    """The alerts that somebody means: by id, and all that are not closed about these entities. `task`: of one
    configured task alone."""

    alert_ids: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    task: str | None = None


@dataclass(frozen=True)
class Handled:
    """What came of a request: the alerts that changed, and those that were in that state, or past it, before."""

    changed: tuple[Entry, ...]
    unchanged: tuple[Entry, ...]


def raising(workspace: Workspace, task: Task, name: str, told: Callable[[Raised], None]) -> Then | None:
    """What a publication of the configured task does about alerts, None where it has none. `told`: the result."""
    ledger = task.spec.alerts
    if ledger is None:
        return None
    if not isinstance(task, Alerting):
        raise ConfigurationError(f"Task {name!r} declares alerts but has no alert_policy.")
    output = next((output for output in task.spec.outputs if output.name == ledger.output), None)
    if output is None:
        raise ConfigurationError(f"The alerts of task {name!r} watch {ledger.output!r}, which it does not write.")
    policy, channels = task.alert_policy(), interests(workspace.configuration, name)
    watched, written = ledger, output

    def then(connection: sa.Connection, move: Move) -> None:
        told(raise_alerts(connection, watched, written, policy, channels, move))

    return then


def listed(
    workspace: Workspace, *, states: Sequence[str] = NOT_CLOSED, task: str | None = None, limit: int = 50
) -> tuple[list[Entry], int]:
    """Alerts in these states, those raised last first, and how many there are in all."""
    ledgers = _ledgers(workspace, task)
    warehouse = _warehouse(workspace)
    if warehouse is None:
        return [], 0
    found = [
        Entry(ledger, alert)
        for ledger in ledgers
        for alert in alerts.listed(warehouse, ledger, states=states, task=task, limit=limit)
    ]
    total = sum(alerts.count(warehouse, ledger, states=states, task=task) for ledger in ledgers)
    return sorted(found, key=lambda entry: entry.alert["raised_at"], reverse=True)[:limit], total


def acknowledge(workspace: Workspace, named: Named, by: str) -> Handled:
    """Notes that a person has seen to the alerts named."""

    def change(warehouse: Warehouse, ledger: AlertLedger, alert_ids: Sequence[str]) -> list[Alert]:
        return alerts.acknowledge(warehouse, ledger, alert_ids, by)

    return _handle(workspace, named, change)


def close(workspace: Workspace, named: Named, by: str) -> Handled:
    """Closes the alerts named by hand, and puts that into the outbox."""

    def change(warehouse: Warehouse, ledger: AlertLedger, alert_ids: Sequence[str]) -> list[Alert]:
        return alerts.close(warehouse, ledger, alert_ids, by, lambda task: interests(workspace.configuration, task))

    return _handle(workspace, named, change)


def prune(
    workspace: Workspace, *, before: datetime | None = None, entities: Sequence[str] = (), channel: str | None = None
) -> Pruned:
    """Forgets alerts closed before an instant (aware), those about entities, and what a channel was never told.

    Raises ConfigurationError for a channel that is configured: it is still to be told.
    """
    if before is None and not entities and channel is None:
        raise ConfigurationError("Say what is to be forgotten.", remedy="With --before, --customer or --channel.")
    if channel in workspace.configuration.alerts:
        raise ConfigurationError(
            f"The channel {channel!r} is configured, and what waits for it will be sent.",
            remedy=f"Take [alerts.{channel}] out of {workspace.configuration.label} first.",
        )
    warehouse, found = _warehouse(workspace), []
    if warehouse is None:
        return Pruned()
    for ledger in _ledgers(workspace, None):
        if before is not None:
            found.append(pruning.prune_closed(warehouse, ledger, before))
        found.append(pruning.prune_entities(warehouse, ledger, entities))
    if channel is not None:
        found.append(pruning.prune_channel(warehouse, channel))
    return Pruned(sum(one.alerts for one in found), sum(one.deliveries for one in found))


def _handle(
    workspace: Workspace, named: Named, change: Callable[[Warehouse, AlertLedger, Sequence[str]], list[Alert]]
) -> Handled:
    """Finds all that was named before the first is changed: an unknown one changes nothing."""
    if not named.alert_ids and not named.entities:
        raise ConfigurationError("Name an alert by its id, or a customer with --customer.", remedy=_LOOK)
    ledgers, warehouse = _ledgers(workspace, named.task), _warehouse(workspace)
    found = _targets(warehouse, ledgers, named) if warehouse is not None else {}
    _refuse_unknown(found, named)
    assert warehouse is not None  # something was found there
    changed: list[Entry] = []
    for ledger in ledgers:
        mine = [name for name, entry in found.items() if entry.ledger == ledger]
        changed += [Entry(ledger, alert) for alert in change(warehouse, ledger, mine)]
    done = {entry.alert["alert_id"] for entry in changed}
    return Handled(tuple(changed), tuple(entry for name, entry in found.items() if name not in done))


def _targets(warehouse: Warehouse, ledgers: Sequence[AlertLedger], named: Named) -> dict[str, Entry]:
    """What is meant, by id: the alerts of the ids, and of each entity those not closed, or else its last."""
    found: dict[str, Entry] = {}
    for ledger in ledgers:
        meant = alerts.by_id(warehouse, ledger, named.alert_ids)
        about: dict[str, list[Alert]] = {}
        for alert in alerts.by_entity(warehouse, ledger, named.entities):
            if named.task in (None, alert["task"]):
                about.setdefault(alert[ledger.entity], []).append(alert)
        for mine in about.values():
            meant += [one for one in mine if one["state"] != "closed"] or mine[-1:]
        found |= {alert["alert_id"]: Entry(ledger, alert) for alert in meant}
    return {name: entry for name, entry in found.items() if named.task in (None, entry.alert["task"])}


def _refuse_unknown(found: Mapping[str, Entry], named: Named) -> None:
    """Raises ForecastingError for the first that was named and is not there."""
    where = f" of task {named.task!r}" if named.task is not None else ""
    about = {entry.entity for entry in found.values()}
    for name in named.alert_ids:
        if name not in found:
            raise ForecastingError(f"There is no alert {name!r}{where}; nothing was changed.", remedy=_LOOK)
    for name in named.entities:
        if name not in about:
            raise ForecastingError(
                f"No alert{where} was ever raised about {name!r}; nothing was changed.", remedy=_LOOK
            )


def _ledgers(workspace: Workspace, task: str | None) -> list[AlertLedger]:
    """The ledgers of every installed task, or of the configured one. Raises ConfigurationError where it has none."""
    if task is None:
        declared = [task_class.spec.alerts for task_class in workspace.task_classes.values()]
        return list(dict.fromkeys(ledger for ledger in declared if ledger is not None))
    ledger = workspace.task_class(task).spec.alerts
    if ledger is None:
        raise ConfigurationError(f"The task {task!r} raises no alerts.", remedy="`forecasting tasks` lists the others.")
    return [ledger]


def _warehouse(workspace: Workspace) -> Warehouse | None:
    """The results warehouse, None where it has no tables yet. Raises ConfigurationError where it is outdated."""
    warehouse, packages = workspace.results(prepare=False), lineages(workspace)
    if is_new(workspace, warehouse):
        return None
    migrate.require_current(warehouse, packages)
    return warehouse

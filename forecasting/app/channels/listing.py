"""Alerts as people read them: a table, the words of a cell, an alert in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from db.outbox import Delivery
from forecasting.app.channels.channel import Ledgers
from forecasting.schema import AlertLedger
from reports.workbook import write_csv_text

FIRST = ("alert_id", "task", "run_id", "raised_at", "as_of")
LAST = ("closed_at", "closed_because")


def columns(deliveries: Sequence[Delivery], ledgers: Ledgers) -> list[str]:
    """The columns of a table of alerts of one ledger, the same whatever their values: event, the entity, how bad it
    is and what the alert repeats of it, then what only programs read."""
    ledger = ledgers.get(deliveries[0].ledger)
    if ledger is None:
        known = {name for delivery in deliveries for name in delivery.payload}
        return ["event", *sorted(known), "delivery_id"]
    about = [ledger.entity, ledger.level, *(column.name for column in ledger.copied)]
    return ["event", *about, *LAST, *FIRST, "delivery_id"]


def rows(deliveries: Sequence[Delivery], ledgers: Ledgers) -> list[list[Any]]:
    """A row for each, in the order of `columns`; the worst and most valuable first, in an order without chance."""
    names = columns(deliveries, ledgers)
    ordered = sorted(deliveries, key=lambda one: urgency(one, ledgers))
    return [[_cell(delivery, name) for name in names] for delivery in ordered]


def write(file: TextIO, deliveries: Sequence[Delivery], ledgers: Ledgers) -> None:
    """Writes them as CSV, in which no cell can start a formula, into an open text without translated line ends."""
    write_csv_text(file, columns(deliveries, ledgers), rows(deliveries, ledgers))


def urgency(delivery: Delivery, ledgers: Ledgers) -> tuple[Any, ...]:
    """Sorts raised before closed, the worst level first, then the largest value."""
    ledger = ledgers.get(delivery.ledger)
    level, value = 0, 0.0
    if ledger is not None:
        said = delivery.payload.get(ledger.level)
        level = ledger.levels.index(said) if said in ledger.levels else -1
        worth = delivery.payload.get(ledger.value)
        value = float(worth) if isinstance(worth, int | float) else 0.0
    return delivery.event != "raised", -level, -value, delivery.delivery_id


def words(value: Any) -> Any:
    """A list of reasons as one sentence ("usually buys every 21 days, ...; ..."), a number to four places; the rest as
    it is."""
    if isinstance(value, list) and all(isinstance(one, Mapping) and "text" in one for one in value):
        return "; ".join(str(one["text"]) for one in value)
    return round(value, 4) if isinstance(value, float) else value


def describe(delivery: Delivery, ledger: AlertLedger | None) -> tuple[str, list[str]]:
    """An alert as a line ("12347: high, probability 0.81, value 1,234.50") and the lines below it."""
    payload = delivery.payload
    if ledger is None:
        return delivery.alert_id, []
    facts, below = [str(payload.get(ledger.level))], []
    for column in ledger.copied:
        value = words(payload.get(column.name))
        name = column.name.replace("_", " ")
        if isinstance(value, str) and value != payload.get(column.name):
            below.append(_line(value))
        elif value is not None and not isinstance(value, list | dict):
            facts.append(f"{name} {_figure(value)}")
    if payload.get("closed_because"):
        facts.append(f"closed: {payload['closed_because']}")
    return f"{_line(payload.get(ledger.entity))}: {', '.join(facts)}", below


def _cell(delivery: Delivery, name: str) -> Any:
    if name == "event":
        return delivery.event
    if name == "delivery_id":
        return delivery.delivery_id
    return words(delivery.payload.get(name))


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _line(value)
    return f"{value:.2f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}"


def _line(value: Any) -> str:
    """A cell as words in one line: names come from customers."""
    return " ".join(str(value).split())

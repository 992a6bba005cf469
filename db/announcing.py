"""What happens to alerts, told to the channels that want to know: rows of the outbox, in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from db import bulk
from db.outbox import ChannelInterest, Event, delivery_id
from db.tables import ALERT_DELIVERIES

Alert = Mapping[str, Any]
"""A row of a ledger by column: Python values as SQLAlchemy reads and writes them."""


def wanted(channels: Sequence[ChannelInterest], event: Event) -> list[str]:
    """The channels that are to be told of an event."""
    return [channel.name for channel in channels if event in channel.events]


def announce(
    connection: sa.Connection,
    ledger: str,
    alerts: Sequence[Alert],
    event: Event,
    channels: Sequence[ChannelInterest],
    moment: datetime,
    *,
    run: tuple[str, datetime] | None = None,
) -> int:
    """Writes a pending delivery of each alert for each channel that wants the event; the number of deliveries.

    `alerts`: their rows as they are now, none of which was announced with this event before. `run`: id and as-of
    instant (aware) of the run that made the event; by default each alert's own.
    """
    names = wanted(channels, event)
    if not names or not alerts:
        return 0
    payloads = [json.dumps(_payload(alert), ensure_ascii=False) for alert in alerts]
    rows = [(alert, payload, channel) for alert, payload in zip(alerts, payloads, strict=True) for channel in names]
    instant = pa.timestamp("us", "UTC")
    columns = {
        "delivery_id": [delivery_id(alert["alert_id"], channel, event) for alert, _, channel in rows],
        "ledger": [ledger] * len(rows),
        "alert_id": [alert["alert_id"] for alert, _, _ in rows],
        "task": [alert["task"] for alert, _, _ in rows],
        "run_id": [run[0] if run else alert["run_id"] for alert, _, _ in rows],
        "as_of": pa.array([run[1] if run else alert["as_of"] for alert, _, _ in rows], instant),
        "channel": [channel for _, _, channel in rows],
        "event": [event] * len(rows),
        "payload": [payload for _, payload, _ in rows],
        "state": ["pending"] * len(rows),
        "attempts": [0] * len(rows),
        "created_at": pa.array([moment] * len(rows), instant),
        "next_attempt_at": pa.array([moment] * len(rows), instant),
    }
    return bulk.ingest(connection, ALERT_DELIVERIES, pa.table(columns))


def _payload(alert: Alert) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in alert.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value

"""What happens to alerts, told to the channels that want to know: rows of the outbox, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

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
    """Writes a pending delivery of each alert for each channel that wants the event; the number of rows.

    `alerts`: their rows as they are now, none of which was announced with this event before. `run`: id and as-of
    instant (aware) of the run that made the event; by default each alert's own.
    """
    names = wanted(channels, event)
    rows = [
        {
            "delivery_id": delivery_id(alert["alert_id"], channel, event),
            "ledger": ledger,
            "alert_id": alert["alert_id"],
            "task": alert["task"],
            "run_id": run[0] if run else alert["run_id"],
            "as_of": run[1] if run else alert["as_of"],
            "channel": channel,
            "event": event,
            "payload": payload,
            "state": "pending",
            "attempts": 0,
            "created_at": moment,
            "next_attempt_at": moment,
        }
        for alert, payload in zip(alerts, map(_payload, alerts) if names else (), strict=bool(names))
        for channel in names
    ]
    if rows:
        connection.execute(sa.insert(ALERT_DELIVERIES), rows)
    return len(rows)


def _payload(alert: Alert) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in alert.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value

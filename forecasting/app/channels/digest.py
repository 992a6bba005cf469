"""One message for all that a run has to tell of one kind: what raised an alert, or what was closed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from db.outbox import Delivery
from forecasting.app.channels import listing
from forecasting.app.channels.channel import Ledgers


@dataclass(frozen=True)
class Digest:
    """`key`: the same for the same deliveries, however often they are sent. `subject` is one line, `text` many."""

    key: str
    subject: str
    text: str


def digest(deliveries: Sequence[Delivery], ledgers: Ledgers, *, shown: int) -> Digest:
    """The message about deliveries of one run and event; `shown`: how many alerts it spells out, the worst first."""
    first = deliveries[0]
    ledger = ledgers.get(first.ledger)
    count = f"{len(deliveries):,} alert{'' if len(deliveries) == 1 else 's'}"
    said = f"{count} closed" if first.event == "closed" else count
    day = f"{first.as_of:%Y-%m-%d}"
    ordered = sorted(deliveries, key=lambda one: listing.urgency(one, ledgers))
    lines = [f"{said} of {first.task}, as of {day}.", ""]
    for delivery in ordered[:shown]:
        line, below = listing.describe(delivery, ledger)
        lines += [line, *(f"    {reason}" for reason in below)]
    if len(ordered) > shown:
        lines += ["", f"And {len(ordered) - shown:,} more."]
    lines += ["", "`forecasting alerts list` shows what is open; `forecasting alerts acknowledge` says who sees to it."]
    return Digest(_key(deliveries), f"{first.task}: {said}, as of {day}", "\n".join(lines) + "\n")


def _key(deliveries: Sequence[Delivery]) -> str:
    identifiers = "\0".join(sorted(delivery.delivery_id for delivery in deliveries))
    return hashlib.sha256(identifiers.encode()).hexdigest()[:32]

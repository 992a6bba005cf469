"""What every channel does: it sends deliveries, and says of each what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from db.outbox import Delivery, Event
from forecasting.schema import AlertLedger

State = Literal["delivered", "failed", "refused", "untried"]

Ledgers = Mapping[str, AlertLedger]
"""The declared ledgers by name; one of a task that is no longer installed is missing."""


@dataclass(frozen=True)
class Answer:
    """What came of one delivery. delivered: the receiver has it. failed: it is tried again later, after at least
    `retry_after` seconds where the receiver said so. refused: it is never tried again. untried: it was not sent,
    because the receiver gives no answer to others. `error`: why, in one line without secrets."""

    state: State
    error: str = ""
    retry_after: float | None = None


DELIVERED = Answer("delivered")
UNTRIED = Answer("untried")


class Channel(Protocol):
    """A way out, opened from its configuration. `batch`: how many deliveries it is handed at most."""

    batch: int

    @property
    def patience(self) -> float:
        """Seconds after which it has surely answered for a batch."""
        ...

    def send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """Sends them, and answers for each in their order. Raises nothing that a receiver could cause."""
        ...

    def check(self) -> list[str]:
        """What a person should know of it before the first alert, in sentences; sends and writes nothing. Raises
        ConfigurationError where it cannot work."""
        ...

    def close(self) -> None:
        """Lets go of connections."""
        ...


def events_of_runs(deliveries: Sequence[Delivery]) -> Iterator[tuple[tuple[str, str, Event], list[int]]]:
    """What belongs into one message: (ledger, run, event), and the positions of its deliveries, in their order."""
    groups: dict[tuple[str, str, Event], list[int]] = {}
    for position, delivery in enumerate(deliveries):
        groups.setdefault((delivery.ledger, delivery.run_id, delivery.event), []).append(position)
    yield from groups.items()


def in_a_line(error: BaseException) -> str:
    """An exception as one line: its kind where it says nothing."""
    words = " ".join(str(error).split())[:200].rstrip(".")
    return words or type(error).__name__

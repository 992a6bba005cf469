"""A directory into which every run drops one CSV file of its alerts, for whatever picks files up.

The file holds all that the run had to tell, and is written whole beside its place and then renamed: a reader never
sees half of one, and writing it again changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from db.outbox import Delivery
from forecasting.app.channels import listing
from forecasting.app.channels.channel import DELIVERED, Answer, Ledgers
from forecasting.schema import ConfigurationError

STALE_SECONDS = 3600
"""Age from which a half-written file belongs to nobody: its writer was killed."""


class CsvDrop:
    """`of_run(run_id)`: every delivery of a run for this channel, arrived or not."""

    batch = 10_000
    patience = 600.0

    def __init__(self, directory: Path, of_run: Callable[[str], list[Delivery]], ledgers: Ledgers, *, where: str):
        self._directory, self._of_run, self._ledgers, self._where = directory, of_run, ledgers, where
        self._written: dict[str, set[str]] = {}  # what the files hold that this object wrote

    def check(self) -> list[str]:
        """Raises ConfigurationError where the directory is none, or may not be written."""
        place = self._directory.absolute()
        while not place.exists() and place != place.parent:  # it is made with the first file
            place = place.parent
        if not place.is_dir():
            raise ConfigurationError(f"{self._where}: {place} is no directory.")
        if not os.access(place, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{self._where}: the directory {place} may not be written.")
        return []

    def send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """Writes the file of every run among them, unless a batch before has: it then held all of the run."""
        answers: dict[str, Answer] = {}
        told: dict[str, set[str]] = {}
        for delivery in deliveries:
            told.setdefault(delivery.run_id, set()).add(delivery.delivery_id)
        for run_id, theirs in told.items():
            try:
                if not theirs <= self._written.get(run_id, set()):
                    self._written[run_id] = self._write(self._of_run(run_id))
                answers[run_id] = DELIVERED
            except OSError as error:
                answers[run_id] = Answer("failed", f"the file cannot be written: {error.strerror or error}")
        return [answers[delivery.run_id] for delivery in deliveries]

    def close(self) -> None:
        """Nothing stays open."""

    def _write(self, deliveries: list[Delivery]) -> set[str]:
        """Writes the file of a run; the keys of what it holds."""
        self._directory.mkdir(parents=True, exist_ok=True)
        target = self._directory / file_name(deliveries[0])
        self._tidy(target)
        aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with aside.open("x", encoding="utf-8", newline="") as file:
                listing.write(file, deliveries, self._ledgers)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _sync(self._directory)
        return {delivery.delivery_id for delivery in deliveries}

    def _tidy(self, target: Path) -> None:
        for part in self._directory.glob(f".{target.name}.*.part"):
            with contextlib.suppress(OSError):  # another writer may have renamed it
                if time.time() - part.stat().st_mtime > STALE_SECONDS:
                    part.unlink()


def file_name(delivery: Delivery) -> str:
    """Such as churn_alerts-2011-09-10-20110910T020000123456-9f3a1c.csv: names sort by time."""
    as_of = delivery.as_of
    time_of_day = "" if (as_of.hour, as_of.minute, as_of.second) == (0, 0, 0) else f"T{as_of:%H%M%S}"
    return f"{delivery.ledger}-{as_of:%Y-%m-%d}{time_of_day}-{delivery.run_id}.csv"


def _sync(directory: Path) -> None:
    """Lets the rename itself outlive a power cut, where the system can open directories."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

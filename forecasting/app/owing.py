"""What a job owes at a moment: from its schedule and its ledger, which slot to start now, and which to pass over.

A pure function of both, so that every scheduler that looks at the same tables at the same time comes to the same
answer, whatever it slept through. Nothing here starts anything: see `forecasting.app.scheduling`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from db.job_runs import PASSED_OVER, JobRun
from forecasting.app.config import JobConfig
from forecasting.app.slots import Schedule, upcoming

_FAILED = ("failed", "timed out", "abandoned")
_FINAL = (2, 4)
"""Exit codes that trying again does not mend: configuration and data."""

_TAKEN = 5
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class PassedOver:
    """A slot that will not be run; it stands for all between it and the slot before it in the ledger."""

    slot: datetime
    state: Literal["coalesced", "missed"]
    why: str


@dataclass(frozen=True)
class Owed:
    """What a job owes: `start` now, if anything; `pass_over` these; `look_again` where something is due at a time that
    the schedule does not tell (a retry, a start held back by jitter). `waits_for`: a job that is not done yet."""

    start: datetime | None = None
    pass_over: tuple[PassedOver, ...] = ()
    look_again: datetime | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class Ledger:
    """A job with what it has done: its rows, newest slot first, of slots that its schedule knows and `now` has reached;
    what was run by hand in between is nobody's debt."""

    config: JobConfig
    schedule: Schedule
    slots: Mapping[datetime, Sequence[JobRun]]

    @classmethod
    def of(cls, config: JobConfig, schedule: Schedule, rows: Sequence[JobRun], now: datetime) -> Ledger:
        """From the newest rows of `job_runs`."""
        slots: dict[datetime, list[JobRun]] = {}
        for row in rows:
            if row.slot <= now and (row.slot in slots or schedule.includes(row.slot)):
                slots.setdefault(row.slot, []).append(row)
        return cls(config, schedule, slots)

    def is_running(self, slot: datetime) -> bool:
        """Whether somebody is at work on it."""
        return any(row.state == "running" for row in self.slots.get(slot, ()))

    def is_done(self, slot: datetime) -> bool:
        """Whether it was run to its end."""
        return any(row.state == "done" for row in self.slots.get(slot, ()))

    def is_settled(self, slot: datetime) -> bool:
        """Whether nothing more will be tried: done, passed over, or failed for good."""
        rows = self.slots.get(slot, ())
        if any(row.state == "done" or row.state in PASSED_OVER for row in rows):
            return True
        return self.has_failed(slot)

    def has_failed(self, slot: datetime) -> bool:
        """Whether it failed for good: an error that trying again does not mend, or too many others."""
        if self.is_done(slot) or self.is_running(slot):
            return False
        final = any(row.state == "failed" and row.exit_code in _FINAL for row in self.slots.get(slot, ()))
        return final or len(self.failures(slot)) > self.config.retries

    def failures(self, slot: datetime) -> list[JobRun]:
        """The attempts that count against its retries."""
        return [row for row in self.slots.get(slot, ()) if row.state in _FAILED and row.exit_code != _TAKEN]

    def retry_at(self, slot: datetime) -> datetime | None:
        """When to try it again after what was tried last; None for at once."""
        last = max((row for row in self.slots.get(slot, ()) if row.attempt), key=lambda row: row.attempt, default=None)
        if last is None or last.state not in _FAILED or last.finished_at is None:
            return None
        times = max(len(self.failures(slot)) - 1, 0)
        wait = timedelta(seconds=self.config.retry_wait_seconds) * 2.0 ** min(times, 20)
        return last.finished_at + min(wait, max(_LONGEST_WAIT, timedelta(seconds=self.config.retry_wait_seconds)))


def owed(name: str, ledgers: Mapping[str, Ledger], now: datetime) -> Owed:
    """What the job of that name owes; `ledgers` holds its own and those of the jobs that it waits for."""
    ledger = ledgers[name]
    unsettled = sorted(slot for slot in ledger.slots if not ledger.is_settled(slot))
    if any(ledger.is_running(slot) for slot in unsettled):
        return Owed()
    ready = {one: _ready_until(ledgers[one], now) for one in ledger.config.after}
    held_up = next((one for one, instant in ready.items() if instant is None or instant < now), None)
    if None in ready.values():
        return Owed(waits_for=held_up)
    until = min([now, *(instant for instant in ready.values() if instant is not None)])
    oldest = now - timedelta(hours=ledger.config.grace_hours)
    find = _coalesced if ledger.config.coalesce else _each
    slot, passed = find(ledger, unsettled, until, oldest)
    if slot is None:
        waits = held_up is not None and find(ledger, unsettled, now, oldest)[0] is not None
        return Owed(pass_over=passed, waits_for=held_up if waits else None)
    start = max(slot + _jitter(name, slot, ledger.config), ledger.retry_at(slot) or slot)
    if start > now:
        return Owed(pass_over=passed, look_again=start)
    return Owed(slot, passed)


def _ready_until(earlier: Ledger, now: datetime) -> datetime | None:
    """The last instant up to which a job that others wait for has done its slots; None where it has done none."""
    done = max((slot for slot in earlier.slots if earlier.is_done(slot)), default=None)
    if done is None:
        return None
    following = upcoming(earlier.schedule, done)
    return now if following is None or following > now else following - timedelta(microseconds=1)


def _coalesced(
    ledger: Ledger, unsettled: Sequence[datetime], until: datetime, oldest: datetime
) -> tuple[datetime | None, tuple[PassedOver, ...]]:
    """The newest slot that is due, and those before it that it stands for."""
    newest = ledger.schedule.latest(until)
    known = max(ledger.slots, default=None)
    waiting = [slot for slot in unsettled if slot <= until]
    before = waiting[:-1]
    if newest is not None and (known is None or newest > known):
        before = waiting
        waiting = [*waiting, newest]
        between = ledger.schedule.latest(newest - timedelta(microseconds=1))
        if known is not None and between is not None and between > known:
            before = [*before, between]
    if not waiting:
        return None, ()
    slot = waiting[-1]
    passed = tuple(PassedOver(one, "coalesced", f"the slot of {_utc(slot)} stands for it") for one in before)
    if slot < oldest:
        return None, (*passed, _missed(slot, ledger))
    return slot, passed


def _each(
    ledger: Ledger, unsettled: Sequence[datetime], until: datetime, oldest: datetime
) -> tuple[datetime | None, tuple[PassedOver, ...]]:
    """The oldest slot that is due and not too old, and those that are."""
    passed = [_missed(slot, ledger) for slot in unsettled if slot < oldest]
    waiting = [slot for slot in unsettled if oldest <= slot <= until]
    if waiting:
        return waiting[0], tuple(passed)
    known = max(ledger.slots, default=None)
    if known is None:
        first = ledger.schedule.latest(until)
        return (first, ()) if first is None or first >= oldest else (None, (_missed(first, ledger),))
    if known < oldest:
        last_missed = ledger.schedule.latest(oldest - timedelta(microseconds=1))
        if last_missed is not None and last_missed > known:
            passed.append(_missed(last_missed, ledger))
            known = last_missed
    following = ledger.schedule.following(max(known, oldest - timedelta(microseconds=1)))
    return next(takewhile(lambda slot: slot <= until, following), None), tuple(passed)


def _missed(slot: datetime, ledger: Ledger) -> PassedOver:
    return PassedOver(slot, "missed", f"it was due more than {ledger.config.grace_hours:g} hours ago (grace_hours)")


def _jitter(name: str, slot: datetime, config: JobConfig) -> timedelta:
    """How late a slot starts, the same for every scheduler: spread by a hash of job and slot."""
    share = int.from_bytes(hashlib.sha256(f"{name}|{slot.isoformat()}".encode()).digest()[:4]) / 2**32
    return timedelta(seconds=config.jitter_seconds * share)


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"

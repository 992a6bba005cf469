"""Slots: the instants at which a job is due, computed from its schedule alone, backwards and forwards.

A scheduler that slept, started late or crossed a change of clocks finds by them what it owes; nothing about the time
between two looks is kept anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Protocol

from forecasting.app.cron import Cron
from forecasting.schema import ConfigurationError

if TYPE_CHECKING:
    from forecasting.app.config import JobConfig

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule(Protocol):
    """When a job is due. Instants are aware, UTC."""

    def latest(self, now: datetime) -> datetime | None:
        """The last slot at or before `now`."""
        ...

    def following(self, after: datetime) -> Iterator[datetime]:
        """The slots after an instant, one by one."""
        ...

    def includes(self, instant: datetime) -> bool:
        """Whether the job is due at just this instant."""
        ...


@dataclass(frozen=True)
class CronSchedule:
    """The five fields of cron on the clock of a time zone (`forecasting.app.cron`)."""

    cron: Cron
    timezone: str

    def latest(self, now: datetime) -> datetime | None:
        """The last slot at or before `now`."""
        return self.cron.latest(now, self.timezone)

    def following(self, after: datetime) -> Iterator[datetime]:
        """The slots after an instant, one by one."""
        return self.cron.following(after, self.timezone)

    def includes(self, instant: datetime) -> bool:
        """Whether the job is due at just this instant."""
        return self.cron.is_due(instant, self.timezone)


@dataclass(frozen=True)
class IntervalSchedule:
    """Multiples of so many seconds since 1970-01-01 00:00 UTC, so that every scheduler counts alike."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> IntervalSchedule:
        """From "30s", "15m", "6h" or "1d". Raises ValueError."""
        found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
        if found is None:
            raise ValueError(f"{text!r} is no interval such as '30s', '15m', '6h' or '1d'")
        return cls(int(found[1]) * _UNITS[found[2]])

    def latest(self, now: datetime) -> datetime:
        """The last slot at or before `now`."""
        step = timedelta(seconds=self.seconds)
        return _EPOCH + (now - _EPOCH) // step * step

    def following(self, after: datetime) -> Iterator[datetime]:
        """The slots after an instant, one by one."""
        step = timedelta(seconds=self.seconds)
        slot = self.latest(after) + step
        while True:
            yield slot
            slot += step

    def includes(self, instant: datetime) -> bool:
        """Whether the job is due at just this instant."""
        return self.latest(instant) == instant


def schedule_of(jobs: Mapping[str, JobConfig], name: str, label: str = "configuration") -> Schedule:
    """A job's own schedule, or where it has none that of the jobs it waits for, which must not wait for it. Raises
    ConfigurationError where these differ. `label`: how messages call the file."""
    found = {(one.cron, one.every, one.timezone if one.cron else ""): one for one in _timed(jobs, name)}
    if len(found) != 1:
        raise ConfigurationError(
            f"{label}: [jobs.{name}]: the jobs that it waits for are due at different times.",
            remedy="Say when it is due itself, by `cron` or `every`.",
        )
    (job,) = found.values()
    if job.cron is not None:
        return CronSchedule(Cron.parse(job.cron), job.timezone)
    assert job.every is not None
    return IntervalSchedule.parse(job.every)


def between(schedule: Schedule, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """The slots in (after, until], oldest first, at most so many."""
    return list(islice(takewhile(lambda slot: slot <= until, schedule.following(after)), limit))


def upcoming(schedule: Schedule, now: datetime) -> datetime | None:
    """The first slot after `now`."""
    return next(schedule.following(now), None)


def _timed(jobs: Mapping[str, JobConfig], name: str) -> list[JobConfig]:
    """The jobs with a schedule of their own from which a job's comes."""
    job = jobs[name]
    if job.cron is not None or job.every is not None:
        return [job]
    return [one for earlier in job.after for one in _timed(jobs, earlier)]

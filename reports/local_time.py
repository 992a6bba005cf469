"""Instants as people where the orders are handled read them: in one time zone, named beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from reports import wording

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LocalTime:
    """A time zone by its IANA `name`, and `today`, the day on which the page is to be read. A promise at the first
    instant of a day there means that day, and is kept until its end."""

    name: str
    zone: tzinfo
    today: date

    @classmethod
    def of(cls, options: Mapping[str, Any], as_of: datetime) -> LocalTime:
        """The zone that a run's options name; UTC where they name none."""
        name = options.get("timezone") or "UTC"
        try:
            zone: tzinfo = ZoneInfo(name)
        except (ValueError, OSError, KeyError, TypeError):
            name, zone = "UTC", UTC
        return cls(name, zone, _read_on(as_of, zone))

    def read_on(self, as_of: datetime) -> date:
        """The day on which the page of a run is to be read."""
        return _read_on(as_of, self.zone)

    def midnight(self, days: int = 0) -> datetime:
        """When the day begins that is so many days after today, in UTC."""
        return self._begin(self.today + days * _DAY)

    def day(self, instant: datetime) -> date:
        """The day of an instant."""
        return instant.astimezone(self.zone).date()

    def is_day(self, promise: datetime) -> bool:
        """Whether a promise names a whole day."""
        return self._begin(self.day(promise)) == promise

    def due(self, promise: datetime) -> datetime:
        """Until when a promise is kept, in UTC: a day's last microsecond where it names one."""
        if not self.is_day(promise):
            return promise
        return self._begin(self.day(promise) + _DAY) - timedelta(microseconds=1)

    def said(self, instant: datetime) -> str:
        """`Tue 15 Sep`, with the year where it is not this one."""
        when = self.day(instant)
        return wording.day(when, weekday=True, year=when.year != self.today.year)

    def clock(self, instant: datetime) -> str:
        """`14:20`."""
        return f"{instant.astimezone(self.zone):%H:%M}"

    def away(self, instant: datetime) -> str:
        """`today`, `tomorrow`, `in 5 days`, `3 days ago`."""
        return wording.days_away(self.day(instant), self.today)

    def _begin(self, day: date) -> datetime:
        """A day's first instant, in UTC: not always 00:00, where clocks change at midnight."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


def _read_on(as_of: datetime, zone: tzinfo) -> date:
    """Of the dates at an instant in a zone and in UTC the later one: a run of the evening, or of midnight elsewhere, is
    read the next morning."""
    return max(as_of.astimezone(UTC).date(), as_of.astimezone(zone).date())

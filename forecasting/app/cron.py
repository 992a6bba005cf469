"""Times of a job: the five fields of cron (minute, hour, day of month, month, day of week), as crontab(5) reads them.

APScheduler's own parser counts weekdays from Monday = 0 where every crontab counts from Sunday = 0, and it cannot
look back; what a slot needs is the latest due time, and all that were missed since the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_LONGEST_SHIFT = timedelta(hours=25)  # a day was skipped once, in Samoa
_SEARCH_DAYS = 366 * 8 + 2  # the 29th of February may be eight years away


@dataclass(frozen=True)
class Cron:
    """The values that each field allows; weekdays 0 (Sunday) to 6."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both day fields are restricted: a day that matches either is due (crontab(5))."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises ValueError saying which field is wrong."""
        parts = _NICKNAMES.get(text.strip().lower(), text).split()
        if len(parts) != 5:
            raise ValueError(f"{text!r} has {len(parts)} fields; cron has five: minute hour day month weekday")
        minute, hour, day, month, weekday = parts
        cron = cls(
            tuple(sorted(_field(minute, "minute", 0, 59))),
            tuple(sorted(_field(hour, "hour", 0, 23))),
            _field(day, "day of month", 1, 31),
            _field(month, "month", 1, 12, _MONTHS, first=1),
            frozenset(value % 7 for value in _field(weekday, "day of week", 0, 7, _DAYS)),
            not day.startswith("*") and not weekday.startswith("*"),
        )
        if cron.latest(datetime(2032, 1, 1, tzinfo=UTC), "UTC") is None:
            raise ValueError(f"{text!r} is never due")
        return cron

    def latest(self, now: datetime, timezone: str) -> datetime | None:
        """The last due time at or before `now` (aware), in UTC; None where there is none within eight years.

        Where the hour is given, wall-clock times that a change of clocks skips are due as much later as the clock was
        moved, and those that it repeats are due once, the first time. Where every hour is due, the clock on the wall
        is followed as it goes: nothing stands in for what it skips, and what it repeats is due again.
        """
        zone = ZoneInfo(timezone)
        today = now.astimezone(zone).date()
        for back in range(-1, _SEARCH_DAYS):  # from tomorrow: a skipped time may have moved over midnight
            for due in reversed(_due_times(self, today - timedelta(days=back), zone)):
                if due <= now:
                    return due
        return None

    def following(self, after: datetime, timezone: str) -> Iterator[datetime]:
        """The due times after an instant (aware), one by one, in UTC, by the same rules; they end where there is none
        within eight years."""
        zone = ZoneInfo(timezone)
        last, empty = after, 0
        day = after.astimezone(zone).date() - timedelta(days=1)
        while empty < _SEARCH_DAYS and day < date.max - timedelta(days=2):
            for due in _due_times(self, day, zone):
                if due > last:
                    last, empty = due, 0
                    yield due
            day, empty = day + timedelta(days=1), empty + 1

    def is_due(self, instant: datetime, timezone: str) -> bool:
        """Whether this very instant (aware) is a due time, by the same rules."""
        wall = instant.astimezone(ZoneInfo(timezone))
        if wall.second or wall.microsecond:
            return False
        if wall.utcoffset() != (wall - _LONGEST_SHIFT).utcoffset():  # the clock has just been moved
            return self.latest(instant, timezone) == instant
        named = wall.minute in self.minutes and wall.hour in self.hours
        return named and not wall.fold and self.is_due_on(wall.day, wall.month, wall.isoweekday() % 7)

    def is_due_on(self, day: int, month: int, weekday: int) -> bool:
        """Whether a day is due; weekday 0 is Sunday."""
        if month not in self.months:
            return False
        if self.either_day:
            return day in self.days or weekday in self.weekdays
        return day in self.days and weekday in self.weekdays


@lru_cache(maxsize=1024)
def _due_times(cron: Cron, day: date, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The due times of a day on the wall, in UTC, ascending."""
    if not cron.is_due_on(day.day, day.month, day.isoweekday() % 7):
        return ()
    every_hour = len(cron.hours) == 24
    times = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            for fold in (0, 1) if every_hour else (0,):
                wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                due = wall.astimezone(UTC)
                exists = due.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
                if exists or not every_hour:
                    times.add(due)
    return tuple(sorted(times))


def _field(text: str, name: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> frozenset[int]:
    values: set[int] = set()
    for part in text.lower().split(","):
        span, _, step_text = part.partition("/")
        if span == "*":
            start, end = low, high
        else:
            left, dash, right = span.partition("-")
            start = _number(left, name, low, high, names, first)
            end = _number(right, name, low, high, names, first) if dash else (high if step_text else start)
        step = _number(step_text, name, 1, high, (), 0) if "/" in part else 1
        if end < start:
            raise ValueError(f"{part!r} runs backwards in the field {name!r}")
        values.update(range(start, end + 1, step))
    return frozenset(values)


def _number(text: str, name: str, low: int, high: int, names: tuple[str, ...], first: int) -> int:
    if text in names:
        return names.index(text) + first
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"{text!r} is not within {low} to {high} in the field {name!r}")
    return int(text)

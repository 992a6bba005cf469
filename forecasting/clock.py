"""Time: instants, the two clocks that decide what a cutoff sees, and grids of periods.

Every instant is a `datetime64[us]` in UTC. Intervals are half-open, [from, to). A bare date is its first instant.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import pyarrow as pa

from forecasting.schema import ConfigurationError, DataError

Frequency = Literal["D", "W", "M"]
"""Days, weeks or months."""

_MONDAY = np.datetime64("1970-01-05", "D")  # day 0 of numpy's calendar is a Thursday
_SHOWN = 5


def instant(value: str | dt.date | np.datetime64) -> np.datetime64:
    """The instant, datetime64[us] in UTC, that a text (ISO 8601), date, datetime or datetime64 stands for.

    A bare date is its first instant, a time without a zone is UTC, an aware one is converted. What is finer than
    a microsecond is cut off. Raises ConfigurationError where `value` is no instant.
    """
    moment: object = value
    if isinstance(moment, str):
        try:
            moment = dt.datetime.fromisoformat(moment.strip())
        except ValueError:
            raise _no_instant(value) from None
    if isinstance(moment, dt.datetime) and moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    if not isinstance(moment, dt.date | np.datetime64):
        raise _no_instant(value)
    result = np.datetime64(cast(dt.date, moment), "us")
    if np.isnat(result):
        raise _no_instant(value)
    return result


def aware(instant: np.datetime64) -> dt.datetime:
    """An instant as a datetime that knows its zone, UTC: what databases and their ledgers take."""
    moment: dt.datetime = instant.astype("datetime64[us]").item()
    return moment.replace(tzinfo=dt.UTC)


def shown(instant: np.datetime64) -> str:
    """An instant for a person: 2011-09-10, or 2011-09-10T06:30 where it is not a day's first."""
    return str(instant)[:16].removesuffix("T00:00")


def _no_instant(value: object) -> ConfigurationError:
    return ConfigurationError(
        f"{value!r} is no date or time.", remedy="Write it like 2011-09-10, 2011-09-10T06:30 or 2011-09-10T06:30+02:00."
    )


def visible(occurred_at: np.ndarray, known_at: np.ndarray | None, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
    """Whether each row counts at its cutoff: `occurred_at < cutoff and known_at <= cutoff`, bool, broadcast.

    This is the one place that decides what a cutoff sees, for every task. The three are datetime64 of any unit,
    in UTC. `known_at` None: each row was known when it occurred. NaT is never visible. Columns known ahead
    (calendar, planned prices) do not come through here; they are declared as such.
    """
    seen = np.asarray(occurred_at < cutoff)
    return seen if known_at is None else seen & (known_at <= cutoff)


def arrow_instants(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A timestamp or date column as datetime64[us] [R] in UTC; null becomes NaT.

    Timestamps without a zone are taken as UTC; a date is its first instant. What is finer than a microsecond is
    cut off. Raises TypeError for a column of another type.
    """
    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise TypeError(f"expected a timestamp or date column, not {kind}")
    naive = column.cast(pa.timestamp("us"), safe=False)  # drops a zone's name; the values are UTC whatever it was
    values = naive.to_numpy() if isinstance(naive, pa.ChunkedArray) else naive.to_numpy(zero_copy_only=False)
    return values.astype("datetime64[us]", copy=False)


@dataclass(frozen=True)
class Grid:
    """Periods of equal kind, numbered so that consecutive periods have consecutive numbers.

    `phase` is nothing (0) for days; for weeks the weekday on which they begin, 0 = Monday ... 6 = Sunday; for
    months the day on which they begin, 1 ... 31, where a month that is too short begins on its last day, so that
    31 means the ends of months. Period p covers [start(p), end(p)), and end(p) = start(p + 1).
    """

    frequency: Frequency
    phase: int = 0

    def __post_init__(self) -> None:
        _check_frequency(self.frequency)
        lowest, highest = {"D": (0, 0), "W": (0, 6), "M": (1, 31)}[self.frequency]
        if not lowest <= self.phase <= highest:
            raise ValueError(
                f"phase {self.phase} is not among the {lowest} ... {highest} of frequency {self.frequency}"
            )

    @staticmethod
    def of(dates: np.ndarray, frequency: str, *, source: str | None = None, column: str | None = None) -> Grid:
        """The grid on which `dates` (datetime64 of any unit, [R], any order, repeats allowed) lie.

        Its phase is the one that most dates share; where several do (a lone 28 February), the latest in the
        month. Raises DataError naming the rows that are off it (`source` and `column` say where they come from),
        ConfigurationError for an unknown frequency.
        """
        known = _check_frequency(frequency)
        days, rows = np.unique(np.ravel(dates).astype("datetime64[D]"), return_counts=True)
        days, rows = days[~np.isnat(days)], rows[~np.isnat(days)]
        if known == "D":
            grid = Grid("D")
        elif known == "W":
            grid = Grid("W", int(np.bincount(_weekday(days), rows, minlength=7).argmax()))
        else:
            first = days.astype("datetime64[M]")
            day, length = _day_of_month(days, first), _month_length(first)
            on_grid = [rows[day == np.minimum(phase, length)].sum() for phase in range(31, 0, -1)]
            grid = Grid("M", 31 - int(np.argmax(on_grid)))
        grid.index_of(dates, source=source, column=column)
        return grid

    def index_of(self, dates: np.ndarray, *, source: str | None = None, column: str | None = None) -> np.ndarray:
        """The numbers, int64, of the periods that begin on `dates` (datetime64 of any unit).

        Raises DataError naming the positions of dates on which no period begins.
        """
        dates = np.asarray(dates)
        index = self.containing(dates)
        off = np.flatnonzero((self.start(index) != dates) | np.isnat(dates))
        if len(off):
            shown = ", ".join(f"row {row} ({np.ravel(dates)[row]})" for row in off[:_SHOWN])
            more = f" and {len(off) - _SHOWN} more" if len(off) > _SHOWN else ""
            raise DataError(
                f"{len(off)} of {dates.size} dates are off the grid of {self}: {shown}{more}.",
                source=source,
                column=column,
                remedy="Aggregate the rows to one date per period, or set `frequency` to that of the data.",
            )
        return index

    def containing(self, instants: np.ndarray | np.datetime64) -> np.ndarray:
        """The numbers, int64, of the periods that hold `instants` (datetime64 of any unit); meaningless for NaT."""
        days = np.asarray(instants).astype("datetime64[D]")  # rounds down, before 1970 too
        if self.frequency == "D":
            return days.astype(np.int64)
        if self.frequency == "W":
            return (days - self._week_zero).astype(np.int64) // 7
        first = days.astype("datetime64[M]")
        begins = np.minimum(self.phase, _month_length(first))
        return first.astype(np.int64) - (_day_of_month(days, first) < begins)

    def first_from(self, instants: np.ndarray | np.datetime64) -> np.ndarray:
        """The numbers, int64, of the first periods that begin at or after `instants` (datetime64 of any unit)."""
        index = self.containing(instants)
        return index + (self.start(index) < instants)

    def start(self, index: np.ndarray | int) -> np.ndarray:
        """The first days, datetime64[D], of the periods numbered `index` (int64)."""
        index = np.asarray(index, dtype=np.int64)
        if self.frequency == "D":
            return index.astype("datetime64[D]")
        if self.frequency == "W":
            return self._week_zero + index * 7
        first = index.astype("datetime64[M]")
        return first.astype("datetime64[D]") + (np.minimum(self.phase, _month_length(first)) - 1)

    def end(self, index: np.ndarray | int) -> np.ndarray:
        """The days, datetime64[D], on which the periods numbered `index` (int64) have ended: the next ones' starts."""
        return self.start(np.asarray(index, dtype=np.int64) + 1)

    @property
    def _week_zero(self) -> np.datetime64:
        return _MONDAY + np.timedelta64(self.phase, "D")

    def __str__(self) -> str:
        if self.frequency == "W":
            weekdays = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
            return f"weeks that begin on {weekdays[self.phase]}"
        if self.frequency == "M":
            day = f"day {self.phase}" if self.phase < 31 else "their last day"
            return f"months that begin on {day}"
        return "days"


def _check_frequency(frequency: str) -> Frequency:
    if frequency not in get_args(Frequency):
        raise ConfigurationError(
            f"frequency {frequency!r} is unknown.", remedy='Use "D" (days), "W" (weeks) or "M" (months).'
        )
    return cast(Frequency, frequency)


def _weekday(days: np.ndarray) -> np.ndarray:
    """0 = Monday ... 6 = Sunday, int64, of datetime64[D]."""
    return (days - _MONDAY).astype(np.int64) % 7


def _day_of_month(days: np.ndarray, first: np.ndarray) -> np.ndarray:
    """1 ... 31, int64; `first` is the month (datetime64[M]) of each day."""
    return (days - first.astype("datetime64[D]")).astype(np.int64) + 1


def _month_length(month: np.ndarray) -> np.ndarray:
    """28 ... 31, int64, of datetime64[M]."""
    return ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)

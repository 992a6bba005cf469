"""Operational time: a clock that runs while people work, and stands nearly still at night, on Sundays and on holidays.

Things that people do (to pack, to hand over, to deliver) happen at some hours of the week far more often than at
others. Measured on a clock that runs as fast as such things usually happen, time to the next of them has no rhythm of
its own left: what remains is what one wants to forecast. This is the time change of a point process by its compensator
(Brown et al., "The Time-Rescaling Theorem and Its Application to Neural Spike Train Data Analysis", Neural Computation
14, 2002, section 2), with the intensity of an average week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from forecasting.features.local_time import clock_changes, instants_of, wall_clock
from forecasting.features.time import Events
from forecasting.features.working_hours import WEEK_HOURS, expected_by_weekday, holiday_weight, weekly_weights
from forecasting.schema import ArtifactError

_DAY = np.timedelta64(1, "D")
_ZERO = np.datetime64("1970-01-05", "us")
"""A Monday: from here weeks are counted on the wall."""

_NO_HOLIDAYS = Events(np.empty(0, "datetime64[D]"), np.empty(0, object), np.empty(0, object))


@dataclass(frozen=True, eq=False)
class OperationalTime:
    """How fast time runs, by hour of the week and on holidays: 1 on the average of a week without holidays.

    `weights`: float64 [168], hours from Monday 00:00 on the wall in `timezone` (IANA name), mean 1, above 0. `holiday`:
    by how much slower (or faster) every hour of a holiday is. `holidays`: days known ahead, of dates on the wall.
    `regions`: object [K] of str, what region codes mean: a holiday with a region counts there alone. A week in which
    clocks change has an hour less or more, at the weight of what clocks show.
    """

    weights: np.ndarray
    holiday: float = 1.0
    timezone: str = "UTC"
    holidays: Events = _NO_HOLIDAYS
    regions: np.ndarray | Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if self.weights.shape != (WEEK_HOURS,) or not (self.weights > 0).all() or not self.holiday > 0:
            raise ValueError(f"weights must be {WEEK_HOURS} numbers above 0, and so must that of holidays")

    @staticmethod
    def plain(timezone: str = "UTC") -> OperationalTime:
        """Calendar time: every hour counts the same."""
        return OperationalTime(np.ones(WEEK_HOURS), 1.0, timezone)

    @staticmethod
    def fit(
        at: np.ndarray,
        timezone: str = "UTC",
        holidays: Events = _NO_HOLIDAYS,
        regions: np.ndarray | Sequence[str] = (),
        region: np.ndarray | None = None,
    ) -> OperationalTime:
        """From when things happened: `at` datetime64 [m], UTC, in any order, NaT left out; `region`: int codes [m] into
        `regions`, -1 for none, None for none at all. Few events leave the clock near calendar time.

        An hour's weight is its count against what the product of its weekday's and its hour's own factors promises,
        each shrunk as a Gamma prior worth a number of events at the usual rate does. That of holidays is their count
        against the level of the weeks around them. Days between that of the first event and that of the last count as
        watched; these two, of which only a part may have been seen, and their events do not.
        """
        at = np.asarray(at, "datetime64[us]")
        there = ~np.isnat(at)
        clock = OperationalTime(np.ones(WEEK_HOURS), 1.0, timezone, holidays, regions)
        if not there.any():
            return clock
        wall = wall_clock(at[there], timezone)
        row = np.broadcast_to(clock._row(None if region is None else np.asarray(region)[there]), wall.shape)
        day = wall.astype("datetime64[D]")
        first, last = day.min() + 1, day.max()
        whole = (day >= first) & (day < last)
        if not whole.any():
            return clock
        wall, row, day, days = wall[whole], row[whole], day[whole], np.arange(first, last)
        off = np.stack([np.isin(days, held) for held in clock._holidays_of_rows])
        weekday = (days - _ZERO.astype("datetime64[D]")).astype(np.int64) % 7
        place = (day - first).astype(np.int64)
        hour = (wall - day).astype("timedelta64[h]").astype(np.int64)

        counted = ~off[row, place]
        hours = np.bincount(weekday[place[counted]] * 24 + hour[counted], minlength=WEEK_HOURS).reshape(7, 24)
        weights = weekly_weights(hours.astype(np.float64), expected_by_weekday(row[counted], off, weekday))
        totals = np.zeros(off.shape)
        np.add.at(totals, (row, place), 1.0)
        return replace(
            clock, weights=weights, holiday=holiday_weight(totals, off, weights.reshape(7, 24).mean(1)[weekday])
        )

    def with_holidays(self, holidays: Events, regions: np.ndarray | Sequence[str] = ()) -> OperationalTime:
        """The same clock with other holidays, and other regions that codes mean."""
        return replace(self, holidays=holidays, regions=regions)

    def elapsed(
        self, start: np.ndarray | np.datetime64, stop: np.ndarray | np.datetime64, region: np.ndarray | None = None
    ) -> np.ndarray:
        """Operational days from `start` to `stop` (datetime64, UTC), float64, below 0 where `stop` is first, NaN where
        either is NaT. `region`: int codes, -1 or None for none. The three broadcast."""
        row = self._row(region)
        return self._read(stop, row) - self._read(start, row)

    def after(
        self, start: np.ndarray | np.datetime64, days: np.ndarray, region: np.ndarray | None = None
    ) -> np.ndarray:
        """Calendar days from `start` (datetime64, UTC) until `days` (float64, 0 or more) operational days have passed:
        the inverse of `elapsed`, float64, never falling in `days`; NaN where an argument is missing, infinite where
        `days` is. The three broadcast."""
        row = self._row(region)
        start, days = np.asarray(start, "datetime64[us]"), np.asarray(days, np.float64)
        begun = _number(start)
        reached = self._read(start, row) + np.maximum(days, 0.0)
        finite = np.isfinite(reached)
        passed = np.maximum(self._find(np.where(finite, reached, 0.0), row) - begun, 0.0)
        return np.where(finite, passed, np.where(np.isnan(begun) | np.isnan(days), np.nan, np.inf))

    def document(self) -> Mapping[str, Any]:
        """JSON values of what was learnt; holidays and regions come from the data of the day."""
        return {"weights": self.weights.tolist(), "holiday": self.holiday, "timezone": self.timezone}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> OperationalTime:
        """The clock of a `document`, without holidays. Raises ArtifactError for anything else."""
        try:
            weights = np.asarray(document["weights"], np.float64)
            return OperationalTime(weights, float(document["holiday"]), str(document["timezone"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"This is no operational clock: {error}.") from None

    @cached_property
    def _row_of_region(self) -> np.ndarray:
        """Which row of segments each region code has, int64 [K + 1]: 0 for those without holidays of their own, and for
        code -1, which marks the last place."""
        own = {name: place for place, name in enumerate(self._own_regions, start=1)}
        return np.array([own.get(name, 0) for name in self.regions] + [0], np.int64)

    @cached_property
    def _own_regions(self) -> list[str]:
        return sorted(set(self.regions) & (set(self.holidays.region) - {None}))

    @cached_property
    def _holidays_of_rows(self) -> list[np.ndarray]:
        """Holidays, datetime64[D], ascending, everywhere and then of each region that has its own."""
        return [np.unique(self.holidays.of_region(name).day) for name in (None, *self._own_regions)]

    def _row(self, region: np.ndarray | None) -> np.ndarray:
        return np.zeros((), np.int64) if region is None else self._row_of_region[np.asarray(region)]

    @cached_property
    def _segments(self) -> _Segments:
        return _Segments.of(self)

    @cached_property
    def _week_total(self) -> np.ndarray:
        """Operational days from Monday 00:00 to each hour, float64 [169]; the last is 7, the mean weight being 1."""
        total = np.append(0.0, np.cumsum(self.weights)) / 24
        return total / total[-1] * 7

    def _of_week(self, wall: np.ndarray) -> np.ndarray:
        """Operational days without holidays from _ZERO to `wall`, float64 days from 1970 on the wall."""
        week, within = np.divmod(wall - _number(_ZERO), 7.0)
        hour = np.minimum((within * 24).astype(np.int64), WEEK_HOURS - 1)
        total = self._week_total
        return week * 7 + total[hour] + (within * 24 - hour) * (total[hour + 1] - total[hour])

    def _wall_of(self, operational: np.ndarray) -> np.ndarray:
        """The inverse of `_of_week`."""
        week, within = np.divmod(operational, 7.0)
        total = self._week_total
        hour = np.clip(np.searchsorted(total, within, side="right") - 1, 0, WEEK_HOURS - 1)
        share = np.clip((within - total[hour]) / (total[hour + 1] - total[hour]), 0.0, 1.0)
        return week * 7 + (hour + share) / 24 + _number(_ZERO)

    def _read(self, at: np.ndarray | np.datetime64, row: np.ndarray) -> np.ndarray:
        """What the clock of each row shows at instants, float64 operational days; NaN for NaT."""
        number, segments = np.broadcast_arrays(_number(np.asarray(at, "datetime64[us]")), row)[0], self._segments
        known = np.where(np.isnan(number), 0.0, number)
        k = segments.find(segments.begins, known, row)
        passed = self._of_week(known + segments.offsets[k]) - segments.week_begins[k]
        return np.where(np.isnan(number), np.nan, segments.totals[k] + segments.factors[k] * passed)

    def _find(self, shown: np.ndarray, row: np.ndarray) -> np.ndarray:
        """When the clock of each row shows `shown`, float64 days from 1970 in UTC."""
        segments = self._segments
        k = segments.find(segments.totals, shown, row)
        operational = segments.week_begins[k] + (shown - segments.totals[k]) / segments.factors[k]
        found = self._wall_of(operational) - segments.offsets[k]
        return np.minimum(found, segments.ends[k])


@dataclass(frozen=True, eq=False)
class _Segments:
    """Stretches in which neither the wall clock nor the kind of day changes, of several rows, one row after another.

    `rows`: int64 [R + 1], where each row begins. Of each stretch: `begins`, `ends`: float64 days from 1970, UTC, the
    last end infinite; before the first, all is as in it. `offsets`: days that clocks are ahead of UTC. `factors`: how
    fast its hours are against those of a working day. `totals`: what the clock shows when it begins. `week_begins`:
    `OperationalTime._of_week` then."""

    rows: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray
    factors: np.ndarray
    totals: np.ndarray
    week_begins: np.ndarray

    @staticmethod
    def of(clock: OperationalTime) -> _Segments:
        changed, ahead = clock_changes(clock.timezone)
        parts = []
        for days in clock._holidays_of_rows:  # few: one for each region with holidays of its own
            midnights = instants_of(np.concatenate([days, days + 1]), clock.timezone)
            begins = np.unique(np.concatenate([np.maximum(changed, np.datetime64(0, "us")), midnights]))
            offsets = ahead[np.searchsorted(changed, begins, side="right") - 1] / _DAY
            held = np.isin(wall_clock(begins, clock.timezone).astype("datetime64[D]"), days)
            number = _number(begins)
            ends = np.append(number[1:], np.inf)
            factors = np.where(held, clock.holiday, 1.0)
            week_begins = clock._of_week(number + offsets)
            passed = factors[:-1] * (clock._of_week(ends[:-1] + offsets[:-1]) - week_begins[:-1])
            parts.append((number, ends, offsets, factors, np.append(0.0, np.cumsum(passed)), week_begins))
        rows = np.append(0, np.cumsum([len(part[0]) for part in parts]))
        return _Segments(rows, *(np.concatenate(column) for column in zip(*parts, strict=True)))

    def find(self, edges: np.ndarray, values: np.ndarray, row: np.ndarray) -> np.ndarray:
        """The stretch of its row in which each value lies, int64: the last whose edge is not above it."""
        if len(self.rows) == 2:
            return np.maximum(np.searchsorted(edges, values, side="right") - 1, 0)
        low, high = np.broadcast_arrays(self.rows[row], self.rows[row + 1], values)[:2]
        for _ in range(int(np.diff(self.rows).max()).bit_length()):
            middle = (low + high) // 2
            onward = (low < high) & (edges[np.minimum(middle, len(edges) - 1)] <= values)
            low, high = np.where(onward, middle + 1, low), np.where(onward, high, middle)
        return np.maximum(low - 1, self.rows[row])


def _number(at: np.ndarray | np.datetime64) -> np.ndarray:
    """Days from 1970, float64, to the microsecond for centuries around; NaN for NaT."""
    return (np.asarray(at, "datetime64[us]") - np.datetime64(0, "us")) / _DAY

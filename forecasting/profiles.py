"""What the rows of a source look like of late, as a document small enough to be kept beside a model.

How many there are each day, how the values of each column are spread over bins, and how much that has moved from one
window to the next in the past year: what is usual is no drift. `forecasting.drift` compares two profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from forecasting.clock import visible
from forecasting.column_profiles import ColumnProfile, Rows, binned, binned_by_day, bins_for, watched_columns
from forecasting.population_stability import share_between, usual_stability
from forecasting.task import Instant

VOLUME_DAYS = 28
"""Days of which the rows are counted one by one."""

_DAY = np.timedelta64(1, "D")
_YEAR_WEEKS = 52
_WINDOWS = (7, 14, 28)  # whole weeks: weekdays are alike in all
_ENOUGH_ROWS, _LEAST_ROWS = 300, 100
_SAMPLE, _PAST_SAMPLE = 50_000, 200_000
_CALENDAR = 0.5  # holidays, the weather: they come and go, whatever the shop does
_LEAST_WEEKS = 6


@dataclass(frozen=True)
class SourceProfile:
    """A source of late. `end`: the instant up to which its rows are there. `days`: how long the window of `columns` is.
    `by_day`: rows of each of the last VOLUME_DAYS days before `end`, oldest first. `spread`: by how much the logarithm
    of a week's rows differs from that of the mean of the four before, as a standard deviation; None where too few weeks
    are known."""

    end: Instant
    days: int
    by_day: tuple[int, ...]
    spread: float | None
    columns: Mapping[str, ColumnProfile]


@dataclass(frozen=True)
class Profile:
    """Sources by name."""

    sources: Mapping[str, SourceProfile]

    def document(self) -> dict[str, Any]:
        """JSON values from which `restore` makes an equal profile."""
        return {
            name: {
                **asdict(source),
                "end": str(source.end),
                "columns": {column: asdict(one) for column, one in source.columns.items()},
            }
            for name, source in self.sources.items()
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Profile:
        """The profile of a `document`. Raises KeyError, TypeError or ValueError for anything else."""

        def column(kept: Mapping[str, Any]) -> ColumnProfile:
            labels = None if kept["labels"] is None else tuple(kept["labels"])
            return ColumnProfile(tuple(kept["counts"]), tuple(kept["edges"]), labels, kept["usual"])

        return Profile(
            {
                name: SourceProfile(
                    np.datetime64(kept["end"], "us"),
                    kept["days"],
                    tuple(kept["by_day"]),
                    kept["spread"],
                    {key: column(one) for key, one in kept["columns"].items()},
                )
                for name, kept in document.items()
            }
        )


def profile(sources: Mapping[str, Rows], as_of: Instant, like: Profile | None = None) -> Profile:
    """What is known of sources at an instant. `like`: an earlier profile with which this one is to be compared; it has
    the same sources, windows, columns and bins then, and nothing of the past year. Sources without enough rows are left
    out; work is bounded by a sample beyond the counting of rows."""
    if like is not None:
        return Profile(
            {name: _again(sources[name], as_of, then) for name, then in like.sources.items() if name in sources}
        )
    found = {name: _profiled(rows, as_of) for name, rows in sources.items()}
    return Profile({name: one for name, one in found.items() if one is not None})


def _profiled(rows: Rows, as_of: Instant) -> SourceProfile | None:
    end = _end(rows, as_of)
    if end is None:
        return None
    age = _age(rows, as_of, end)
    by_day = np.bincount(age[(age >= 0) & (age < 7 * _YEAR_WEEKS)], minlength=7 * _YEAR_WEEKS)
    days = next((days for days in _WINDOWS if by_day[:days].sum() >= _ENOUGH_ROWS), _WINDOWS[-1])
    columns = {}
    if by_day[:days].sum() >= _LEAST_ROWS:
        recent, past = _sample(age, 0, days, _SAMPLE), _sample(age, 0, 7 * _YEAR_WEEKS, _PAST_SAMPLE)
        for name in watched_columns(rows):
            blank = bins_for(rows, name, recent)
            if blank is not None:
                counts = binned(rows, name, recent, blank)
                daily = binned_by_day(rows, name, past, age[past], 7 * _YEAR_WEEKS, blank)
                if share_between(daily) < _CALENDAR:
                    weekly = daily.reshape(_YEAR_WEEKS, 7, -1).sum(axis=1)
                    columns[name] = replace(blank, counts=counts, usual=usual_stability(weekly, days // 7))
    return SourceProfile(end, days, _last_days(by_day), _spread(by_day), columns)


def _again(rows: Rows, as_of: Instant, then: SourceProfile) -> SourceProfile:
    end = _end(rows, as_of)
    if end is None:
        return SourceProfile(then.end, then.days, (0,) * VOLUME_DAYS, None, {})
    if (end - then.end) % _DAY:  # days begin at the same hour in both
        end = end - (end - then.end) % _DAY
    age = _age(rows, as_of, end)
    by_day = np.bincount(age[(age >= 0) & (age < VOLUME_DAYS)], minlength=VOLUME_DAYS)
    columns = {}
    if by_day[: then.days].sum() >= _LEAST_ROWS:
        recent = _sample(age, 0, then.days, _SAMPLE)
        for name, blank in then.columns.items():
            columns[name] = replace(blank, counts=binned(rows, name, recent, blank))
    return SourceProfile(end, then.days, _last_days(by_day), None, columns)


def _end(rows: Rows, as_of: Instant) -> Instant | None:
    """Up to when rows are there: the instant itself, or the end of the day of the last row, where that is earlier (a
    warehouse that was not filled lately says nothing of these days), less what rows usually come late; None without
    any."""
    seen = visible(rows.at, rows.known_at, as_of)
    if not seen.any():
        return None
    last = rows.at[seen].max()
    end = np.minimum(as_of, last.astype("datetime64[D]") + _DAY).astype("datetime64[us]")
    if rows.known_at is not None:
        late = np.sort((rows.known_at[seen] - rows.at[seen]) / _DAY)
        end -= np.timedelta64(int(late[int(0.9 * (len(late) - 1))]), "D")
    return end


def _age(rows: Rows, as_of: Instant, end: Instant) -> np.ndarray:
    """Whole days from each row to `end`, int64 [R]; -1 for what is not known at `as_of`, or later than `end`."""
    seen = visible(rows.at, rows.known_at, as_of) & (rows.at < end)
    microseconds = (end - rows.at).astype("timedelta64[us]").astype(np.int64) - 1  # (0, 1] days ago is day 0
    return np.where(seen, microseconds // 86_400_000_000, -1)


def _sample(age: np.ndarray, least: int, below: int, most: int) -> np.ndarray:
    """Positions, int64, of rows of an age in [least, below), evenly thinned to about `most`."""
    index = np.flatnonzero((age >= least) & (age < below))
    return index[:: max(-(-len(index) // most), 1)]


def _last_days(by_day: np.ndarray) -> tuple[int, ...]:
    return tuple(by_day[:VOLUME_DAYS][::-1].tolist())


def _spread(by_day: np.ndarray) -> float | None:
    weeks = by_day.reshape(-1, 7).sum(axis=1)[::-1].astype(np.float64)
    weeks = weeks[np.argmax(weeks > 0) + 1 :]  # the first is not whole
    if len(weeks) < 4 + _LEAST_WEEKS:
        return None
    before = np.convolve(weeks, np.full(4, 0.25), "valid")[:-1]
    ratio = np.log((weeks[4:] + 1.0) / (before + 1.0))
    return float(1.4826 * np.median(np.abs(ratio)))  # of a normal distribution: its standard deviation

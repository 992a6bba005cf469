"""Features in time: gaps, recency, calendar harmonics, holidays and events, levels over several spans.

Durations are in days, as float64, unless a name says otherwise. Functions that take a window take what
`Histories.window` gives: only what the cutoff sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import holidays
import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.histories import Histories, ragged_ranges
from forecasting.schema import ConfigurationError

Cycle = Literal["day", "week", "month", "year"]

_DAY = np.timedelta64(1, "D")
_MONDAY = np.datetime64("1970-01-05", "us")


def log_gaps(instants: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """log(1 + days since the row before), float32 [n, T], of windows of instants (datetime64 [n, T]) with their mask.

    0 for a window's first row and where masked. The logarithm because gaps range from seconds to years.
    """
    gaps = np.zeros(instants.shape, np.float32)
    days = (instants[:, 1:] - instants[:, :-1]) / _DAY
    gaps[:, 1:] = np.where(mask[:, 1:] & mask[:, :-1], np.log1p(np.maximum(days, 0.0)), 0.0)
    return gaps


def recency(histories: Histories, entity: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """Days from the last row that each case sees to its cutoff, float64 [n]; NaN where it sees none."""
    index, mask = histories.window(entity, cutoff, 1)
    if not len(histories.occurred_at):
        return np.full(len(index), np.nan)
    return np.where(mask[:, 0], (cutoff - histories.occurred_at[index[:, 0]]) / _DAY, np.nan)


def harmonics(instants: np.ndarray, cycle: Cycle, order: int = 1) -> np.ndarray:
    """sin and cos of 2 pi k phase for k = 1 ... `order`, float32 [..., 2 * order], sines first.

    The phase of an instant (datetime64, any shape and unit, UTC) is how much of its day, week (from Monday), month
    or year has passed, 0 to 1, by the length of that very month or year. Fourier terms of a season as in Hyndman and
    Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, section 7.4.
    """
    at = np.asarray(instants).astype("datetime64[us]")
    if cycle == "day":
        phase = (at - at.astype("datetime64[D]")) / _DAY
    elif cycle == "week":
        phase = ((at - _MONDAY) / _DAY) % 7 / 7
    else:
        unit = "datetime64[M]" if cycle == "month" else "datetime64[Y]"
        begins = at.astype(unit)
        first, following = begins.astype("datetime64[us]"), (begins + 1).astype("datetime64[us]")
        phase = (at - first) / (following - first)
    angles = 2 * np.pi * phase[..., None] * np.arange(1, order + 1)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Events:
    """Days on which something happens: `day` datetime64[D] [m], ascending; `name` and `region`, object [m] of str,
    region None where the event is everywhere."""

    day: np.ndarray
    name: np.ndarray
    region: np.ndarray

    @staticmethod
    def of_country(country: str, first: np.datetime64, last: np.datetime64, subdivision: str | None = None) -> Events:
        """The public holidays of a country (ISO 3166 code: "DE"; `subdivision`: "BY") from day `first` to `last`,
        by the library `holidays`. Raises ConfigurationError for a place that it does not know."""
        start, end = (1970 + int(day.astype("datetime64[Y]").astype(int)) for day in (first, last))
        try:
            found = holidays.country_holidays(country, subdiv=subdivision, years=range(start, end + 1))
        except NotImplementedError:
            place = f"{country}-{subdivision}" if subdivision else country
            raise ConfigurationError(
                f"no holidays are known for {place!r}.", remedy='Use an ISO 3166 code such as "DE" or "US", "CA".'
            ) from None
        days = np.array(sorted(found), dtype="datetime64[D]")
        names = np.array([found[day] for day in sorted(found)], dtype=object)
        within = (days >= first) & (days <= last)
        return Events(days[within], names[within], np.full(int(within.sum()), None, dtype=object))

    @staticmethod
    def from_arrow(calendar: pa.Table) -> Events:
        """The events of the source `calendar` (date, event, region?)."""
        day = arrow_instants(calendar["date"]).astype("datetime64[D]")
        order = np.argsort(day, kind="stable")
        name = np.array(calendar["event"].cast(pa.string()).to_pylist(), dtype=object)
        if "region" in calendar.column_names:
            region = np.array(calendar["region"].cast(pa.string()).to_pylist(), dtype=object)
        else:
            region = np.full(len(day), None, dtype=object)
        return Events(day[order], name[order], region[order])

    def of_region(self, region: str | None) -> Events:
        """Those everywhere and those of one region."""
        return self._where(np.array([place is None or place == region for place in self.region], dtype=bool))

    def named(self, name: str) -> Events:
        """Those of one name."""
        return self._where(np.array([event == name for event in self.name], dtype=bool))

    def _where(self, kept: np.ndarray) -> Events:
        return Events(self.day[kept], self.name[kept], self.region[kept])


def days_around(events: Events, days: np.ndarray, limit: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Whole days since the last event and to the next one, two float32 arrays of the shape of `days` (datetime64[D]).

    Both are 0 on the day of an event, and `limit` where there is none so near. The calendar is known ahead: no
    cutoff applies.
    """
    days = np.asarray(days, dtype="datetime64[D]")
    dated = np.unique(events.day).astype("datetime64[D]").astype(np.int64)
    at = days.astype(np.int64)
    after = np.searchsorted(dated, at, side="left")
    upto = np.searchsorted(dated, at, side="right") - 1
    padded = np.concatenate([[-(2**40)], dated, [2**40]])  # further away than any limit
    since, until = at - padded[upto + 1], padded[after + 1] - at
    return np.minimum(since, limit).astype(np.float32), np.minimum(until, limit).astype(np.float32)


def window_levels(values: np.ndarray, observed: np.ndarray, spans: Sequence[int]) -> np.ndarray:
    """Means over the last `span` cells of each window, where observed, for several spans: float64 [n, len(spans)].

    `values`: float [n, T], the latest cell last; `observed`: bool [n, T]. NaN where a span holds nothing observed;
    a span longer than the window is the whole window.
    """
    known = np.where(observed, values, 0.0).astype(np.float64)
    means = np.full((len(values), len(spans)), np.nan)
    for column, span in enumerate(spans):
        count = observed[:, -span:].sum(axis=1)
        np.divide(known[:, -span:].sum(axis=1), count, out=means[:, column], where=count > 0)
    return means


def span_totals(
    histories: Histories,
    entity: np.ndarray,
    cutoff: np.ndarray,
    spans: Sequence[np.timedelta64],
    column: str | None = None,
) -> np.ndarray:
    """What each case sees in the last `span` before its cutoff, for several spans: float64 [n, len(spans)].

    The sum of a number column where it is not missing, or the number of rows where `column` is None. A span covers
    [cutoff - span, cutoff). Totals come from the very rows, not from differences of running sums, whose rounding
    would depend on rows that the cutoff must not see.
    """
    entity = np.asarray(entity)
    cutoff = np.broadcast_to(np.asarray(cutoff), entity.shape)
    stop = histories.stop(entity, cutoff)
    totals = np.zeros((len(entity), len(spans)))
    for position, span in enumerate(spans):
        begin = np.minimum(histories.stop(entity, cutoff - span), stop)
        row = ragged_ranges(begin, stop - begin)
        case = np.repeat(np.arange(len(entity)), stop - begin)
        seen = histories.visible(row, cutoff[case])
        if column is not None:
            seen &= np.isfinite(histories.columns[column][row])
        weights = None if column is None else histories.columns[column][row[seen]].astype(np.float64)
        totals[:, position] = np.bincount(case[seen], weights, minlength=len(entity))
    return totals

"""Sales of every item and location on a grid of periods, read as of any cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.clock import Grid
from forecasting.histories import Histories
from tasks.demand.options import Missing
from tasks.demand.panel import Panel

NEVER = np.iinfo(np.int64).max // 4
"""A period after all others: when a series that never sold began."""

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Surroundings:
    """Columns that series share: a calendar by region, the weather by station.

    `panel` holds their periods, `row`: int32 [S] says which row of it is a series', -1 for none;
    `absent` is what a period without entry reads as.
    """

    panel: Panel
    row: np.ndarray
    absent: float = np.nan


@dataclass(frozen=True)
class Beginnings:
    """When each series first sold, as far as was known.

    `period`: int64 [S], the first period with sales known in time, NEVER where there is none. Sales of earlier periods
    that became known late stand aside: `late_instants`, datetime64[us] [I] ascending, are the instants at which they
    did; `late_key`, int64 [V] ascending, is series * I + index of the instant; `late_period`, int64 [V], the earliest
    period of the series known by then.
    """

    period: np.ndarray
    late_instants: np.ndarray
    late_key: np.ndarray
    late_period: np.ndarray


@dataclass(frozen=True)
class Habits:
    """How the source writes periods without sales, by period number from `first` on: what was evident when it began.

    `explicit_zeros`: bool [P], whether most of the gaps between an item's rows were filled with zeros. `last_row`:
    int64 [P], the last period before in which anything had a row.
    """

    first: int
    explicit_zeros: np.ndarray
    last_row: np.ndarray


@dataclass(frozen=True)
class SalesGrid:
    """All that is known about demand, with both clocks kept: every read says as of when.

    Series are the entities, S of them: `items`, `locations`: object (str) arrays of names, sorted; `item`, `location`:
    int32 [S], index into them; series are sorted by item, then location. `periods` numbers the periods.

    `sales`: panel by series with `quantity` (units, negatives taken as 0, NaN where no row), `in_stock` (1, 0) where
    the source has it, and the columns known only up to the cutoff. `ahead`: panel by series of the columns declared
    known ahead. `weather` and `calendar` do the same for what series share. `categorical` columns hold hashes of
    texts, 0 ... 2^20 - 1, the others numbers. `item_columns`, `location_columns`: what `items` and `locations` say,
    float32 or object (str, None where missing) by name, aligned with `items` and `locations`.

    `stock`: counts, one entity per series, columns `on_hand` and `on_order`. `supply`: float64 [S] by column name, NaN
    where unknown. `missing`: the option of that name.

    Reads take `series` int64 [n], a period number each, and `known_by`, datetime64[us] [n]: the instant as of which to
    answer, by default the start of the period read up to (or from). A period counts once its end is not after it, and a
    row once its `known_at` is not.
    """

    periods: Grid
    items: np.ndarray
    locations: np.ndarray
    item: np.ndarray
    location: np.ndarray
    sales: Panel
    ahead: Panel
    beginnings: Beginnings
    habits: Habits
    calendar: Surroundings | None = None
    weather: Surroundings | None = None
    item_columns: Mapping[str, np.ndarray] | None = None
    location_columns: Mapping[str, np.ndarray] | None = None
    categorical: frozenset[str] = frozenset()
    stock: Histories | None = None
    supply: Mapping[str, np.ndarray] | None = None
    missing: Missing = "auto"

    @property
    def series(self) -> int:
        """S, how many series there are."""
        return len(self.item)

    @property
    def history_names(self) -> tuple[str, ...]:
        """Columns of `history`, in its order."""
        own = tuple(name for name in self.sales.columns if name not in ("quantity", "in_stock"))
        return own + (tuple(self.weather.panel.columns) if self.weather else ())

    @property
    def ahead_names(self) -> tuple[str, ...]:
        """Columns of `known_ahead`, in its order."""
        own = tuple(name for name in self.ahead.columns if name != "listed")
        return own + (tuple(self.calendar.panel.columns) if self.calendar else ())

    def period_of(self, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """The first period not complete at each cutoff, int64: where its forecast begins."""
        return self.periods.containing(cutoff)

    def window(
        self, series: np.ndarray, stop: np.ndarray, length: int, known_by: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Units sold in the `length` periods before period `stop` [n]: (values float32, observed bool), [n, length].

        `observed` is false before the series began, after what was known, in periods that the source left out where
        that means nothing, and where the item was sold out: there the value is what was sold all the same, a lower
        bound of demand. Otherwise values not observed are 0. For targets of training, `stop` is the end of the
        horizon and `known_by` the instant up to which the model may look.
        """
        start, known_by, closed = self._as_of(stop, length, known_by)
        period = start[:, None] + np.arange(length)
        values = self.sales.gather("quantity", series, start, length, known_by)
        has_row = ~np.isnan(values)
        alive = (period >= self.began(series, known_by)[:, None]) & (period < closed[:, None])
        observed = alive & (has_row | self._zero_without_row(period, closed))
        values[~(has_row & alive)] = 0
        if "in_stock" in self.sales.columns:
            observed &= self.sales.gather("in_stock", series, start, length, known_by) != 0
        return values, observed

    def sold_out(
        self, series: np.ndarray, stop: np.ndarray, length: int, known_by: np.ndarray | None = None
    ) -> np.ndarray:
        """Whether the item was known to be out of stock, bool [n, length], in the periods of `window`."""
        start, known_by, closed = self._as_of(stop, length, known_by)
        if "in_stock" not in self.sales.columns:
            return np.zeros((len(series), length), bool)
        out = self.sales.gather("in_stock", series, start, length, known_by) == 0
        return out & (start[:, None] + np.arange(length) < closed[:, None])

    def history(
        self, series: np.ndarray, stop: np.ndarray, length: int, known_by: np.ndarray | None = None
    ) -> np.ndarray:
        """The columns `history_names` in the periods of `window`, float32 [n, length, F]; NaN where unknown."""
        start, known_by, closed = self._as_of(stop, length, known_by)
        result = self._gather(self.sales, self.weather, self.history_names, series, start, length, known_by)
        result[start[:, None] + np.arange(length) >= closed[:, None]] = np.nan
        return result

    def known_ahead(
        self, series: np.ndarray, start: np.ndarray, length: int, known_by: np.ndarray | None = None
    ) -> np.ndarray:
        """The columns `ahead_names` in the `length` periods from `start` [n] on, past and to come, float32
        [n, length, A]; NaN where unknown. `known_by` defaults to the start of period `start`."""
        start = np.asarray(start, np.int64)
        known_by = self._instant(start) if known_by is None else np.broadcast_to(known_by, start.shape)
        return self._gather(self.ahead, self.calendar, self.ahead_names, series, start, length, known_by)

    def began(self, series: np.ndarray, known_by: np.ndarray) -> np.ndarray:
        """The first period in which each series had sold, as known at `known_by`, int64 [n]; NEVER for none."""
        begun = self.beginnings
        known_period = self.periods.containing(known_by)
        first = begun.period[series]
        if len(begun.late_key):
            latest = np.searchsorted(begun.late_instants, known_by, side="right") - 1
            key = np.asarray(series, np.int64) * len(begun.late_instants) + latest
            at = np.searchsorted(begun.late_key, key, side="right") - 1
            late = (latest >= 0) & (at >= 0) & (begun.late_key[at] // len(begun.late_instants) == series)
            first = np.where(late, np.minimum(first, begun.late_period[at]), first)
        return np.where(first < known_period, first, NEVER)

    def last_seen(self, cutoff: np.datetime64) -> int:
        """The last period of which any sales had come in, in time, at an instant; below every period where none."""
        at = np.clip(self.period_of(cutoff) - self.habits.first, 0, len(self.habits.last_row) - 1)
        return int(self.habits.last_row[at])

    def past(
        self, series: np.ndarray, stop: np.ndarray, known_by: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """All periods from each series' beginning to before `stop` [n]: (units float32 [R], NaN where not observed,
        offsets int64 [n + 1]), ragged."""
        _, known_by, closed = self._as_of(stop, 0, known_by)
        length = np.maximum(np.minimum(stop, closed) - self.began(series, known_by), 0)
        offsets = np.concatenate([[0], length.cumsum()])
        flat = np.empty(offsets[-1], np.float32)
        at_once = max(1, _CELLS_AT_ONCE // max(int(length.max(initial=0)), 1))
        for begin in range(0, len(length), at_once):
            part = slice(begin, begin + at_once)
            longest = int(length[part].max(initial=0))
            values, observed = self.window(series[part], np.minimum(stop, closed)[part], longest, known_by[part])
            inside = np.arange(longest) >= longest - length[part][:, None]
            flat[offsets[begin] : offsets[min(begin + at_once, len(length))]] = np.where(observed, values, np.nan)[
                inside
            ]
        return flat, offsets

    def existing(self, cutoff: np.datetime64, horizon: int) -> np.ndarray:
        """The series to forecast at an instant, int64 ascending: those that had sold, that had been counted in stock,
        or that known-ahead rows announce for the `horizon` periods to come."""
        every = np.arange(self.series)
        known_by = np.full(self.series, cutoff, "datetime64[us]")
        exists = self.began(every, known_by) < NEVER
        if self.stock is not None:
            exists |= self.stock.window(every, known_by, 1)[1][:, 0]
        if "listed" in self.ahead.columns:
            start = self.period_of(known_by)
            exists |= (self.ahead.gather("listed", every, start, horizon, known_by) > 0).any(axis=1)
        return np.flatnonzero(exists)

    def _gather(
        self,
        own: Panel,
        shared: Surroundings | None,
        names: tuple[str, ...],
        series: np.ndarray,
        start: np.ndarray,
        length: int,
        known_by: np.ndarray,
    ) -> np.ndarray:
        result = np.empty((len(series), length, len(names)), np.float32)
        for number, name in enumerate(names):
            if shared is None or name in own.columns:
                result[:, :, number] = own.gather(name, series, start, length, known_by)
                continue
            values = shared.panel.gather(name, shared.row[series], start, length, known_by)
            result[:, :, number] = np.where(np.isnan(values), shared.absent, values)
        return result

    def _instant(self, period: np.ndarray) -> np.ndarray:
        return self.periods.start(period).astype("datetime64[us]")

    def _as_of(
        self, stop: np.ndarray, length: int, known_by: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(first period read, instant, first period not complete at it), each [n]."""
        stop = np.asarray(stop, np.int64)
        if known_by is None:
            return stop - length, self._instant(stop), stop
        known_by = np.broadcast_to(np.asarray(known_by, "datetime64[us]"), stop.shape)
        return stop - length, known_by, self.periods.containing(known_by)

    def _zero_without_row(self, period: np.ndarray, closed: np.ndarray) -> np.ndarray:
        """Whether a period without a row, [n, length], was one of zero sales, as far as was evident at `closed` [n].

        Not so in the last periods for which nothing at all has come in yet: a late feed is no drop in demand."""
        if self.missing == "unobserved":
            return np.zeros(period.shape, bool)
        at = np.clip(closed - self.habits.first, 0, len(self.habits.last_row) - 1)
        zero = period <= self.habits.last_row[at][:, None]
        if self.missing == "auto":
            zero &= ~self.habits.explicit_zeros[at][:, None]
        return zero

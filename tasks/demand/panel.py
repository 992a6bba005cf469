"""Ragged panels of periods that remember what was known when.

A panel holds one float column per quantity over cells, a cell being a row (a series, a region, a weather station)
in a period. Most cells have one version, known in time: it stands in the flat column. What became known later, late
rows and corrections, stands aside in `Versions`, and is laid over what a gather reads as of its instant. So a read
costs what it returns, plus the late versions inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecasting.clock import Grid
from forecasting.schema import DataError

Clock = Literal["history", "ahead"]
"""Whether a column is known once its period is over, or ahead of it."""

ALWAYS = np.datetime64(-(2**62), "us")
"""Before every instant: when an exempt known-ahead value became known."""

_MOST_CELLS = 1_500_000_000


@dataclass(frozen=True)
class Versions:
    """Later versions of cells, sorted by cell, then by the instant they became known.

    `cell`: int64 [V], position in the panel's flat columns. `known_at`: datetime64[us] [V], UTC. `columns`: float [V]
    by name; a version that leaves a value out repeats the one before it.
    """

    cell: np.ndarray
    known_at: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.cell)


@dataclass(frozen=True)
class Panel:
    """Ragged rows of consecutive periods.

    `first`: int64 [G], number of each row's first period. `offsets`: int64 [G + 1], where each row begins in the flat
    columns. `columns`: float32 or float16 [R + 1] by name, NaN where nothing is known; the last entry is NaN and
    stands for every cell outside. `later`: versions beyond the one in `columns`.
    """

    first: np.ndarray
    offsets: np.ndarray
    columns: Mapping[str, np.ndarray]
    later: Versions

    @property
    def rows(self) -> int:
        """G."""
        return len(self.first)

    @property
    def cells(self) -> int:
        """R."""
        return int(self.offsets[-1])

    def cell(self, row: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
        """Positions, int64 [n, length], of the cells of `row` [n] from period `start` [n] on; -1 outside. A row of
        -1 has no cells."""
        if not self.rows:
            return np.full((len(row), length), -1)
        begin = self.offsets[row]
        size = np.where(row < 0, 0, self.offsets[row + 1] - begin)
        inside = (start - self.first[row])[:, None] + np.arange(length)
        cell = inside + begin[:, None]
        cell[(inside < 0) | (inside >= size[:, None])] = -1
        return cell

    def gather(
        self, name: str, row: np.ndarray, start: np.ndarray, length: int, known_by: np.ndarray, dtype: type = np.float32
    ) -> np.ndarray:
        """Values [n, length] of a column in periods `start` [n] to start + length, as known at `known_by` [n]
        (datetime64[us]); NaN where nothing was known."""
        values = self.columns[name][self.cell(row, start, length)].astype(dtype, copy=False)
        if len(self.later):
            case, offset, version = self.overlay(row, start, length, known_by)
            values[case, offset] = self.later.columns[name][version]
        return values

    def overlay(
        self, row: np.ndarray, start: np.ndarray, length: int, known_by: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The later versions that replace what the flat columns say: (case, offset in the window, version), int64 each,
        one per cell touched, the latest known at `known_by` [n]."""
        absent = row < 0
        begin = self.offsets[row]
        size = np.where(absent, 0, self.offsets[row + 1] - begin)
        to_cell = begin - self.first[row]
        low = np.clip(start + to_cell, begin, begin + size)
        high = np.clip(start + length + to_cell, begin, begin + size)
        at = np.searchsorted(self.later.cell, low)
        count = np.searchsorted(self.later.cell, high) - at
        case = np.repeat(np.arange(len(row)), count)
        version = np.arange(len(case)) + np.repeat(at - (count.cumsum() - count), count)
        known = self.later.known_at[version] <= known_by[case]
        case, version = case[known], version[known]
        cell = self.later.cell[version]
        latest = np.ones(len(case), bool)
        latest[:-1] = (case[1:] != case[:-1]) | (cell[1:] != cell[:-1])
        case, version, cell = case[latest], version[latest], cell[latest]
        return case, cell - to_cell[case] - start[case], version


def build(
    rows: int,
    row: np.ndarray,
    period: np.ndarray,
    known_at: np.ndarray | None,
    columns: Mapping[str, np.ndarray],
    grid: Grid,
    clock: Clock,
    layout: tuple[np.ndarray, np.ndarray] | None = None,
) -> Panel:
    """A panel of `rows` rows from records (row int, period int64, known_at datetime64[us] or None, columns float,
    each [N], any order).

    A record is known at its `known_at`, NaT or None meaning the end of its period; several records of a cell are
    versions, of which the one known last counts, NaN in it leaving the value before. With clock "history" nothing
    is known before the end of its period. With clock "ahead" a record known between the start and the end of its
    period, as sales rows are, is exempt: known always, unless an earlier record of the cell announced a plan, known
    before the period began. Later ones are late, or corrections, and count from their `known_at` on.
    `layout`: (first, offsets) to share with another panel. Raises DataError where the panel would not fit in memory.
    """
    first, offsets = extent(rows, row, period) if layout is None else layout
    cell = (offsets[row] - first[row]) + period
    total = int(offsets[-1])
    apart = _irregular(cell, total, period, known_at, grid, clock)
    plain: np.ndarray | slice = slice(None) if apart is None else ~apart
    flat = {}
    for name, values in columns.items():
        column = np.full(total + 1, np.nan, values.dtype)
        column[cell[plain]] = values[plain]
        flat[name] = column
    if apart is None:
        return Panel(first, offsets, flat, Versions(np.empty(0, np.int64), np.empty(0, "datetime64[us]"), {}))
    where = np.flatnonzero(apart)
    cell, known = (
        cell[where],
        _known(period[where], None if known_at is None else known_at[where], cell[where], grid, clock),
    )
    raw = _or_end(None if known_at is None else known_at[where], period[where], grid)
    order = np.lexsort((raw, known, cell))
    cell, known = cell[order], known[order]
    filled = {name: _carry(cell, values[where][order]) for name, values in columns.items()}
    base = known <= _base_until(period[where][order], grid, clock)
    ends_base = base.copy()
    ends_base[:-1] &= ~((cell[1:] == cell[:-1]) & base[1:])
    for name, values in filled.items():
        flat[name][cell[ends_base]] = values[ends_base]
    later = Versions(cell[~base], known[~base], {name: values[~base] for name, values in filled.items()})
    return Panel(first, offsets, flat, later)


def extent(rows: int, row: np.ndarray, period: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(first, offsets) of a panel that covers the records: each row from its first period to its last."""
    far = np.iinfo(np.int64).max
    first, last = np.full(rows, far), np.full(rows, -far)
    np.minimum.at(first, row, period)
    np.maximum.at(last, row, period)
    size = np.where(first == far, 0, last - first + 1)
    first[size == 0] = 0
    offsets = np.concatenate([[0], size.cumsum()])
    if offsets[-1] > _MOST_CELLS:
        raise DataError(
            f"{rows} series over up to {size.max()} periods make {offsets[-1]} cells, more than fit in memory.",
            source="sales",
            column="date",
            remedy="Look for dates far off the others, or forecast weeks or months.",
        )
    return first, offsets


def accumulate(
    row: np.ndarray, period: np.ndarray, known_at: np.ndarray, columns: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Records for `build` from amounts that add up in their cell: each version is the sum of what was known by then.

    `known_at` (datetime64[us], no NaT) and `columns` are of the amounts [N]; returns (row, period, known_at, columns),
    one record per cell and instant."""
    order = np.lexsort((known_at, period, row))
    row, period, known_at = row[order], period[order], known_at[order]
    new_cell = np.ones(len(row), bool)
    new_cell[1:] = (row[1:] != row[:-1]) | (period[1:] != period[:-1])
    new_version = new_cell.copy()
    new_version[1:] |= known_at[1:] != known_at[:-1]
    begins = np.flatnonzero(new_version)
    if not len(begins):
        return row, period, known_at, {name: amounts.astype(np.float64) for name, amounts in columns.items()}
    # Sums are taken cell by cell, never as differences of one running total: what one cell holds must not touch
    # the rounding of another.
    sums = {name: np.add.reduceat(amounts[order].astype(np.float64), begins) for name, amounts in columns.items()}
    rank = _rank(new_cell[begins])
    for number in range(1, int(rank.max()) + 1):
        at = np.flatnonzero(rank == number)
        for values in sums.values():
            values[at] += values[at - 1]
    return row[begins], period[begins], known_at[begins], sums


def _rank(begins: np.ndarray) -> np.ndarray:
    """Position of each entry in its group, int64, from flags saying where groups begin."""
    position = np.arange(len(begins))
    return position - np.maximum.accumulate(np.where(begins, position, 0))


def _or_end(known_at: np.ndarray | None, period: np.ndarray, grid: Grid) -> np.ndarray:
    """`known_at` with the end of the period where it is missing."""
    end = grid.end(period).astype("datetime64[us]")
    return end if known_at is None else np.where(np.isnat(known_at), end, known_at)


def _irregular(
    cell: np.ndarray, total: int, period: np.ndarray, known_at: np.ndarray | None, grid: Grid, clock: Clock
) -> np.ndarray | None:
    """Which records belong to cells with several versions, or with one not known in time; None where none does."""
    filled = np.zeros(total, bool)
    filled[cell] = True
    several = np.count_nonzero(filled) < len(cell)
    if known_at is None and not several:
        return None
    apart = np.bincount(cell, minlength=total) > 1 if several else np.zeros(total, bool)
    if known_at is not None:
        off = known_at > grid.end(period)
        if clock == "ahead":
            off |= known_at < grid.start(period)
        apart[cell[off]] = True
    return apart[cell] if apart.any() else None


def _known(period: np.ndarray, known_at: np.ndarray | None, cell: np.ndarray, grid: Grid, clock: Clock) -> np.ndarray:
    """When each record counts as known, datetime64[us]."""
    known = _or_end(known_at, period, grid)
    end = grid.end(period).astype("datetime64[us]")
    if clock == "history":
        return np.maximum(known, end)
    start = grid.start(period).astype("datetime64[us]")
    planned = np.isin(cell, cell[known < start])
    return np.where((known >= start) & (known <= end) & ~planned, ALWAYS, known)


def _base_until(period: np.ndarray, grid: Grid, clock: Clock) -> np.ndarray | np.datetime64:
    """The latest instant at which a version may be known and still stand in the flat columns."""
    return grid.end(period).astype("datetime64[us]") if clock == "history" else ALWAYS


def _carry(cell: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` with NaN replaced by the value before it in the same cell."""
    position = np.arange(len(values))
    begins = np.ones(len(values), bool)
    begins[1:] = cell[1:] != cell[:-1]
    source = np.maximum.accumulate(np.where(begins | ~np.isnan(values), position, 0))
    return values[source]

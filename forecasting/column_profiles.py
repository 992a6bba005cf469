"""The values of a source's columns in bins: as many as say how they are spread, few enough to be kept as a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.columns import is_text

LABELS = 20
"""Labels of a text column that have a bin of their own; the others share one."""

HOUR = "hour of the day"
"""The name under which the clock itself is watched, where it tells more than a date: a shift of the time zone."""

_COMMON = 0.5
_HOURS = tuple(float(hour) for hour in range(3, 24, 3))


@dataclass(frozen=True, eq=False)
class Rows:
    """R rows of a source. `at`: datetime64[us] [R], when each occurred, UTC (one that covers a period does with its
    last microsecond). `known_at`: datetime64[us] [R], None where each was known as it occurred. `columns`: Arrow
    columns [R] of numbers, flags or texts by name; others are passed over. `hours`: whether the hour of the day of
    `at` is their own, and worth watching."""

    at: np.ndarray
    known_at: np.ndarray | None
    columns: Mapping[str, pa.ChunkedArray]
    hours: bool = True


@dataclass(frozen=True)
class ColumnProfile:
    """How the values of one column fall into bins. `edges`: ascending, bin b holds (edges[b - 1], edges[b]] and the
    last what is above; `labels` instead for a text column: one bin each and one for all others. `counts`: by bin, the
    last for missing values. `usual`: the Population Stability Index that neighbouring windows of the past year have
    stayed below, None where there were too few of them to tell."""

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] | None = None
    usual: float | None = None

    @property
    def missing(self) -> float:
        """The share of missing values, 0 of no rows."""
        return self.counts[-1] / max(sum(self.counts), 1)


def watched_columns(rows: Rows) -> list[str]:
    """The names of its columns, and HOUR."""
    return [*rows.columns, *([HOUR] if rows.hours else [])]


def _values(rows: Rows, name: str, index: np.ndarray) -> np.ndarray | pa.Array | None:
    """The values of rows: float64 with NaN, or texts as a dictionary array; None for a column of another type, or
    that is not there."""
    if name == HOUR:
        at = rows.at[index]
        return (at - at.astype("datetime64[D]")) / np.timedelta64(1, "h")
    if name not in rows.columns:
        return None
    column = rows.columns[name]
    kind = column.type
    taken = column.take(pa.array(index))
    if is_text(kind):
        encoded = taken if pa.types.is_dictionary(kind) else taken.dictionary_encode()
        return encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return np.asarray(taken.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    return None


def bins_for(rows: Rows, name: str, index: np.ndarray) -> ColumnProfile | None:
    """Empty bins for the values of the rows at `index`: deciles of numbers, the most frequent texts. None where nothing
    is to be learnt from them: ids, of which each has few rows, and columns of other types."""
    values = _values(rows, name, index)
    if values is None:
        return None
    if name == HOUR:
        return ColumnProfile((), _HOURS)
    if isinstance(values, np.ndarray):
        return ColumnProfile((), _deciles(values[np.isfinite(values)]))
    counts = pc.value_counts(values.cast(values.type.value_type).drop_null())
    labels, often = counts.field("values"), counts.field("counts").to_numpy(zero_copy_only=False)
    top = np.lexsort((labels.to_numpy(zero_copy_only=False).astype(str), -often))[:LABELS]
    if often[top].sum() < _COMMON * often.sum():
        return None
    return ColumnProfile((), labels=tuple(labels.take(pa.array(top)).to_pylist()))


def _deciles(known: np.ndarray) -> tuple[float, ...]:
    """Edges of at most ten bins of about as many values each, halfway between one value and the next: where few values
    occur (prices, whole numbers) a small step moves none of them to another bin."""
    if not len(known):
        return ()
    values, rows = np.unique(known, return_counts=True)
    place = np.searchsorted(np.cumsum(rows), np.arange(1, 10) / 10 * len(known))
    place = np.unique(place[place < len(values) - 1])
    return tuple(((values[place] + values[place + 1]) / 2).tolist())


def _bins(rows: Rows, name: str, index: np.ndarray, blank: ColumnProfile) -> tuple[np.ndarray, int]:
    """The bin of each of the rows, int64, and how many bins there are; the last is for missing values."""
    values = _values(rows, name, index)
    size = (len(blank.edges) if blank.labels is None else len(blank.labels)) + 2
    if isinstance(values, np.ndarray) and blank.labels is None:
        return np.where(np.isfinite(values), np.searchsorted(blank.edges, values), size - 1), size
    if isinstance(values, pa.Array) and blank.labels is not None:
        place = pc.index_in(values.dictionary.cast(pa.string()), pa.array(blank.labels, pa.string()))
        known = pc.fill_null(place, size - 2).to_numpy(zero_copy_only=False)
        code = pc.fill_null(values.indices, len(known)).to_numpy(zero_copy_only=False)
        return np.append(known, size - 1)[code], size
    return np.full(len(index), size - 1), size  # gone, or of another type


def binned(rows: Rows, name: str, index: np.ndarray, blank: ColumnProfile) -> tuple[int, ...]:
    """How many of the rows at `index` (int64 positions) are in each bin of `blank`; all are missing where the column is
    gone, or of another type."""
    bins, size = _bins(rows, name, index, blank)
    return tuple(np.bincount(bins, minlength=size).tolist())


def binned_by_day(
    rows: Rows, name: str, index: np.ndarray, age: np.ndarray, days: int, blank: ColumnProfile
) -> np.ndarray:
    """The same by `age` of the rows in days, int64 each below `days`: int64 [days, bins]."""
    bins, size = _bins(rows, name, index, blank)
    return np.bincount(age * size + bins, minlength=days * size).reshape(days, size)

"""The contract of a source, checked batch by batch as arrays: types, nulls, ranges, choices, times in the future,
and over the whole table duplicates and unknown ids.

A row that breaks it is set aside with the reason and with the values as they were read; the others go on in canonical
types. Business is not dirt: returns, cancelled orders and purchases without a customer pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.canonical import TEXT_TYPE
from db.convert import PROBLEMS, as_text, convert
from forecasting.schema import KNOWN_AT, SOURCES, Column, Kind, Source

KEPT_BAD_ROWS = 100_000
"""Bad rows of a source that are kept with their values; further ones are counted."""


@dataclass(frozen=True)
class BadRows:
    """Rows set aside together. `rows`: values as read (or canonical, for duplicates). `column`, `reason`: string
    [n], the first problem of each. `position`: int64 [n], 1-based, in the order of reading."""

    rows: pa.Table
    column: pa.Array
    reason: pa.Array
    position: np.ndarray

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True)
class CheckedSource:
    """A source after its checks.

    `table`: the good rows in canonical types, one chunk a column, only columns that are there. `read`, `bad`: how
    many rows came and how many were set aside; `problems` counts the latter by (column, reason); `bad_rows` keeps
    the first `KEPT_BAD_ROWS` of them.
    """

    source: Source
    table: pa.Table
    read: int
    bad: int
    problems: Mapping[tuple[str, str], int]
    bad_rows: tuple[BadRows, ...]

    @property
    def share(self) -> float:
        """Bad rows over rows read, in [0, 1]."""
        return self.bad / self.read if self.read else 0.0


def check(
    source: Source,
    columns: Sequence[Column],
    batches: Iterable[pa.RecordBatch],
    *,
    timezone: str = "UTC",
    now: datetime | None = None,
) -> CheckedSource:
    """Converts and checks raw batches whose columns are `columns`, in that order.

    Memory stays near that of the result: each batch is converted and released. `now` is the wall clock (UTC)."""
    clock = _micros(now or datetime.now(UTC))
    good: list[list[pa.Array]] = [[] for _ in columns]
    aside: list[BadRows] = []
    problems: Counter[tuple[str, str]] = Counter()
    read = 0
    for batch in batches:
        rows, bad = _check_batch(batch, columns, timezone, clock, read)
        read += batch.num_rows
        for chunks, values in zip(good, rows, strict=True):
            chunks.append(values)
        if bad is not None:
            _set_aside(aside, bad, problems)
    arrays = [concatenated(chunks, column.kind) for chunks, column in zip(good, columns, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
    table, bad = _without_duplicates(source, table)
    if bad is not None:
        _set_aside(aside, bad, problems)
    return CheckedSource(source, table, read, sum(problems.values()), dict(problems), tuple(aside))


def unknown_ids(
    tables: Mapping[str, pa.Table], sources: Mapping[str, Source] = SOURCES
) -> list[tuple[str, str, int, str]]:
    """(source, column, rows, example) of ids that the source they refer to does not hold, where both were read.
    A warning and a cold start for the task, never dirt."""
    found = []
    for name, table in tables.items():
        for column in sources[name].columns:
            other = column.refers_to
            if other is not None and other in tables and column.name in table.column_names:
                key = sources[other].key[0]
                known = tables[other][key].unique().cast(pa.string())
                values = table[column.name].combine_chunks()
                strange = pc.invert(pc.is_in(values.dictionary, value_set=known))
                rows = pc.fill_null(strange.take(values.indices), False)
                count = pc.sum(rows).as_py() or 0
                if count:
                    example = values[pc.index(rows, True).as_py()].as_py()
                    found.append((name, column.name, count, example))
    return found


def concatenated(chunks: list[pa.Array], kind: Kind) -> pa.Array:
    """One array of a column's converted batches, which are released on the way: dictionaries unified; where batches
    of an ANY column disagree about its type, all as text."""
    types = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if not types:
        types = {convert(pa.nulls(0), kind)[0].type}
    type_ = types.pop() if len(types) == 1 else TEXT_TYPE
    if pa.types.is_null(type_):
        type_ = TEXT_TYPE
    column = pa.chunked_array([_retyped(chunk, type_) for chunk in chunks], type_)
    chunks.clear()
    if pa.types.is_dictionary(type_):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _retyped(chunk: pa.Array, type_: pa.DataType) -> pa.Array:
    if chunk.type == type_:
        return chunk
    return pa.nulls(len(chunk), type_) if pa.types.is_null(chunk.type) else as_text(chunk).dictionary_encode()


def _check_batch(
    batch: pa.RecordBatch, columns: Sequence[Column], timezone: str, clock: int, before: int
) -> tuple[list[pa.Array], BadRows | None]:
    rows = []
    blame = _Blame(batch.num_rows)
    for values, column in zip(batch.columns, columns, strict=True):
        converted, unreadable = convert(values, column.kind, timezone)
        blame.add(column, PROBLEMS[column.kind], unreadable)
        for reason, mask in _broken(converted, column, clock):
            blame.add(column, reason, mask)
        rows.append(pa.concat_arrays([converted]))  # a copy: one buffer shared with the raw batch keeps all of it alive
    if blame.reason is None:
        return rows, None
    good = pa.array(blame.reason < 0)
    return [values.filter(good) for values in rows], blame.set_aside(pa.Table.from_batches([batch]), before)


def _broken(values: pa.Array, column: Column, clock: int) -> Iterable[tuple[str, np.ndarray]]:
    """Reasons and masks of converted values that break what the column declares."""
    if column.required and values.null_count:
        yield "is missing", values.is_null().to_numpy(zero_copy_only=False)
    if column.minimum is not None or column.maximum is not None:
        limits = pc.min_max(values).as_py()
        if column.minimum is not None and limits["min"] is not None and limits["min"] < column.minimum:
            yield f"is below {column.minimum:g}", _mask(pc.less(values, column.minimum))
        if column.maximum is not None and limits["max"] is not None and limits["max"] > column.maximum:
            yield f"is above {column.maximum:g}", _mask(pc.greater(values, column.maximum))
    if column.longest is not None and pa.types.is_dictionary(values.type) and len(values.dictionary):
        long = pc.greater(pc.binary_length(values.dictionary), column.longest)
        if pc.any(long).as_py():
            yield f"is longer than {column.longest} bytes", _mask(long.take(values.indices))
    if column.choices and len(values.dictionary):
        other = pc.invert(pc.is_in(values.dictionary, value_set=pa.array(column.choices)))
        if pc.any(other).as_py():
            yield f"is none of {', '.join(column.choices)}", _mask(other.take(values.indices))
    if not column.future and column.kind in (Kind.TIMESTAMP, Kind.DATE):
        present = pa.scalar(clock, pa.int64()).cast(pa.timestamp("us", "UTC")).cast(values.type, safe=False)
        latest = pc.max(values)
        if latest.is_valid and pc.greater(latest, present).as_py():
            yield "lies in the future", _mask(pc.greater(values, present))


def _mask(flags: pa.Array) -> np.ndarray:
    return pc.fill_null(flags, False).to_numpy(zero_copy_only=False)


class _Blame:
    """The first problem of each row of a batch; None of it costs anything until there is one."""

    def __init__(self, length: int):
        self.length = length
        self.names: list[tuple[str, str]] = []
        self.reason: np.ndarray | None = None  # int16 [n], index into names, -1 for a good row

    def add(self, column: Column, reason: str, mask: np.ndarray | None) -> None:
        if mask is None or not mask.any():
            return
        if self.reason is None:
            self.reason = np.full(self.length, -1, np.int16)
        self.reason[mask & (self.reason < 0)] = len(self.names)
        self.names.append((column.name, reason))

    def set_aside(self, rows: pa.Table, before: int) -> BadRows:
        assert self.reason is not None
        at = np.flatnonzero(self.reason >= 0)
        which = pa.array(self.reason[at])
        columns, reasons = (pa.array(part, pa.string()) for part in zip(*self.names, strict=True))
        return BadRows(rows.take(pa.array(at)), columns.take(which), reasons.take(which), before + at + 1)


def _set_aside(aside: list[BadRows], bad: BadRows, problems: Counter[tuple[str, str]]) -> None:
    room = KEPT_BAD_ROWS - sum(map(len, aside))
    problems.update(zip(bad.column.to_pylist(), bad.reason.to_pylist(), strict=True))
    if room > 0:
        first = slice(0, room)
        kept = BadRows(bad.rows.slice(0, room), bad.column[first], bad.reason[first], bad.position[first])
        aside.append(kept)


def _without_duplicates(source: Source, table: pa.Table) -> tuple[pa.Table, BadRows | None]:
    """Of rows with the same key, and the same `known_at` where there is one, the last read stays."""
    key = [name for name in (*source.key, KNOWN_AT.name) if name in table.column_names]
    if not source.key or not table.num_rows:
        return table, None
    repeated = repeated_rows([table[name].combine_chunks() for name in key])
    if repeated is None:
        return table, None
    rows = table.filter(pa.array(repeated))
    reason = f"repeats the key ({', '.join(key)}) of a later row"
    column = pa.array([key[0]] * len(rows), pa.string())
    at = np.flatnonzero(repeated) + 1
    bad = BadRows(rows, column, pa.array([reason] * len(rows), pa.string()), at)
    return table.filter(pa.array(~repeated)), bad


def repeated_rows(columns: Sequence[pa.Array]) -> np.ndarray | None:
    """Mask [n] of rows that a later row with equal values in all columns repeats; None where there are none.

    Rows are numbered by mixing the columns' codes into one integer: a sort of 8 bytes a row finds out that all
    differ, the usual case, without a hash table."""
    code = np.zeros(len(columns[0]), np.int64)
    size = 1
    for values in columns:
        codes, count = _codes(values)
        if size * count >= 2**62:  # squeeze what there is so far into as few numbers as rows
            _, code = np.unique(code, return_inverse=True)
            size = int(code.max()) + 1
        code *= count
        code += codes
        size *= count
    ordered = np.sort(code)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    order = np.argsort(code, kind="stable")
    repeated = np.zeros(len(code), bool)
    repeated[order[:-1]] = code[order[1:]] == code[order[:-1]]
    return repeated


def _codes(values: pa.Array) -> tuple[np.ndarray, int]:
    """Integers [n] in [0, count), equal where the values are; null is a value of its own, 0."""
    if pa.types.is_dictionary(values.type):
        numbers, count = values.indices, len(values.dictionary)
    elif pa.types.is_temporal(values.type):
        wide = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
        limits = pc.min_max(wide).as_py()
        low, high = limits["min"] or 0, limits["max"] or 0
        if high - low < 2**40:
            numbers, count = pc.subtract(wide.cast(pa.int64()), low), high - low + 1
        else:
            encoded = wide.dictionary_encode()
            numbers, count = encoded.indices, len(encoded.dictionary)
    else:
        encoded = values.dictionary_encode()
        numbers, count = encoded.indices, len(encoded.dictionary)
    filled = pc.fill_null(numbers.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return filled + 1, count + 1


def _micros(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(pa.scalar(aware, pa.timestamp("us", "UTC")).cast(pa.int64()).as_py())

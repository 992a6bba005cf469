"""What `check` says of one source: where it stands, what it holds, and what the lack of a column costs a task."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from db.checks import CheckedSource
from db.mapping import ResolvedSource
from forecasting.schema import Kind, SourceNeed

_SHOWN_VALUES = 12
MOST_VALUES = 50
"""Distinct values that are counted one by one."""


@dataclass(frozen=True)
class SourceFinding:
    """What stands behind one source.

    `state`: ok, absent, broken. `latest`: its newest instant. `timezone`: of times without a zone, empty for a source
    that has no times. `columns`: those that are there, canonical and extra; `missing`: optional ones that are not.
    `filled`: share in [0, 1) of rows that have a value, of columns that some rows leave empty. `values`: how often each
    value of a column that tells kinds of rows apart occurs (a status), the most frequent first, at most `MOST_VALUES`.
    `problems`: sentences.
    """

    source: str
    state: str
    place: str = ""
    rows: int = 0
    bad: int = 0
    latest: dt.datetime | None = None
    timezone: str = ""
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    filled: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """What a person should know beside the figures."""
        if self.columns:
            yield "has " + ", ".join(
                name + (f" ({_percent(self.filled[name])} of rows)" if name in self.filled else "")
                for name in self.columns
            )
        for column, counts in self.values.items():
            shown = [f"{value} ({rows:,})" for value, rows in list(counts.items())[:_SHOWN_VALUES]]
            yield f"{column} is {', '.join(shown)}" + (", ..." if len(counts) > _SHOWN_VALUES else "")
        yield from self.problems


def finding(resolved: ResolvedSource, checked: CheckedSource) -> SourceFinding:
    """What was found of a source that is there."""
    source, table = checked.source, checked.table
    there = tuple(table.column_names)
    timed = [column.name for column in source.columns if column.kind is Kind.TIMESTAMP and column.name in there]
    kinds = [column.name for column in source.columns if column.kind is Kind.TEXT and column.required]
    shares = {name: 1 - table[name].null_count / len(table) for name in there} if len(table) else {}
    return SourceFinding(
        source.name,
        "ok",
        resolved.place,
        checked.read,
        checked.bad,
        _latest(table, source.clock),
        resolved.mapping.timezone if timed else "",
        there,
        tuple(column.name for column in source.columns if column.name not in there),
        {name: share for name, share in shares.items() if share < 1},
        {name: _counts(table[name]) for name in kinds if name in there},
        tuple(f"{count:,} rows: {column} {reason}" for (column, reason), count in checked.problems.items()),
    )


def costs(need: SourceNeed, table: pa.Table) -> Iterator[str]:
    """What it costs a task that columns of a source are not there, or hold nothing."""
    for names, cost in need.columns_without.items():
        together = [name.strip() for name in names.split(",")]
        absent = [name for name in together if name not in table.column_names]
        empty = [name for name in together if name not in absent and table[name].null_count == len(table)]
        if absent:
            yield f"runs without {' and '.join(absent)} of {need.source}: {cost}"
        elif empty:
            yield f"{' and '.join(empty)} of {need.source} {'holds' if len(empty) == 1 else 'hold'} nothing: {cost}"


def _latest(table: pa.Table, clock: str | None) -> dt.datetime | None:
    if clock is None or clock not in table.column_names:
        return None
    latest = pc.max(table[clock]).as_py()
    if isinstance(latest, dt.date) and not isinstance(latest, dt.datetime):
        return dt.datetime(latest.year, latest.month, latest.day, tzinfo=dt.UTC)
    return latest


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    counted = values.combine_chunks().cast(pa.string()).value_counts().to_pylist()
    ordered = sorted(counted, key=lambda one: (-one["counts"], one["values"]))
    return {one["values"]: one["counts"] for one in ordered[:MOST_VALUES]}


def _percent(share: float) -> str:
    """Never rounded to all or nothing."""
    return "less than 0.1%" if 0 < share < 0.001 else "99.9%" if share > 0.999 else f"{share:.1%}"

"""Bad rows: kept in the ledger with their reason, and too many of them stop a run before it changes anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from db.checks import BadRows, CheckedSource
from db.convert import PROBLEMS
from db.engines import Warehouse
from db.failures import repeated
from db.tables import QUARANTINE
from forecasting.schema import Column, DataError, Kind

LIMIT_SHARE = 0.05
"""Share of bad rows above which a source is refused."""

_CHUNK = 5_000
_WRITTEN = {
    Kind.TIMESTAMP: "YYYY-MM-DD HH:MM:SS",
    Kind.DATE: "YYYY-MM-DD",
    Kind.NUMBER: "1234.5",
    Kind.FLAG: "0 and 1",
}


class TooManyBadRows(DataError):
    """A source holds more bad rows than allowed. `checked` has them, for the ledger or the screen."""

    def __init__(self, checked: CheckedSource, limit: float):
        (column, reason), count = max(checked.problems.items(), key=lambda item: item[1])
        position, row = _example(checked, column, reason)
        super().__init__(
            f"{checked.bad:,} of {checked.read:,} rows ({checked.share:.1%}) break the contract, more than the "
            f"{limit:.1%} allowed; in {count:,} of them the value {reason}, as in {row}.",
            source=checked.source.name,
            column=column,
            row=position,
            remedy=f"Correct the rows, or map {column!r} to what it should be in [sources.{checked.source.name}]"
            f"{_rewriting(checked.source.column(column), reason)}.",
        )
        self.checked = checked


def _rewriting(column: Column | None, reason: str) -> str:
    """How to map a column whose values are written in another way than we read."""
    written = None if column is None or reason != PROBLEMS[column.kind] else _WRITTEN.get(column.kind)
    return f": a query there can write it as {written}" if written else ""


def refuse_too_many(checked: CheckedSource, limit: float = LIMIT_SHARE) -> None:
    """Raises TooManyBadRows where more than `limit` (a share of the rows read) are bad."""
    if checked.share > limit:
        raise TooManyBadRows(checked, limit)


@repeated
def keep(warehouse: Warehouse, run_id: str, sources: Sequence[CheckedSource]) -> int:
    """Adds the bad rows of a run to the ledger, in a transaction of their own; the number written."""
    with warehouse.writing() as connection:
        return write(connection, run_id, sources)


def write(connection: sa.Connection, run_id: str, sources: Iterable[CheckedSource]) -> int:
    """Adds the bad rows kept to the ledger, in the caller's transaction; the number written."""
    written = 0
    for checked in sources:
        rows = (
            {"run_id": run_id, "source": checked.source.name, "row": row, "reason": f"{column} {reason}"}
            for bad in checked.bad_rows
            for column, reason, _, row in listed(bad)
        )
        while chunk := list(islice(rows, _CHUNK)):
            connection.execute(sa.insert(QUARANTINE), chunk)
            written += len(chunk)
    return written


def listed(bad: BadRows) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """(column, reason, position, row as JSON values) of each bad row."""
    for start in range(0, len(bad), _CHUNK):
        rows = bad.rows.slice(start, _CHUNK).to_pylist()
        columns, reasons = bad.column[start:].to_pylist(), bad.reason[start:].to_pylist()
        for at, row in enumerate(rows):
            values = {name: _plain(value) for name, value in row.items()}
            yield columns[at], reasons[at], int(bad.position[start + at]), values


def _plain(value: Any) -> Any:
    """A value as JSON knows it: times in ISO 8601, what is not a number as text."""
    if value is None or isinstance(value, bool | int | str):
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _example(checked: CheckedSource, column: str, reason: str) -> tuple[int | None, str]:
    for bad in checked.bad_rows:
        for its_column, its_reason, position, row in listed(bad):
            if (its_column, its_reason) == (column, reason):
                text = json.dumps({column: row.get(column)} | row, ensure_ascii=False)  # what is wrong comes first
                return position, text if len(text) <= 300 else text[:300] + "..."
    return None, "no row kept"

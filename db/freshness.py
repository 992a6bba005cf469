"""How new a source's rows are: one figure, asked for by one statement that gives up after some seconds.

Rows that are known ahead say nothing of it: what lies after the moment does not count, nor do rows of `sales` without
a quantity. Times may be stored as any database and shop does (with a zone or without, dates, ISO text, numbers such as
20111231); what the statement finds is read as `db.convert` reads a source.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from db.convert import convert
from db.engines import Warehouse
from db.mapping import ResolvedSource, first_line
from forecasting.schema import DataError, ForecastingError, Kind

MEASURED = {"sales": "quantity"}
"""Columns that are empty in rows known ahead, by source."""

LONGEST_STEP = timedelta(days=31)
"""Of the grid of a source by day, week or month; what is further apart is a gap."""

_TIMES = {1082, 1114, 1184}  # PostgreSQL's date, timestamp, timestamptz, which may be 'infinity'
_INSTRUCTIONS = 20_000  # of SQLite's machine between two looks at the clock


class TooSlow(ForecastingError):
    """The database had no answer in time."""


@dataclass(frozen=True)
class Newest:
    """The newest row. `at`: its time, `until`: the end of what it covers, which for a day is the day's end, for a week
    or month that of the week or month. Aware, UTC."""

    at: datetime
    until: datetime


def newest(resolved: ResolvedSource, moment: datetime, seconds: float, *, patience: timedelta) -> Newest | None:
    """The newest row of a source with a clock that is not after `moment` (aware); None where there is none.

    Only a source by days that is silent for longer than `patience` is asked for the step of its grid, too. Raises
    TooSlow after so many seconds, DataError where the source cannot be read or its newest time is none."""
    column = next(one for one in resolved.columns if one.column.name == resolved.source.clock)
    query = _Query(resolved, resolved.relation.c[column.theirs], column.column.kind, moment)
    try:
        with resolved.warehouse.reading() as connection, deadline(connection, seconds):
            value = query.largest(connection, infinite=column.type_code in _TIMES)
            if value is None:
                return None
            at = query.instant(value)
            if at is None:
                raise DataError(f"{value!r} is no time.", source=resolved.source.name, column=column.column.name)
            if column.column.kind is not Kind.DATE:
                return Newest(at, at)
            step = timedelta(days=1)
            if moment - at - step > patience:
                before = query.instant(query.below(connection, value))
                step = min(at - before, LONGEST_STEP) if before is not None else step
            return Newest(at, max(at + step, at))
    except SQLAlchemyError as error:
        raise DataError(
            f"{resolved.place} cannot be read: {first_line(error)}.", source=resolved.source.name
        ) from error


def count(warehouse: Warehouse, statement: sa.Select[Any], seconds: float) -> int | None:
    """The number that a statement counts; None where that takes longer, or its table is not there."""
    try:
        with warehouse.reading() as connection, deadline(connection, seconds):
            return connection.scalar(statement)
    except (SQLAlchemyError, TooSlow):
        return None


@contextmanager
def deadline(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Stops the statements of a transaction after so many seconds, by raising TooSlow; in databases other than SQLite
    and PostgreSQL they run on."""
    ends = time.monotonic() + seconds
    sqlite = connection.connection.dbapi_connection if connection.dialect.name == "sqlite" else None
    if connection.dialect.name == "postgresql":
        limit = str(max(1, int(seconds * 1000)))
        connection.execute(sa.select(sa.func.set_config("statement_timeout", limit, True)))
    if sqlite is not None:
        sqlite.set_progress_handler(lambda: int(time.monotonic() >= ends), _INSTRUCTIONS)
    try:
        yield
    except SQLAlchemyError as error:
        if time.monotonic() >= ends:
            raise TooSlow(f"no answer within {seconds:g} s") from error
        raise
    finally:
        if sqlite is not None:
            sqlite.set_progress_handler(None, 0)


@dataclass(frozen=True)
class _Query:
    """Questions about the clock of a source, in the type in which it is stored."""

    resolved: ResolvedSource
    clock: sa.ColumnElement[Any]
    kind: Kind
    moment: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.resolved.mapping.timezone)

    def largest(self, connection: sa.Connection, *, infinite: bool) -> Any:
        """The largest value that is a time and not after the moment, as stored."""
        if infinite:
            wall = self.moment.astimezone(UTC)
            return self._max(connection, self.clock <= (wall if self._has_zone() else self._like(datetime.min)))
        value = self._max(connection)
        if value is None or self._is_past(value):
            return value
        return self._max(connection, self.clock <= self._like(value))

    def below(self, connection: sa.Connection, value: Any) -> Any:
        """The next smaller value."""
        return self._max(connection, self.clock < value)

    def instant(self, value: Any) -> datetime | None:
        """A stored value as an instant, aware, UTC; None for what is no time."""
        if value is None:
            return None
        plain = int(value) if isinstance(value, Decimal) else value
        try:
            found = convert(pa.array([plain]), self.kind, self.resolved.mapping.timezone)[0][0].as_py()
        except (pa.ArrowException, ValueError, OverflowError):
            return None
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime.combine(found, clock_time(), self.zone)
        return found.astimezone(UTC) if found is not None else None

    def _has_zone(self) -> bool:
        return any(
            one.type_code == 1184 for one in self.resolved.columns if one.column.name == self.resolved.source.clock
        )

    def _is_past(self, value: Any) -> bool:
        at = self.instant(value)
        return at is not None and at <= self.moment

    def _like(self, value: Any) -> Any:
        """The moment, written as the stored value is."""
        wall = self.moment.astimezone(self.zone).replace(tzinfo=None)
        if isinstance(value, datetime):
            return self.moment if value.tzinfo is not None else wall
        if isinstance(value, date):
            return wall.date()
        if isinstance(value, int | Decimal):
            return int(wall.strftime("%Y%m%d"))
        text = str(value)
        if text[:8].isdigit():
            return wall.strftime("%Y%m%d~")
        if len(text) > 10 and text[:4].isdigit() and text[10] in " T":
            return wall.isoformat(text[10], "seconds")
        return wall.strftime("%Y-%m-%d~")  # the tilde comes after all digits: the whole day is in

    def _max(self, connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Any:
        measured = MEASURED.get(self.resolved.source.name)
        there = [one.theirs for one in self.resolved.columns if one.column.name == measured]
        filled = [self.resolved.relation.c[name].is_not(None) for name in there]
        return connection.scalar(
            sa.select(sa.func.max(self.clock)).select_from(self.resolved.relation).where(*filled, *conditions)
        )

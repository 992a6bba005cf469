"""What goes wrong with a database while it is in use, told in one sentence, and what of it may be tried again.

`Warehouse.reading()` and `writing()` turn every driver's errors of this kind into one of the errors here. Where it is
`Unavailable` the transaction is certain to have left nothing behind, so that a function which is one transaction and
nothing else may simply be called again: `@repeated` does so for a while.
"""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import adbc_driver_manager
import psycopg
import pyarrow as pa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from db.interruption import heed
from forecasting.schema import ForecastingError

PATIENCE_SECONDS = 60.0
"""How long a step of a run waits for a database that was there before: longer than a restart takes."""

FAREWELL_SECONDS = 3.0
"""How long the end of a failed run waits for it."""

PAUSE_SECONDS = 0.1
"""The first pause between two attempts; it doubles up to LONGEST_PAUSE_SECONDS."""

LONGEST_PAUSE_SECONDS = 2.0

DRIVERS = (sqlite3.Error, psycopg.Error, adbc_driver_manager.Error)
"""Errors of drivers that are used without SQLAlchemy between."""

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Unavailable(ForecastingError):
    """The connection was lost, or somebody else held the database for too long. Nothing of the transaction was kept."""


class OutcomeUnknown(ForecastingError):
    """The connection was lost while a transaction was committed, and nobody could be asked what became of it."""


class Full(ForecastingError):
    """No space is left where the database keeps its files, or the drive fails. Nothing of the transaction was kept."""


class Broken(ForecastingError):
    """The database, or what the suite keeps in it, is not what it was: removed, replaced, damaged."""


def repeated(function: Callable[P, T]) -> Callable[P, T]:
    """Calls `function` again where the database was not available, for PATIENCE_SECONDS. Only for what may be done
    again once its transactions were rolled back: one that is one transaction, or whose steps are each done once."""
    return _repeating(function, lambda: PATIENCE_SECONDS)


def repeated_briefly(function: Callable[P, T]) -> Callable[P, T]:
    """The same for what is done on the way out, when somebody may be waiting for the end."""
    return _repeating(function, lambda: FAREWELL_SECONDS)


def _repeating(function: Callable[P, T], patience: Callable[[], float]) -> Callable[P, T]:
    @functools.wraps(function)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        until, pause = time.monotonic() + patience(), PAUSE_SECONDS
        while True:
            heed()
            try:
                return function(*args, **kwargs)
            except Unavailable as problem:
                if time.monotonic() + pause > until:
                    raise
                if pause == PAUSE_SECONDS:
                    log.warning("%s Trying again.", problem.message)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    return patient


def told(error: BaseException, place: str) -> ForecastingError | None:
    """The error as a user reads it; None where it is of another kind (a statement that is wrong, a broken constraint).
    `place` names the database."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = first_line(cause)
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, said, place)
    if isinstance(cause, psycopg.Error) or getattr(cause, "sqlstate", None):
        return _of_postgresql(cause, said, place)
    if isinstance(cause, adbc_driver_manager.Error) and "database is locked" in said:
        return _locked(place)
    return _lost(said, place) if is_lost(error) else None


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, and with it whatever had not been committed."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = getattr(cause, "sqlstate", None) or ""
    if state.startswith("08") or state in _GONE:
        return True
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return not state
    return isinstance(cause, _OF_ADBC) and any(words in str(cause).lower() for words in _WORDS_OF_LOSS)


def is_passing(error: BaseException) -> bool:
    """Whether a server that refuses a session says itself that it will not do so for long."""
    return any(words in str(error).lower() for words in _WORDS_OF_PATIENCE)


def first_line(error: BaseException) -> str:
    """The first line of a message, without its full stop."""
    cause = getattr(error, "orig", None) if isinstance(error, SQLAlchemyError) else None
    return (str(cause or error).strip().splitlines() or [type(cause or error).__name__])[0].rstrip(".")


_GONE = {"57P01", "57P02", "57P03", "57P05", "25P03"}  # shut down, crashed, starting, idle for too long (in two ways)
_LATER = {"40001", "40P01", "55P03", "53300"}  # serialisation, deadlock, lock not available, too many connections
_OF_ADBC = (adbc_driver_manager.Error, pa.ArrowException, OSError)  # the last two while rows are fetched
_WORDS_OF_PATIENCE = ("the database system is", "too many clients", "too many connections", "connection slots")
_WORDS_OF_LOSS = ("server closed the connection", "connection to server", "terminating connection", "no connection to")
_PUT_BACK = "Was it removed, replaced or locked against writing? Put it back, or restore it from a backup."
_AGAIN = "Nothing of this step was kept, and what was published before still stands: start the command again."


def _of_sqlite(error: sqlite3.Error, said: str, place: str) -> ForecastingError | None:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    match code & 0xFF:  # the rest says where it happened
        case sqlite3.SQLITE_FULL:
            return _full(said, place)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _locked(place)
        case sqlite3.SQLITE_IOERR:
            return Full(
                f"{place} cannot be read or written: {said}.",
                remedy=f"Look for a full disk or a drive that is gone. {_AGAIN}",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_READONLY:
            return Broken(
                f"{place} is not the file that it was: {said}.",
                remedy=_PUT_BACK,
            )
    return _without_tables(said, place) if said.startswith("no such table") else None


def _of_postgresql(error: BaseException, said: str, place: str) -> ForecastingError | None:
    state = getattr(error, "sqlstate", None) or ""
    if is_lost(error):
        return _lost(said, place)
    if state in _LATER:
        return Unavailable(f"{place} could not do it now: {said}.", remedy=_AGAIN)
    if state == "53100" or (state == "58030" and "no space" in said.lower()):
        return _full(said, place)
    return _without_tables(said, place) if state == "42P01" else None


def _lost(said: str, place: str) -> Unavailable:
    return Unavailable(f"The connection to {place} was lost: {said}.", remedy=f"See that it runs. {_AGAIN}")


def _locked(place: str) -> Unavailable:
    return Unavailable(f"{place} is locked by another program.", remedy=f"Let it come to its end. {_AGAIN}")


def gone(place: str) -> Broken:
    """The error for a file that is no longer there."""
    return Broken(f"{place} is no longer there.", remedy=_PUT_BACK)


def _full(said: str, place: str) -> Full:
    return Full(f"The disk that holds {place} is full: {said}.", remedy=f"Make room there. {_AGAIN}")


def _without_tables(said: str, place: str) -> Broken:
    return Broken(
        f"{place} lacks a table: {said}.",
        remedy="Was it replaced or emptied? `forecasting db upgrade` makes the suite's tables.",
    )

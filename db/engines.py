"""Opening warehouses: one small object that knows its engine, its dialect and whether it may be written.

Two roles. A `results` warehouse holds all that the suite owns: a SQLite file in WAL mode, or the schema `forecasting`
of a PostgreSQL database (the only schema on the search path, so unqualified names never reach the user's tables).
A `source` warehouse is only ever read: connections are opened read-only where the database can promise it.

Transactions. `reading()` is one consistent snapshot, however many statements it holds; `writing()` takes SQLite's
write lock at once (BEGIN IMMEDIATE), so a writer waits its turn instead of failing half way. The sqlite3 module's own
transaction handling is off: it would commit before DDL, and a failed migration could not roll back.

A database that was there and is gone, locked or full ends a transaction with one of `db.failures`. Where the connection
is lost in the very commit, `writing()` asks PostgreSQL what became of it: what was committed is no error.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from db import failures, sqlite_files
from db.failures import first_line
from db.interruption import heed, lifted, postponed
from forecasting.schema import ConfigurationError, ForecastingError

SCHEMA = "forecasting"
"""Where all that the suite owns stands, in databases that have schemas."""

BUSY_SECONDS = 60
"""How long a writer of a SQLite file waits for another one that holds it."""

STATEMENT_SECONDS = 5
"""How long a single statement does: no signal is heard while SQLite waits."""

IDLE_SECONDS = 120
"""How long a session of PostgreSQL may hold a transaction and do nothing: a process that was stopped, or whose machine
sleeps, must not keep the lock of its task from whoever takes over."""

LIVELINESS = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""What libpq is told where the url does not say otherwise: a server that is silently gone is noticed in a minute."""

SESSION = ("set time zone 'UTC'", "set datestyle = 'ISO'")
"""What every session of PostgreSQL begins with, so that times cast to text, and the day of today, are the same on any
server."""

Role = Literal["results", "source"]


@dataclass(frozen=True)
class Warehouse:
    """An open database. `url` hides its password when printed; `schema` is None where tables are found unqualified
    (every source, and SQLite). `path` is the file of a SQLite database."""

    name: str
    url: URL
    role: Role
    engine: Engine = field(repr=False)
    schema: str | None = None
    path: Path | None = None
    _reached: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def dialect(self) -> str:
        """SQLAlchemy's name of the database: sqlite, postgresql, mysql, duckdb, ..."""
        return self.engine.dialect.name

    @property
    def address(self) -> str:
        """The database as a message may name it, without password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def place(self) -> str:
        """Name and address, as a message names both."""
        return f"warehouse {self.name!r} ({self.address})"

    @property
    def libpq_uri(self) -> str:
        """The PostgreSQL database as ADBC and libpq take it, password included: never print it."""
        url = self.url.set(drivername="postgresql").update_query_dict({**_liveliness(self.url)})
        return url.render_as_string(hide_password=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction in which every statement sees the same snapshot."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if self.dialect == "postgresql" else {}
        with postponed(), self._explained(), self._connect() as connection:
            if options:
                connection = connection.execution_options(**options, postgresql_readonly=True)
            with connection.begin(), lifted():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits at the end and rolls back, DDL too, on any exception. Refused on a source."""
        if self.role == "source":
            raise ForecastingError(f"warehouse {self.name!r} is a source and is only ever read")
        with postponed(), self._explained(), self._connect() as connection:
            connection = connection.execution_options(forecasting_begin="IMMEDIATE")
            number, at_its_end = None, False
            try:
                with connection.begin():
                    with lifted():
                        yield connection
                    if self.dialect == "postgresql":
                        number = connection.scalar(sa.select(sa.func.txid_current_if_assigned()))
                    at_its_end = True
            except DBAPIError as error:
                if not (at_its_end and number is not None and failures.is_lost(error) and self._committed(number)):
                    raise

    def close(self) -> None:
        """Closes all pooled connections."""
        self.engine.dispose()

    def _connect(self) -> Connection:
        try:
            connection = self.engine.connect()
        except OperationalError as error:
            told = failures.told(error, self.place)
            is_there = self._reached.is_set() or isinstance(told, failures.Full) or failures.is_passing(error)
            if is_there or (self.path is not None and isinstance(told, failures.Unavailable)):  # a locked file is there
                raise told or error from error
            raise ConfigurationError(
                f"warehouse {self.name!r} ({self.address}) cannot be reached: {first_line(error)}.",
                remedy="Check its url in [warehouses] of forecasting.toml, and that the database is running.",
            ) from error
        except SQLAlchemyError as error:
            raise ConfigurationError(
                f"warehouse {self.name!r} ({self.address}) cannot be opened: {first_line(error)}."
            ) from error
        self._reached.set()
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the database itself as `db.failures` tells them, whichever driver raises them."""
        try:
            yield
        except (SQLAlchemyError, *failures.DRIVERS) as error:
            told = failures.told(error, self.place)
            if told is None:
                raise
            raise told from error

    def _committed(self, number: int) -> bool:
        """What became of a transaction in whose commit the connection was lost. Raises OutcomeUnknown."""
        until = time.monotonic() + failures.PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                with self.reading() as connection:
                    status = connection.scalar(sa.select(sa.func.txid_status(sa.cast(number, sa.BigInteger))))
            except failures.Unavailable:
                status = None
            if status in ("committed", "aborted"):
                return status == "committed"
            heed()
            time.sleep(failures.PAUSE_SECONDS)
        raise failures.OutcomeUnknown(
            f"The connection to {self.place} was lost while it saved, and it is not back.",
            remedy="`forecasting status` says what was published, once it is.",
        )


def open_warehouse(url: str | URL, *, name: str = "results", role: Role = "results") -> Warehouse:
    """Opens a database for one role; connections are made on first use and checked before each reuse.

    `postgres://`, `postgresql://` and `postgresql+psycopg://` mean the same. The directory of a SQLite results file
    is created, and so is the file; a SQLite source must exist. Raises ConfigurationError for a url that is none, a
    missing driver, a source file that does not exist, and a results warehouse of another kind of database.
    """
    parsed = _parse(url, name)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed, name, role)
    if backend == "postgresql":
        return _open_postgresql(parsed, name, role)
    if role == "results":
        raise ConfigurationError(
            f"warehouse {name!r}: results cannot be kept in {backend}.",
            remedy="Use SQLite or PostgreSQL for results; any SQLAlchemy database can be a source.",
        )
    return Warehouse(name, parsed, role, _create_engine(parsed, name))


def _parse(url: str | URL, name: str) -> URL:
    text = url
    if isinstance(url, str) and url.startswith("postgres://"):
        text = "postgresql://" + url.removeprefix("postgres://")
    try:
        parsed = make_url(text)
    except ArgumentError as error:  # its message would repeat the url, password and all
        raise ConfigurationError(
            f"warehouse {name!r}: its url is not one that SQLAlchemy understands.",
            remedy='It looks like "sqlite:///var/warehouse.db" or "postgresql://user:password@host/database".',
        ) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _create_engine(url: URL, name: str, **options: Any) -> Engine:
    try:
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, **options)
    except (NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            f"warehouse {name!r}: no driver for {url.drivername!r} is installed.",
            remedy=f"Install the SQLAlchemy dialect of {url.get_backend_name()} into this environment.",
        ) from error


def _open_sqlite(url: URL, name: str, role: Role) -> Warehouse:
    database = url.database
    if not database or database == ":memory:":
        raise ConfigurationError(
            f"warehouse {name!r}: a SQLite database in memory cannot be shared between processes.",
            remedy='Give it a file: "sqlite:///var/warehouse.db".',
        )
    path = Path(database).expanduser().absolute()
    if role == "results":
        _make_directory(path.parent, name)
    elif not path.is_file():
        raise ConfigurationError(f"warehouse {name!r}: there is no SQLite file {path}.")
    reached = threading.Event()

    def connect() -> sqlite3.Connection:
        # A file that vanishes while it is in use is not made anew, without its tables.
        mode: Literal["rwc", "rw", "ro"] = "ro" if role == "source" else "rw" if reached.is_set() else "rwc"
        connection = sqlite_files.connect(path, mode=mode, timeout=STATEMENT_SECONDS)
        if role == "results" and not sqlite_files.is_read_only(path):
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.execute("pragma foreign_keys = on")
        else:
            connection.execute("pragma query_only = on")
        return connection

    # No idle connection stays open: the file must be free when ADBC's turn comes (`db.sqlite_files`).
    engine = _create_engine(url.set(database=str(path), query={}), name, creator=connect, poolclass=NullPool)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("forecasting_begin") != "IMMEDIATE":
            connection.exec_driver_sql("BEGIN")
            return
        until = time.monotonic() + BUSY_SECONDS
        while True:
            heed()
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if time.monotonic() > until or not isinstance(failures.told(error, ""), failures.Unavailable):
                    raise
            else:
                return

    return Warehouse(name, engine.url, role, engine, path=path, _reached=reached)


def _make_directory(directory: Path, name: str) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"warehouse {name!r}: its directory {directory} cannot be made: {error.strerror}."
        ) from error


def _open_postgresql(url: URL, name: str, role: Role) -> Warehouse:
    engine = _create_engine(url, name, pool_size=4, max_overflow=16, connect_args=_liveliness(url))
    results = role == "results"

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        # SET rather than startup options: connection poolers refuse those.
        autocommit, connection.autocommit = getattr(connection, "autocommit", None), True
        with connection.cursor() as cursor:
            for setting in SESSION:
                cursor.execute(setting)
            if results:
                cursor.execute("select set_config('search_path', %s, false)", (SCHEMA,))
                cursor.execute(
                    "select set_config('idle_in_transaction_session_timeout', %s, false)", (f"{IDLE_SECONDS}s",)
                )
            else:
                cursor.execute("set default_transaction_read_only = on")
        connection.autocommit = autocommit

    return Warehouse(name, url, role, engine, schema=SCHEMA if results else None)


def _liveliness(url: URL) -> dict[str, str]:
    return {name: str(value) for name, value in LIVELINESS.items() if name not in url.query}

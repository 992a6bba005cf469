"""Log lines: text for a person or JSON for a machine, each with the run and the job that it belongs to, and without
secrets.

Text: `2024-05-01T02:00:03Z WARNING run=0190 job=nightly slot=... message`. JSON: one object a line with `time`,
`level`, `logger`, `run_id` (null outside a run), whatever `log_context` adds, and `message`. What other libraries log
and what Python warns of come through the same handler.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from rich.console import Console as RichConsole
from rich.text import Text

from forecasting.app.scrubbing import Scrubber

LogFormat = Literal["text", "json"]

OURS = ("forecasting", "db", "tasks", "reports", "migrations")
"""Loggers of the suite; what other libraries log is shown from warnings up."""

NEVER_DEBUGGED = (
    *("alembic", "matplotlib", "urllib3", "httpx2", "httpcore2", "apprise", "asyncio", "torch"),
    *("requests_oauthlib", "oauthlib", "sqlalchemy", "apscheduler"),
)
"""Libraries whose details are too many, or hold tokens and rows."""

OUTSIDE = "-"
"""What stands in the place of a run id where there is none."""

_run_id: ContextVar[str] = ContextVar("run_id", default=OUTSIDE)
_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default={})  # noqa: B039  (never changed in place)
_running: list[str] = []
"""Runs of this process: what a thread of a library logs belongs to the run where there is but one."""


@contextmanager
def log_run(run_id: str) -> Iterator[None]:
    """Every log line inside carries this run id."""
    token = _run_id.set(run_id)
    _running.append(run_id)
    try:
        yield
    finally:
        _running.remove(run_id)
        _run_id.reset(token)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Every log line inside carries these fields as well, such as `job` and `slot`; None leaves one out. Like the run
    id they belong to this thread and to what it awaits, so that jobs beside each other are told apart."""
    given = {name: str(value) for name, value in fields.items() if value is not None}
    token = _fields.set({**_fields.get(), **given})
    try:
        yield
    finally:
        _fields.reset(token)


def current_run() -> str | None:
    """The run that this thread works for, or the only one of the process; None outside of any."""
    mine = _run_id.get()
    if mine != OUTSIDE:
        return mine
    only = set(_running[:])
    return only.pop() if len(only) == 1 else None


class LogLines:
    """Writes log lines to stderr, through the console that draws the bars, so that neither tears the other."""

    def __init__(self, console: RichConsole, scrubber: Scrubber, log_format: LogFormat):
        self._console, self._scrubber, self._format = console, scrubber, log_format

    def write(self, level: str, logger: str, message: str, moment: dt.datetime, exception: str = "") -> None:
        """One line. `moment`: aware; `exception`: its kind and what it says."""
        said = f"{message} ({exception})" if exception else message
        if self._format == "json":
            line = {
                "time": moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "level": level.lower(),
                "logger": logger,
                "run_id": current_run(),
                **{name: self._scrubber.scrub(value) for name, value in _fields.get().items()},
                "message": self._scrubber.scrub(said),
            }
            self._print(Text(json.dumps(line, ensure_ascii=True)))  # ASCII: any terminal, any collector
            return
        time = moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = f"{time} {level:<7} run={current_run() or OUTSIDE}"
        words = " ".join([*(f"{name}={value}" for name, value in _fields.get().items()), said])
        quiet = level in ("DEBUG", "INFO")
        self._print(Text(f"{head} {one_line(self._scrubber.scrub(words))}", style="dim" if quiet else ""))

    def error(self, message: str) -> None:
        """The line with which a command ends badly."""
        if self._format == "json":
            self.write("error", "forecasting", message, dt.datetime.now(dt.UTC))
        else:
            self._print(Text.assemble(("error: ", "bold red"), one_line(self._scrubber.scrub(message))))

    def _print(self, line: Text) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)


class LogHandler(logging.Handler):
    """Every log record of the process as one of our lines."""

    def __init__(self, lines: LogLines):
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a full disk or a closed pipe must not end a run."""
        try:
            moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
            error = record.exc_info[1] if record.exc_info else None
            # Never a traceback: the boundary of errors files those away.
            exception = f"{type(error).__name__}: {error}" if error is not None else ""
            self._lines.write(record.levelname, record.name, record.getMessage(), moment, exception)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Stay silent: there is nowhere left to say it."""


def install(lines: LogLines, level: str) -> None:
    """Makes these lines the only way out of every logger, from `level` (debug, info, warning, error) up."""
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, LogHandler)]:
        root.removeHandler(old)
    root.addHandler(LogHandler(lines))
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    for name in NEVER_DEBUGGED:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.DEBUG if level == "debug" else logging.ERROR)


def catch_threads() -> None:
    """What ends a thread unseen, or fails while an object is cleared away, becomes a log line; Python would write a
    traceback, values and all, to stderr."""
    log = logging.getLogger("forecasting.threads")

    def say(failure: Any) -> None:
        if failure.exc_type is not SystemExit:
            name = failure.thread.name if failure.thread is not None else "a thread"
            log.error("%s failed: %s: %s", name, failure.exc_type.__name__, failure.exc_value)

    def whisper(failure: Any) -> None:
        log.debug("cleared away in spite of %s: %s", failure.exc_type.__name__, failure.exc_value)

    threading.excepthook = say
    sys.unraisablehook = whisper  # a half-written archive on a full disk, whose writing has failed already


def one_line(text: str) -> str:
    """Text that cannot begin a line of its own nor command a terminal."""
    line = " ".join(text.split())
    return (
        line
        if line.isprintable()
        else "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    )

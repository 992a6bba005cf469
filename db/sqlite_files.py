"""Keeping two SQLite libraries in one process apart.

Python's sqlite3 and ADBC each bring their own copy of SQLite. Locks on files belong to the process: when one copy
closes a file, the kernel drops the locks that the other copy holds on it, another process may then clear the
write-ahead log away, and what this process commits afterwards is lost (https://sqlite.org/howtocorrupt.html,
section 2.2.1; `tests/db/test_sqlite_files.py` shows it happening). So at any moment a file is open through one of
the two only: whoever comes with the other one waits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from forecasting.schema import ForecastingError

WAIT_SECONDS = 300
"""How long one library waits for the other one to be done with a file."""

Library = Literal["sqlite3", "adbc"]


class _Turn:
    """Who has a file open: number of openings by library and thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.open: dict[Library, Counter[int]] = {"sqlite3": Counter(), "adbc": Counter()}

    def enter(self, library: Library, path: Path) -> int:
        thread, others = threading.get_ident(), self.open["adbc" if library == "sqlite3" else "sqlite3"]
        with self.changed:
            if others[thread]:
                raise ForecastingError(f"{path} is open in this thread already, through another library ({library}).")
            if not self.changed.wait_for(lambda: not +others, WAIT_SECONDS):
                raise ForecastingError(f"{path} stayed open elsewhere in this process for {WAIT_SECONDS} s.")
            self.open[library][thread] += 1
        return thread

    def leave(self, library: Library, thread: int) -> None:
        with self.changed:
            self.open[library][thread] -= 1
            self.changed.notify_all()


_turns: dict[Path, _Turn] = {}
_turns_lock = threading.Lock()


def _turn(path: Path) -> _Turn:
    with _turns_lock:
        return _turns.setdefault(path.resolve(), _Turn())


class _Connection(sqlite3.Connection):
    """A connection that tells when it is closed."""

    _turn: _Turn | None = None
    _thread: int

    def close(self) -> None:
        super().close()
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.leave("sqlite3", self._thread)


def is_read_only(path: Path) -> bool:
    """Whether this process may read the file and not write it."""
    return path.exists() and not os.access(path, os.W_OK)


def connect(path: Path, *, mode: Literal["ro", "rw", "rwc"], timeout: float) -> sqlite3.Connection:
    """A connection through Python's library, in autocommit: transactions begin when we say so. A file that may not be
    written is read as it is, also where SQLite cannot make the files beside it that it reads a WAL database with."""
    options = f"mode={mode}"
    if is_read_only(path):
        beside = path.with_name(f"{path.name}-wal").exists() or os.access(path.parent, os.W_OK)
        options = "mode=ro" if beside else "mode=ro&immutable=1"
    turn = _turn(path)
    thread = turn.enter("sqlite3", path)
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{options}",
            uri=True,
            timeout=timeout,
            check_same_thread=False,
            isolation_level=None,
            factory=_Connection,
        )
    except BaseException:
        turn.leave("sqlite3", thread)
        raise
    connection._turn, connection._thread = turn, thread
    return connection


@contextmanager
def adbc_turn(path: Path) -> Iterator[str]:
    """While the block lasts the file may be opened through ADBC; yields its read-only URI. Close what you open."""
    turn = _turn(path)
    thread = turn.enter("adbc", path)
    try:
        yield f"{path.as_uri()}?mode=ro"
    finally:
        turn.leave("adbc", thread)

"""Calls into a database that hear no signal while they last, and how another thread ends them.

Python runs a signal's handler between two of its own instructions, so a query that takes minutes inside a C library
keeps a program from ending when it is told to. `interruptible` notes how such a call can be cancelled; `interrupt`
(from the thread that heard of the signal) cancels those that run, whereupon they fail and the handler gets its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_running: list[Callable[[], None]] = []


@contextmanager
def interruptible(cancel: Callable[[], None]) -> Iterator[None]:
    """While the block lasts, `cancel` (called from another thread) makes it fail."""
    _running.append(cancel)
    try:
        yield
    finally:
        _running.remove(cancel)


def interrupt() -> None:
    """Cancels whatever runs."""
    for cancel in list(_running):
        with suppress(Exception):  # it came to its end by itself, or its library cannot be interrupted
            cancel()

"""Being told to stop (SIGTERM) in the middle of something: where it waits a moment, and what would keep it waiting.

A signal's handler raises KeyboardInterrupt between any two instructions. Where a transaction begins or ends, that would
leave a connection behind which nobody closes, and with it a lock; between a claim and what gives it back, a claim.
There `postponed` lets the signal wait; `lifted` lets it through again for what may take long.

The other way round, a query that takes minutes inside a C library lets no handler run. `interruptible` notes how such
a call can be cancelled; `interrupt` (from the thread that heard of the signal) cancels those that run, whereupon they
fail and the handler gets its turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class _State:
    """Of the main thread, in which handlers run. `depth`: how many `postponed` it is within; `told`: that a signal has
    come; `pending`: that it waits."""

    depth: int = 0
    told: bool = False
    pending: bool = False


_state = _State()
_running: list[Callable[[], None]] = []


def stop() -> None:
    """What the handler of the signal does: raises KeyboardInterrupt, now or as soon as it may."""
    _state.told = True
    if _state.depth:
        _state.pending = True
    else:
        raise KeyboardInterrupt


def is_told() -> bool:
    """Whether the process was told to stop: whatever goes wrong from then on is its way of doing so."""
    return _state.told


def heed() -> None:
    """Raises KeyboardInterrupt where a signal waits: for loops inside `postponed`."""
    if _state.pending and threading.current_thread() is threading.main_thread():
        _state.pending = False
        raise KeyboardInterrupt


@contextmanager
def postponed() -> Iterator[None]:
    """A signal that comes within the block is heeded at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _state.depth
    _state.depth = before + 1
    try:
        yield
    finally:
        _state.depth = before
        if not before:
            heed()


@contextmanager
def lifted() -> Iterator[None]:
    """Within `postponed`: a block in which signals are heeded at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _state.depth
    _state.depth = 0
    try:
        heed()
        yield
    finally:
        _state.depth = before


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

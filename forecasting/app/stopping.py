"""Coming to an end in time when told to (SIGTERM), also from inside a library that hears no signals.

The handler of the signal raises KeyboardInterrupt, and all that a run holds is let go on the way out. That happens
between two instructions of Python; a long query or computation in C may keep it waiting. A thread of its own therefore
hears of the signal too: it sees to it that the main thread hears, cancels the queries at once, and where that did not
help it ends the process, after a last try to give back the slot.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from db import interruption

GRACE_SECONDS = 5.0
"""How long a run may take to end by itself."""

FAREWELL_SECONDS = 2.0
"""How long the last try to give back the slot may take; whoever comes next finds it free without, on this machine."""

INTERRUPTED = "error: Interrupted. What was published before still stands."

_farewells: list[Callable[[], None]] = []


def listen() -> None:
    """Begins to hear of SIGTERM, in a thread. To be called by the main thread of a process, once."""
    heard, told = os.pipe()
    for end in (heard, told):
        os.set_blocking(end, end == heard)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_hear, args=(heard,), name="stopping", daemon=True).start()


@contextmanager
def in_time(farewell: Callable[[], None]) -> Iterator[None]:
    """While the block lasts a SIGTERM ends the process in time. `farewell`: what is then still to be done."""
    _farewells.append(farewell)
    try:
        yield
    finally:
        _farewells.remove(farewell)


def _hear(pipe: int) -> None:
    while signals := os.read(pipe, 64):
        interruption.interrupt()
        if signal.SIGTERM in signals:
            _see_to_it()
            return  # what is cleaned up from here on is not to be interrupted


def _see_to_it() -> None:
    """Returns once the main thread has heard of the signal and nothing is left to be done."""
    main = threading.main_thread().ident
    assert main is not None
    until = time.monotonic() + GRACE_SECONDS
    while True:
        time.sleep(0.1)
        if not interruption.is_told():
            # The system may have given the signal to any thread, and one that comes just before the main thread waits
            # for a lock does not wake it: it is told until it hears. Its handler takes the first alone.
            signal.pthread_kill(main, signal.SIGTERM)
        elif not _farewells:
            return
        if _farewells and time.monotonic() > until:
            _end()
        interruption.interrupt()


def _end() -> None:
    for farewell in reversed(_farewells):
        last = threading.Thread(target=farewell, daemon=True)
        last.start()
        last.join(FAREWELL_SECONDS)
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(1)

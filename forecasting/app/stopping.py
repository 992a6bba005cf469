"""Coming to an end in time when told to (SIGTERM), also from inside a library that hears no signals.

The handler of the signal raises KeyboardInterrupt, and all that a run holds is let go on the way out. That happens
between two instructions of Python; a long query or computation in C may keep it waiting. A thread of its own therefore
hears of the signal too: it wakes the main thread where it sleeps, cancels the queries at once, and where that did not
help it ends the process, after a last try to give back the slot.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    heard = False
    while signals := os.read(pipe, 64):
        if signal.SIGTERM in signals and not heard:
            heard = True
            _wake_main_thread()
        if signal.SIGTERM in signals or signal.SIGINT in signals:
            _interrupt_queries()
        if signal.SIGTERM in signals and _farewells:
            _end_in_time()


def _wake_main_thread() -> None:
    """Handlers run in the main thread, but the system may have given the signal to another (it does where a process was
    stopped and goes on): one that waits for a lock would sleep on. The handler takes the first alone."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGTERM)


def _interrupt_queries() -> None:
    if interruption := sys.modules.get("db.interruption"):
        interruption.interrupt()


def _end_in_time() -> None:
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until:
        time.sleep(0.1)
        if not _farewells:
            return  # it is on its way out
        _interrupt_queries()
    for farewell in reversed(_farewells):
        last = threading.Thread(target=farewell, daemon=True)
        last.start()
        last.join(FAREWELL_SECONDS)
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(1)

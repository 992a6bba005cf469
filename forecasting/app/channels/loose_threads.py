"""Threads that nobody waits for: some of what talks to receivers cannot be interrupted, and may hang for minutes.

Looking up a host's name is such a call; so is a library's that has a timeout for each answer but none for all of them.
And signals strike in the main thread: an exception that a handler raises within an event loop may leave that hanging,
so loops run elsewhere.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")

WAIT_SECONDS = 0.5

GRACE_SECONDS = 1.0
"""For what is cancelled to come to its end."""


def within(seconds: float, call: Callable[[], Result]) -> Result | None:
    """What the call returns, None where it takes longer; raises what it raises. Its thread is then left behind."""
    future = LooseThreads().submit(call)
    return future.result() if _is_done(future, seconds) else None


def _is_done(future: Future[Any], seconds: float = math.inf) -> bool:
    """Waits for it so long. A signal that strikes as a wait begins is only heeded at its end, so waits are short."""
    ends = time.monotonic() + seconds
    while not wait((future,), min(WAIT_SECONDS, max(0.0, ends - time.monotonic()))).done:
        if time.monotonic() >= ends:
            return False
    return True


class LooseThreads(ThreadPoolExecutor):
    """An executor for event loops, which ask for this class, with a daemon thread for each call.

    Its base joins its threads when it is shut down and again when Python exits, so that one that hangs would keep a
    whole run from ending.
    """

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls it in a thread of its own."""
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)

        Thread(target=work, daemon=True, name="alerts").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Waits for nobody."""


class LoopThread:
    """An event loop in a thread of its own, so that whoever waits for it can be interrupted."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(LooseThreads())
        self._thread = Thread(target=self._loop.run_forever, daemon=True, name="loop of alerts")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What it returns, or raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        _is_done(future)
        return future.result()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancels what still runs, does one last thing, and ends the loop; left behind where that takes long."""
        _is_done(asyncio.run_coroutine_threadsafe(_end(last), self._loop), GRACE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GRACE_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


async def _end(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await last()

"""Workers: a process of its own for each slot that a scheduler starts, quick to begin and gone at the end.

They are forked from one server process that has imported everything but torch, so that a job that does little costs
little, and whatever a job leaks or breaks goes with it. Where processes cannot be forked each imports for itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

STOP_SECONDS = 8.0
"""How long a worker that was told to stop may take before it is killed."""

_PRELOADED = "forecasting.app.commands.run"


def start(arguments: Sequence[str], name: str) -> BaseProcess:
    """`forecasting ARGUMENTS...` in a process of its own; its exit code is the command's."""
    process = _context().Process(target=_work, args=(tuple(arguments),), name=name, daemon=False)
    process.start()
    return process


def stop(processes: Sequence[BaseProcess], seconds: float = STOP_SECONDS) -> None:
    """Tell workers to stop, wait for all, and kill those that do not."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def _work(arguments: Sequence[str]) -> None:
    from forecasting.app.main import main

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the scheduler passes it on
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout = nowhere  # what a person would read; the log says what matters
        main(arguments)

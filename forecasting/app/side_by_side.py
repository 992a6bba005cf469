"""Commands of ours beside each other, each in a process of its own: one training uses one core."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0


def cores() -> int:
    """How many CPU cores this process may use."""
    with contextlib.suppress(AttributeError):  # not every system says which
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def documents(
    commands: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    *,
    at_a_time: int,
    started: Callable[[int], None] = lambda number: None,
) -> list[dict[str, Any] | None]:
    """Run `forecasting COMMAND --json` for each, at most so many at a time, and return their documents; None for one
    that ended without. `started(number)` is called as each begins. None outlives this call, whatever ends it."""
    found: list[dict[str, Any] | None] = [None] * len(commands)
    waiting = list(range(len(commands)))
    running: dict[int, _Child] = {}
    with contextlib.ExitStack() as stack:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                number = waiting.pop(0)
                started(number)
                running[number] = stack.enter_context(_child(commands[number], environment))
            time.sleep(_LOOK_SECONDS)
            for number, child in list(running.items()):
                if child.process.poll() is not None:
                    found[number] = child.document()
                    del running[number]
    return found


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    stdout: IO[bytes]

    def document(self) -> dict[str, Any] | None:
        """What it wrote, once it has ended."""
        self.stdout.seek(0)
        with contextlib.suppress(ValueError):
            return json.loads(self.stdout.read())
        return None


@contextlib.contextmanager
def _child(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[_Child]:
    """A process that is gone at the end. It writes to a file: a pipe that nobody reads would stop it."""
    line = [sys.executable, "-m", "forecasting.app.main", *command, "--quiet", "--json"]
    with tempfile.TemporaryFile() as stdout:
        process = subprocess.Popen(line, env=dict(environment), stdout=stdout, stderr=subprocess.DEVNULL)
        try:
            yield _Child(process, stdout)
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

"""The program as processes of its own that start at once: forked from one that has imported everything.

Faults by the hundred need processes by the hundred, and each would spend seconds importing torch. What runs is the
same `main` as that of an installed `forecasting`, with its own pid, signals, standard streams and exit code.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from program import Program


@dataclass
class Child:
    """A started command, used as `subprocess.Popen` is. `returncode` is None while it runs, negative after a signal."""

    nursery: Nursery = field(repr=False)
    pid: int
    files: tuple[Path, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None."""
        self.nursery.listen(0.0)
        return self.returncode

    def wait(self, timeout: float = 300.0) -> int:
        """The exit code, once there is one. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while self.returncode is None:
            if time.monotonic() > until:
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
            self.nursery.listen(min(1.0, timeout))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """What it wrote to stdout and to stderr, once it has ended."""
        self.wait(timeout)
        # one that was killed before it began has opened nothing
        out, err = (path.read_text(errors="replace") if path.exists() else "" for path in self.files)
        return out, err


Start = Callable[..., Child]
"""start(program, *arguments, patience=None): what the fixture `start` of tests/faults gives."""


class Nursery:
    """Starts commands of one installation: a program's packages are what is on its PYTHONPATH."""

    def __init__(self, program: Program):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=program.environment()
        )
        self._program, self._children, self._number, self._buffer = program, dict[int, Child](), 0, b""
        self._files: tuple[Path, Path] = (Path(), Path())
        self._started: Child | None = None

    def start(self, *arguments: str, program: Program | None = None, patience: float | None = None) -> Child:
        """Starts a command and goes on. `patience`: seconds that it waits for a database, in the place of minutes."""
        program, self._number = program or self._program, self._number + 1
        self._files = (program.directory / f".{self._number}.out", program.directory / f".{self._number}.err")
        for file in self._files:
            file.touch()
        request = {
            "arguments": arguments,
            "directory": str(program.directory),
            "environment": program.environment(),
            "files": [str(file) for file in self._files],
            "patience": patience,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        self._started = None
        while self._started is None:
            self.listen(60.0)
        return self._started

    def listen(self, seconds: float) -> None:
        """Hears of started and ended processes for so long, at most until the first word."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return
        heard = os.read(descriptor, 65536)
        assert heard, "the nursery is gone"
        *lines, self._buffer = (self._buffer + heard).split(b"\n")
        for line in lines:
            event, pid, code = json.loads(line)
            if event == "started":
                self._started = self._children[pid] = Child(self, pid, self._files)
            else:
                self._children.pop(pid).returncode = code

    def close(self) -> None:
        """Ends it, and whatever it started that still runs."""
        for pid in list(self._children):
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()


@contextmanager
def nursery(program: Program) -> Iterator[Nursery]:
    """A nursery for a block."""
    opened = Nursery(program)
    try:
        yield opened
    finally:
        opened.close()


def serve() -> None:
    """The process that forks: reads one request a line, tells who has started and ended."""
    import importlib

    from forecasting.app.main import COMMANDS
    from forecasting.discovery import task_classes

    for command in COMMANDS:
        importlib.import_module(f"forecasting.app.commands.{command}")
    found = task_classes()
    for package in () if "idle" in found else {one.__module__.rpartition(".")[0] for one in found.values()}:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)  # and torch with them
    gc.freeze()  # a collection in a child would copy every page

    running: dict[int, int] = {}
    requests = sys.stdin.buffer.raw
    while True:
        ready, _, _ = select.select([0, *running], [], [])
        for descriptor in ready:
            if descriptor == 0:
                line = requests.readline()
                if not line:
                    return
                pid = os.fork()
                if not pid:
                    return _become(**json.loads(line))
                running[os.pidfd_open(pid)] = pid
                _tell("started", pid)
            else:
                pid, status = os.waitpid(running.pop(descriptor), 0)
                os.close(descriptor)
                _tell("ended", pid, os.waitstatus_to_exitcode(status))


def _tell(event: str, pid: int, code: int | None = None) -> None:
    os.write(1, json.dumps([event, pid, code]).encode() + b"\n")


def _become(
    arguments: list[str], directory: str, environment: dict[str, str], files: list[str], patience: float | None
) -> None:
    """The forked process turns into the program."""
    from db import engines, failures
    from forecasting.app.main import main

    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    if patience is not None:
        engines.BUSY_SECONDS = engines.STATEMENT_SECONDS = failures.PATIENCE_SECONDS = patience
        engines.IDLE_SECONDS = max(10, patience)
    sys.argv = ["forecasting", *arguments]
    main()


if __name__ == "__main__":
    sys.path.pop(0)  # the program finds what is installed, not the tests
    serve()

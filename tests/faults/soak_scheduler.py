"""A scheduler in a process of its own whose clock is told: one word a line on stdin, one JSON array a line on stdout.

`python soak_scheduler.py DIRECTORY URL`, then `work SLOT [SCHEDULERS]`: do what is owed at that instant, with so many
schedulers at once, answered by `["quiet"]`; each worker is told of by `["started", JOB, PID]`. `again` replaces all by
new ones, answered alike.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

from forecasting.app import config, workers
from forecasting.app.console import Console
from forecasting.app.scheduling import Scheduler
from forecasting.app.workspace import Workspace


@dataclass
class Schedulers:
    """Schedulers of one configuration, each with connections of its own."""

    directory: Path
    url: str
    now: datetime | None = None
    made: list[tuple[Workspace, Scheduler]] = field(default_factory=list)

    def work(self, now: datetime, number: int) -> None:
        """Do what is owed, with so many of them at once."""
        self.now = now
        while len(self.made) < number:
            self.made.append(self._made())
        threads = [threading.Thread(target=scheduler.work_off) for _, scheduler in self.made[:number]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """Ends all of them."""
        for workspace, scheduler in self.made:
            scheduler.stop()
            workspace.close()
        self.made.clear()

    def _made(self) -> tuple[Workspace, Scheduler]:
        file = self.directory / "forecasting.toml"
        workspace = Workspace(config.load(file, warehouse=self.url), Console(quiet=True))
        options = ("--config", str(file), "--warehouse", self.url)
        return workspace, Scheduler(workspace, options, clock=self._clock, start_worker=_start)

    def _clock(self) -> datetime:
        assert self.now is not None
        return self.now


def _start(arguments: Sequence[str], name: str) -> BaseProcess:
    process = workers.start(arguments, name)
    _tell("started", name.removeprefix("job "), process.pid)
    return process


def _tell(*words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main(directory: str, url: str) -> None:
    """Does as it is told until nobody tells it any more."""
    workers._PRELOADED = "soak_preloaded"
    schedulers = Schedulers(Path(directory), url)
    for line in sys.stdin:
        word, *arguments = line.split()
        if word == "work":
            schedulers.work(datetime.fromisoformat(arguments[0]), int(arguments[1]))
        else:
            schedulers.close()
        _tell("quiet")
    schedulers.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a scheduler notes of workers that end before they begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import idle_shop
import pytest
from program import Program

from db import job_runs
from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.scheduling import Scheduler
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode


class _Stillborn:
    """A worker that was told to stop before it had taken its claim over: what `forecasting.app.workers.start` gives."""

    pid, exitcode = 0, -15

    def join(self, timeout: float | None = None) -> None:
        """It is over."""

    def is_alive(self) -> bool:
        """It is over."""
        return False

    def terminate(self) -> None:
        """It is over."""

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _scheduler(program: Program) -> Iterator[Scheduler]:
    def start(arguments: Sequence[str], name: str) -> _Stillborn:
        return _Stillborn()

    workspace = Workspace(config.load(program.directory / "forecasting.toml", warehouse=program.url), Console())
    try:
        yield Scheduler(workspace, start_worker=start)
    finally:
        workspace.close()


@pytest.fixture
def shop(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A shop with a job that became due within the hour."""
    return idle_shop.create(program, monkeypatch, settings='[jobs.tick]\ntask = "idle"\nevery = "1h"\n')


def test_a_worker_that_dies_before_it_begins_has_failed_and_is_tried_again_later(shop: Program) -> None:
    with _scheduler(shop) as scheduler:
        scheduler.run_once()
        (row,) = job_runs.latest(scheduler.results, "tick")
        assert (row.state, row.attempt, row.exit_code) == ("failed", 1, 1)
        assert row.error == "the worker ended before it began (killed (-15))"
        assert scheduler.codes == [ExitCode.ERROR]
        scheduler.look()
        assert not scheduler.running


def test_one_that_a_stopping_scheduler_ends_was_interrupted_and_the_next_starts_it_at_once(shop: Program) -> None:
    with _scheduler(shop) as first:
        first.look()
        first.stop()
        (row,) = job_runs.latest(first.results, "tick")
        assert (row.state, row.attempt) == ("interrupted", 1)
    with _scheduler(shop) as second:
        second.look()
        assert second.running["tick"].slot == row.slot

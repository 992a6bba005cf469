"""Schedulers beside each other, asleep, killed and told to stop: each slot that is due runs once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import idle_shop
import pytest
import sqlalchemy as sa
from program import Program
from shell import Shell
from tally import is_full, points, tally

from db import job_runs
from db.engines import Warehouse, open_warehouse
from db.tables import RUNS
from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.scheduling import Scheduler
from forecasting.app.workspace import Workspace

EACH_SECOND = '[jobs.tick]\ntask = "idle"\nevery = "1s"\ncoalesce = false\n'
STOP_SECONDS = 10.0


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """What the program works on."""
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


def _in_turn(program: Program, database: str) -> None:
    """Without `make faults` a test that lasts runs on one of the databases."""
    if not is_full() and not program.url.startswith(database):
        pytest.skip("its turn is on the other database; `make faults` tries both")


def _done(warehouse: Warehouse) -> list[datetime]:
    """The slots that the ledger calls done, oldest first."""
    rows = job_runs.latest(warehouse, "tick", limit=job_runs.KEEP_ROWS)
    return sorted(row.slot for row in rows if row.state == "done")


def _wait(until: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def _runs(warehouse: Warehouse) -> Counter[datetime]:
    """How many runs each slot of the task has, ended well or not."""
    with warehouse.reading() as connection:
        return Counter(connection.scalars(sa.select(RUNS.c.slot).where(RUNS.c.task == "idle", RUNS.c.state == "done")))


@contextmanager
def _schedulers(program: Program, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    started = [program.start("schedule", "--quiet") for _ in range(number)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _stop(process: subprocess.Popen[str]) -> float:
    """Seconds until a scheduler that was told to stop has."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.monotonic() - began


def test_four_schedulers_run_each_slot_once(
    program: Program, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_turn(program, "sqlite")
    program, slots = idle_shop.create(program, monkeypatch, settings=EACH_SECOND), points(full=200, share=8)
    with (
        tally("4 schedulers, one slot a second", warehouse.dialect, slots) as survived,
        _schedulers(program, 4) as four,
    ):
        _wait(lambda: len(_done(warehouse)) >= slots, 60 + 8 * slots)
        seconds = [_stop(process) for process in four]
        runs, first = _runs(warehouse), _done(warehouse)[0]
        for number in survived.points():
            with survived.point():
                slot = first + timedelta(seconds=number)
                assert runs[slot] == 1, f"{slot}: {runs[slot]} runs"
        assert set(runs.values()) == {1} and max(seconds) < STOP_SECONDS
        assert [process.returncode for process in four] == [0, 0, 0, 0]


def test_schedulers_that_are_killed_or_sleep_lose_no_slot(
    program: Program, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_turn(program, "postgresql")
    now_and_then = EACH_SECOND.replace('"1s"', '"4s"')  # what one was too late for, the next has to make up for
    program = idle_shop.create(program, monkeypatch, settings=now_and_then, options="pause = 0.5")
    times, dice = points(full=20, share=2), random.Random(7)
    with tally("a scheduler killed or stopped for a while", warehouse.dialect, times) as survived:
        for number in survived.points():
            with survived.point(), _schedulers(program, 1) as (one,):
                before = len(_done(warehouse))
                _wait(lambda: len(_done(warehouse)) > before, 300)  # noqa: B023
                time.sleep(dice.uniform(0.0, 4.0))
                if number % 2:
                    one.send_signal(signal.SIGSTOP)
                    time.sleep(3)
                    one.send_signal(signal.SIGCONT)
                    assert _stop(one) < STOP_SECONDS
                else:
                    one.kill()
                    one.communicate()
        with _schedulers(program, 1) as (last,):
            moment = datetime.now(UTC)
            _wait(lambda: _done(warehouse)[-1] >= moment, 300)
            assert _stop(last) < STOP_SECONDS
        slots, runs = _done(warehouse), _runs(warehouse)
        assert [slot - slots[0] for slot in slots] == [timedelta(seconds=4 * n) for n in range(len(slots))]
        assert all(runs[slot] == 1 for slot in slots)


class _InThisProcess:
    """A worker that has ended before anybody looks: what `forecasting.app.workers.start` gives back."""

    pid = 0

    def __init__(self, shell: Shell, arguments: Sequence[str]):
        shell(*arguments, code=range(6))
        self.exitcode = 0

    def join(self, timeout: float | None = None) -> None:
        """It is over."""

    def is_alive(self) -> bool:
        """It is over."""
        return False

    def close(self) -> None:
        """Nothing is open."""


def _berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


NIGHTS = {
    "asleep two hours": (
        "2024-05-06 09:50", "2024-05-06 13:10", "*/30 * * * *",
        ["2024-05-06 10:00", "2024-05-06 10:30", "2024-05-06 11:00", "2024-05-06 11:30", "2024-05-06 12:00",
         "2024-05-06 12:30", "2024-05-06 13:00"],
    ),
    "clocks go forward": ("2024-03-30 12:00", "2024-04-01 12:00", "30 2 * * *",
        ["2024-03-31 03:30", "2024-04-01 02:30"]),
    "clocks go back": ("2024-10-26 12:00", "2024-10-28 12:00", "30 2 * * *",
        ["2024-10-27 02:30", "2024-10-28 02:30"]),
    "clocks go back, every hour": ("2024-10-27 00:30", "2024-10-27 04:30", "0 * * * *",
        ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 03:00", "2024-10-27 04:00"]),
}  # fmt: skip
"""From when to when, on the clock of Berlin, the job, and its slots; the hour that comes twice is added below."""


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("coalesce", [True, False], ids=["coalesced", "each"])
def test_each_due_slot_once(
    program: Program, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, night: str, coalesce: bool
) -> None:
    _in_turn(program, ("sqlite", "postgresql")[(len(night) + coalesce) % 2])
    begin, end, cron, names = NIGHTS[night]
    job = (
        f'[jobs.tick]\ntask = "idle"\ncron = "{cron}"\ntimezone = "Europe/Berlin"\ncoalesce = {str(coalesce).lower()}\n'
    )
    program = idle_shop.create(program, monkeypatch, settings=job)
    expected = sorted(
        [_berlin(name) for name in names]
        + ([_berlin("2024-10-27 02:00") + timedelta(hours=1)] * ("every hour" in night))
    )
    clock = _Clock(_berlin(begin))
    with _scheduler(program, clock) as scheduler:
        while clock.now < _berlin(end):
            scheduler.work_off()
            asleep = night == "asleep two hours" and clock.now == _berlin("2024-05-06 10:10")
            clock.now += timedelta(hours=2) if asleep else timedelta(minutes=10)
    slept = [slot for slot in expected if _berlin("2024-05-06 10:10") < slot <= _berlin("2024-05-06 12:10")]
    if coalesce and slept:
        expected = [slot for slot in expected if slot not in slept[:-1]]
    ran = [slot for slot in _done(warehouse) if slot >= _berlin(begin)]
    with tally(f"{night}, {'coalesced' if coalesce else 'each'}", warehouse.dialect, len(expected)) as survived:
        for slot in expected:
            with survived.point():
                assert ran.count(slot) == 1 and _runs(warehouse)[slot] == 1, f"{slot}: {ran}"
        assert ran == expected


@dataclass
class _Clock:
    """A clock that is set by hand."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def _scheduler(program: Program, clock: _Clock) -> Iterator[Scheduler]:
    """A scheduler in this process whose workers do their work at once."""
    shell = Shell(program)
    workspace = Workspace(config.load(program.directory / "forecasting.toml", warehouse=program.url), Console())
    try:
        yield Scheduler(workspace, clock=clock, start_worker=lambda arguments, name: _InThisProcess(shell, arguments))
    finally:
        workspace.close()

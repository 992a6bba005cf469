"""SIGTERM at random points of a run: a clean end within ten seconds, the slot free at once, nobody left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import idle_shop
import pytest
import sqlalchemy as sa
from idle_shop import night, shown
from nursery import Child, Start
from program import Program, write_shop
from shell import Shell
from tally import is_full, points, tally

from db.engines import Warehouse, open_warehouse
from db.locks import one_at_a_time
from forecasting.schema import SlotTaken

SECONDS = 10.0


def test_sigterm_ends_a_run_cleanly(program: Program, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    program = idle_shop.create(program, monkeypatch, "pause = 0.1")
    warehouse, dice = open_warehouse(program.url), random.Random(7)
    assert start(program, *night(0)).wait() == 0
    whole = _seconds(start, program, *night(1, "--retrain", "always"))
    number, slot = 0, 2
    with tally("SIGTERM of run idle", warehouse.dialect, points(full=50, share=3)) as survived:
        while number < survived.of:
            before, slot = shown(warehouse), slot + 1
            process = start(program, *night(slot, "--retrain", "always"))
            time.sleep(dice.uniform(0.0, 1.0) * whole)
            if not (ended := _terminated(process, again=number % 2 == 1)):
                whole *= 0.95
                continue  # it was done before
            number += 1
            with survived.point(number):
                _assert_clean(process, *ended, warehouse)
                now = shown(warehouse)
                published = now.run != before.run  # while it tidied up, its rows were out already
                assert published or now.alerts == before.alerts
                if number % 5 == 0 or not is_full():
                    again = start(program, *night(slot)).wait()
                    assert again == (SlotTaken.exit_code if published else 0), "the slot is free at once, or done"
    warehouse.close()


@pytest.mark.parametrize("statement", ["long", "locked"])
def test_sigterm_is_heard_inside_the_database(
    program: Program, start: Start, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """A statement that takes a minute, and a lock that is not granted."""
    if statement == "locked" and not is_full():
        pytest.skip("the harder one in a short run")
    program = idle_shop.create(program, monkeypatch)
    warehouse = open_warehouse(program.url)
    assert start(program, *night(0)).wait() == 0
    of = points(full=5, share=1)
    with tally(f"SIGTERM in a {statement} statement", warehouse.dialect, of) as survived:
        if statement == "long":
            _read_slowly(program)
            for number in survived.points():
                with survived.point(number):
                    # Nothing interrupts ADBC's SQLite: the process ends all the same, and everybody sees that it did.
                    _interrupt(program, start, warehouse if warehouse.schema else None, number + 1)
        else:
            with _held(warehouse):
                for number in survived.points():
                    with survived.point(number):
                        _interrupt(program, start, None, number + 1)
        idle_shop.configure(program)
        assert start(program, *night(1)).wait() == 0, "the slot is free again at once"
    warehouse.close()


def test_sigterm_ends_a_training(program: Program, start: Start) -> None:
    if not is_full() and program.url.startswith("sqlite"):
        pytest.skip("on PostgreSQL alone in a short run")
    files, shell = write_shop(program.directory), Shell(program)
    for source in ("sales", "stock", "supply"):
        shell("load", source, str(files[source]))
    warehouse, dice = open_warehouse(program.url), random.Random(7)
    day = ("--as-of", "2024-05-01", "--retrain", "always")
    whole = _seconds(start, program, "run", "demand", *day, "--slot", "2024-05-01") if is_full() else 10.0
    number, slot = 0, 1
    with tally("SIGTERM of run demand", warehouse.dialect, points(full=20, share=1)) as survived:
        while number < survived.of:
            slot += 1
            process = start(program, "run", "demand", *day, "--slot", f"2024-{slot // 28 + 5:02}-{slot % 28 + 1:02}")
            time.sleep(dice.uniform(0.0, 1.0) * whole)
            if not (ended := _terminated(process, again=False)):
                whole *= 0.95
                continue
            with survived.point(number):
                _assert_clean(process, *ended, warehouse)
            number += 1
    warehouse.close()


def _seconds(start: Start, program: Program, *arguments: str) -> float:
    began = time.monotonic()
    process = start(program, *arguments)
    _, stderr = process.communicate()
    assert process.returncode in (0, 3), stderr
    return time.monotonic() - began


def _terminated(process: Child, *, again: bool) -> tuple[float, str] | None:
    """Seconds that it took to end, and what it said on stderr; None where it had ended of its own before."""
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    if again:
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(60)
    seconds = time.monotonic() - began
    return None if process.returncode in (0, 3) else (seconds, stderr)


def _assert_clean(process: Child, seconds: float, stderr: str, warehouse: Warehouse | None) -> None:
    assert seconds < SECONDS, f"{seconds:.1f} s"
    if process.returncode == -signal.SIGTERM:  # before the program had begun
        assert not stderr
    else:
        assert process.returncode == 1, (process.returncode, stderr)
        assert "error: Interrupted." in stderr and "Traceback" not in stderr, stderr
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # it leads a group of its own: nobody is left of it
    if warehouse is not None:
        with warehouse.reading() as connection:
            for table in ("claims", "runs"):
                states = list(connection.scalars(sa.select(sa.column("state")).select_from(sa.table(table))))
                assert "running" not in states, table


def _interrupt(program: Program, start: Start, warehouse: Warehouse | None, slot: int) -> None:
    process = start(program, *night(slot))
    time.sleep(1.5)
    ended = _terminated(process, again=False)
    assert ended is not None, "it was done before"
    _assert_clean(process, *ended, warehouse)


def _read_slowly(program: Program) -> None:
    """Orders come from a query that takes a minute and more."""
    if program.url.startswith("sqlite"):
        slow = (
            "select order_id, customer_id, placed_at from orders where (with recursive n(i) as (select 1 union all"
            " select i + 1 from n where i < 2000000000) select max(i) from n) > 0"
        )
    else:
        slow = "select order_id, customer_id, placed_at from forecasting.orders cross join pg_sleep(90)"
    idle_shop.configure(program, settings=f'[sources.orders]\nquery = "{slow}"\n')


@contextmanager
def _held(warehouse: Warehouse) -> Iterator[None]:
    """While the block lasts somebody else holds what a run needs to begin: the write lock of the file, the task's
    advisory lock."""
    with warehouse.writing() as connection:
        one_at_a_time(connection, "task idle")
        yield

"""A lease holder stopped (SIGSTOP) until its lease ran out and another took over, then continued: it publishes nothing.

It is stopped at random points. Where it then holds the write lock of a SQLite file nobody can take over: the other must
end by itself, in words, and the holder may go on. PostgreSQL ends a transaction that does nothing for too long.
"""

from __future__ import annotations

import random
import signal
import time

import idle_shop
import pytest
from idle_shop import night, shown
from nursery import Start
from program import Program
from tally import points, tally

from db.engines import open_warehouse

LEASE_SECONDS = 5.0
SETTINGS = f"[settings]\nlease_seconds = {LEASE_SECONDS}\n"


def test_a_stopped_holder_publishes_nothing(program: Program, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    program = idle_shop.create(program, monkeypatch, "pause = 0.1", SETTINGS)
    warehouse, dice = open_warehouse(program.url), random.Random(7)
    assert start(program, *night(0)).wait() == 0
    began = time.monotonic()
    assert start(program, *night(1, "--retrain", "always")).wait() == 0
    whole = time.monotonic() - began
    number, day, taken_over = 0, 1, 0
    with tally("SIGSTOP of a lease holder", warehouse.dialect, points(full=20, share=1)) as survived:
        while number < survived.of:
            day += 1
            this = night(day, "--retrain", "always")
            holder = start(program, *this, patience=10.0)
            time.sleep(dice.uniform(0.2, 1.0) * whole)
            holder.send_signal(signal.SIGSTOP)
            if holder.poll() is not None:
                continue  # it was done before
            time.sleep(LEASE_SECONDS + 0.5)
            other = start(program, *this, patience=12.0)
            _, said = other.communicate()
            between = shown(warehouse) if other.returncode == 0 else None
            holder.send_signal(signal.SIGCONT)
            _, stderr = holder.communicate()
            now = shown(warehouse)
            if between is not None and (holder.returncode == 5 or "run=" not in stderr):
                assert (now.run, now.alerts) == (between.run, between.alerts)
                continue  # it was stopped before it held anything
            number += 1
            with survived.point(f"{number}, {holder.returncode} {stderr}, the other {other.returncode} {said}"):
                assert "Traceback" not in stderr + said
                assert now.running_claims == 0
                if between is not None:
                    taken_over += 1
                    assert holder.returncode == 1 and ("taken over by another worker" in stderr or "was lost" in stderr)
                    assert (now.run, now.alerts, now.forecasts) == (between.run, between.alerts, between.forecasts)
                else:  # the holder had published, or held the database
                    assert other.returncode == 5 or (other.returncode == 1 and "is locked" in said)
                    assert holder.returncode == 0 or "taken over by another worker" in stderr
        assert taken_over >= survived.of // 2 or program.url.startswith("sqlite"), f"{taken_over} were taken over"
    warehouse.close()

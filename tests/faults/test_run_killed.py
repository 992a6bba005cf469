"""kill -9 at random points of a run: readers of `current_*` see one whole run or the other, and nobody cleans up.

FAULT_POINTS says how many points for each database (`make faults` tries twenty).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from program import Program, write_shop

from db.engines import Warehouse, open_warehouse

POINTS = int(os.environ.get("FAULT_POINTS", "3"))
SERIES, HORIZON = 12, 28


def test_no_kill_shows_half_a_run(program: Program) -> None:
    files = write_shop(program.directory)
    for source in ("sales", "stock", "supply"):
        program("load", source, str(files[source]))
    began = time.monotonic()
    program("run", "demand", *_night(0), code=(0, 3))
    whole = time.monotonic() - began

    dice = random.Random(7)
    warehouse = open_warehouse(program.url)
    survived = 0
    try:
        with _watching(warehouse) as complaints:
            for point in range(1, POINTS + 1):
                process = program.start("run", "demand", *_night(point), "--retrain", "always")
                time.sleep(dice.uniform(0.2, 1.0) * whole)
                process.send_signal(signal.SIGKILL)
                process.wait()
                survived += not complaints
            program("run", "demand", *_night(POINTS + 1), code=(0, 3))
            program("run", "demand", *_night(POINTS), code=(0, 3, 5))  # a killed slot is free again, or was done
        assert not complaints, complaints[:3]
        assert _seen(warehouse)[1] == (SERIES * HORIZON, SERIES)
    finally:
        warehouse.close()
    print(f"kill -9 of run demand ({warehouse.dialect}): survived {survived} of {POINTS}")


def _night(number: int) -> tuple[str, ...]:
    day = f"2024-05-{number + 1:02}"
    return ("--as-of", day, "--slot", day)


@contextmanager
def _watching(warehouse: Warehouse) -> Iterator[list[str]]:
    """A reader that looks at both tables in one snapshot, again and again; what it complains of."""
    complaints: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            runs, counts = _seen(warehouse)
            if len(runs) != 1 or counts != (SERIES * HORIZON, SERIES):
                complaints.append(f"runs {runs}, rows {counts}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield complaints
    finally:
        stop.set()
        thread.join()


def _seen(warehouse: Warehouse) -> tuple[set[str], tuple[int, int]]:
    """The runs that the views show together, and the rows of each."""
    forecasts = sa.table("current_demand_forecasts", sa.column("run_id"))
    plan = sa.table("current_reorder_plan", sa.column("run_id"))
    with warehouse.reading() as connection:
        shown = [list(connection.scalars(sa.select(view.c.run_id))) for view in (forecasts, plan)]
    return {run for runs in shown for run in runs}, (len(shown[0]), len(shown[1]))

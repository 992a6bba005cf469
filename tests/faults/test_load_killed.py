"""kill -9 while a file is loaded: all its rows are there and it counts as loaded, or none and it does not."""

from __future__ import annotations

import random
import signal
import time

import sqlalchemy as sa
from nursery import Start
from program import Program
from tally import is_full, points, tally

from db.engines import Warehouse, open_warehouse

ROWS = 20_000 if is_full() else 5_000


def test_no_kill_loads_half_a_file(program: Program, start: Start) -> None:
    warehouse, dice = open_warehouse(program.url), random.Random(7)
    assert start(program, *_load(program, 0)).wait() == 0
    began = time.monotonic()
    assert start(program, *_load(program, 1)).wait() == 0
    whole, there = time.monotonic() - began, 2
    with tally("kill -9 of load", warehouse.dialect, points(full=20, share=1)) as survived:
        for number in survived.points():
            with survived.point(number):
                words = _load(program, number + 2)
                process = start(program, *words)
                time.sleep(dice.uniform(0.1, 1.0) * whole)
                process.send_signal(signal.SIGKILL)
                process.wait()
                rows, files = _standing(warehouse)
                assert files in (there, there + 1) and rows == files * ROWS, f"{rows} rows of {files} files"
                again = start(program, *words)
                _, stderr = again.communicate()
                assert again.returncode == (0 if files == there else 1), stderr
                assert _standing(warehouse) == ((there + 1) * ROWS, there + 1)
            there = _standing(warehouse)[1]
    warehouse.close()


def _load(program: Program, number: int) -> tuple[str, ...]:
    """The words that load a file of interactions, which have no key."""
    file = program.directory / f"{number}.csv"
    lines = (f"C{n % 999},I{n % 97},view,2024-01-{n % 28 + 1:02}T00:00:{number:02}Z" for n in range(ROWS))
    file.write_text("\n".join(("customer_id,item_id,kind,occurred_at", *lines)) + "\n")
    return ("load", "interactions", str(file))


def _standing(warehouse: Warehouse) -> tuple[int, int]:
    """How many rows there are, and of how many files."""
    with warehouse.reading() as connection:
        count = sa.select(sa.func.count())
        rows, files = (connection.scalar(count.select_from(sa.table(name))) for name in ("interactions", "loads"))
    return rows or 0, files or 0

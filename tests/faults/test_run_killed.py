"""kill -9 at random points of a run: readers of `current_*` see one whole run or the other, and nobody cleans up.

`make faults` kills each task fifty times on each database, `make test` once on one of them in turn; FAULT_POINTS says
how often by hand.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import leaving_shops
import open_orders
import pandas as pd
import pytest
import sqlalchemy as sa
import wish_shops
from expected_alerts import Rules, replayed
from nursery import Start
from program import Program, write_shop
from shell import Shell
from tally import is_full, points, tally

from db.engines import Warehouse, open_warehouse


@dataclass(frozen=True)
class Job:
    """A task's night: the shop that `write` makes, of which `sources` are loaded, and the rows of each view, the same
    every night."""

    task: str
    write: Callable[[Path], Mapping[str, Path]]
    sources: tuple[str, ...]
    rows: Mapping[str, int]


def _clicks(directory: Path) -> Mapping[str, Path]:
    return wish_shops.write(directory, wish_shops.clicks())


def _orders(directory: Path) -> Mapping[str, Path]:
    """Nobody stops, so that every night has as many rows, but in ten days many buy nothing."""
    tables = leaving_shops.shop(customers=210, leaving=0.0).before(leaving_shops.END)
    files = leaving_shops.write(directory, tables, '[alerts.drop]\nkind = "csv"\ndirectory = "drop"\n')
    toml = directory / "forecasting.toml"
    toml.write_text(toml.read_text().replace(f"horizon_days = {leaving_shops.HORIZON}", "horizon_days = 10"))
    return files


_HEARD = pd.Timestamp("2024-05-01")


def _parcels(directory: Path) -> Mapping[str, Path]:
    """Nothing is heard after _HEARD and nothing counts as lost, so that every night has as many open orders."""
    options = open_orders.FAST + "lost_after_days = 400\n"
    return open_orders.write(directory, open_orders.shop().known(_HEARD), options)


JOBS = [
    Job(
        "demand",
        write_shop,
        ("sales", "stock", "supply"),
        {"current_demand_forecasts": 12 * 28, "current_reorder_plan": 12},
    ),
    Job(
        "recommendation",
        _clicks,
        ("interactions", "items", "customers"),
        {"current_recommendations": 8 * (25 + 56), "current_recommendation_items": 33},  # customers and sessions
    ),
    Job(
        "churn",
        _orders,
        ("orders", "order_lines"),
        {"current_churn_risks": 210},
    ),
    Job(
        "completion",
        _parcels,
        ("orders", "order_events"),
        {"current_order_completions": len(open_orders.shop().open(_HEARD)), "current_stalled_orders": 0},
    ),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.task)
def test_no_kill_shows_half_a_run(program: Program, start: Start, job: Job) -> None:
    on_sqlite = program.url.startswith("sqlite")
    if not is_full() and "FAULT_POINTS" not in os.environ and on_sqlite != (JOBS.index(job) % 2 == 0):
        pytest.skip("its turn is on the other database; `make faults` kills it on both")
    files, shell = job.write(program.directory), Shell(program)
    for source in job.sources:
        shell("load", source, str(files[source]))
    began = time.monotonic()
    started(program, start, job, 0, code=(0, 3))
    whole = time.monotonic() - began

    dice = random.Random(7)
    warehouse = open_warehouse(program.url)
    kills = points(full=50, share=1)
    try:
        with (
            tally(f"kill -9 of run {job.task}", warehouse.dialect, kills) as survived,
            _watching(warehouse, job.rows) as complaints,
        ):
            for number in survived.points():
                with survived.point(number):
                    process = start(program, "run", job.task, *_night(1 + number), "--retrain", "always")
                    time.sleep(dice.uniform(0.0, 1.0) * whole)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    assert not complaints, complaints[:3]
            shell("run", job.task, *_night(1 + kills), code=(0, 3))
            shell("run", job.task, *_night(kills), code=(0, 3, 5))  # a killed slot is free again, or was done
        assert not complaints, complaints[:3]
        assert _seen(warehouse, job.rows)[1] == job.rows
        if job.task == "churn":
            _alerts_are_those_of_what_was_published(warehouse)
    finally:
        warehouse.close()


def started(program: Program, start: Start, job: Job, night: int, *, code: tuple[int, ...]) -> None:
    """A whole night of its own process."""
    process = start(program, "run", job.task, *_night(night), "--retrain", "always")
    _, stderr = process.communicate()
    assert process.returncode in code and "Traceback" not in stderr, stderr


def _alerts_are_those_of_what_was_published(warehouse: Warehouse) -> None:
    """No kill lost an alert or doubled one, and each is to go out once."""
    with warehouse.reading() as connection:

        def read(table: str) -> pd.DataFrame:
            return pd.read_sql(sa.select(sa.text("*")).select_from(sa.table(table)), connection)

        runs, rows, alerts = read("runs"), dict(list(read("churn_risks").groupby("run_id"))), read("churn_alerts")
        deliveries = read("alert_deliveries")
    published = runs[runs["published_at"].notna()].sort_values("published_at")
    nights = [(run.subject, rows[run.run_id]) for run in published.itertuples()]
    expected = replayed(Rules(leaving_shops.LEAST_VALUE, leaving_shops.START_LIMIT), nights)
    found = list(alerts[["run_id", "customer_id", "band"]].itertuples(index=False, name=None))
    assert len(nights) >= 2 and found and sorted(found) == sorted(expected)
    assert sorted(deliveries["alert_id"]) == sorted(alerts["alert_id"])


def _night(number: int) -> tuple[str, ...]:
    """Another slot each time, three nights a day: the shops have no more than thirty days to tell of."""
    slot, as_of = (pd.Timestamp("2024-05-01") + pd.Timedelta(days=days) for days in (number, number // 3))
    return ("--as-of", str(as_of.date()), "--slot", str(slot.date()))


@contextmanager
def _watching(warehouse: Warehouse, rows: Mapping[str, int]) -> Iterator[list[str]]:
    """A reader that looks at all views in one snapshot, again and again; what it complains of."""
    complaints: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            runs, counts = _seen(warehouse, rows)
            if len(runs) != 1 or counts != rows:
                complaints.append(f"runs {runs}, rows {counts}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield complaints
    finally:
        stop.set()
        thread.join()


def _seen(warehouse: Warehouse, views: Iterable[str]) -> tuple[set[str], dict[str, int]]:
    """The runs that the views show together, and the rows of each."""
    with warehouse.reading() as connection:
        shown = {
            view: list(connection.scalars(sa.select(sa.column("run_id")).select_from(sa.table(view)))) for view in views
        }
    return {run for runs in shown.values() for run in runs}, {view: len(runs) for view, runs in shown.items()}

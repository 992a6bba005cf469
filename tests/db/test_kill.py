"""Kill -9 anywhere between claim and publication: readers never notice, and the next run needs no hand."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from db import publishing, retention
from db.engines import open_warehouse
from db.outputs import CreateView, current_view, output_table
from db.tables import RUNS
from forecasting.schema import Column, Kind, OutputTable

ROWS, KILLS = 200, 4
OUTPUTS = tuple(
    OutputTable(name, (Column("item_id", Kind.ID), Column("value", Kind.NUMBER)), ("item_id",))
    for name in ("one", "two")
)
WORKER = """
    import sys
    from datetime import UTC, datetime, timedelta
    import pyarrow as pa
    from db import publishing, retention, runs
    from db.claims import claim
    from db.engines import open_warehouse
    from forecasting.schema import Column, Kind, OutputTable

    OUTPUTS = tuple(
        OutputTable(name, (Column("item_id", Kind.ID), Column("value", Kind.NUMBER)), ("item_id",))
        for name in ("one", "two")
    )
    publishing.CHUNK_ROWS = 40
    warehouse = open_warehouse({url!r})
    for day in range({first}, {first} + {days}):
        slot = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        mine = claim(warehouse, "demand", slot)
        with mine.heartbeat():
            retention.sweep(warehouse, OUTPUTS, "demand")
            run_id = runs.start(warehouse, mine, as_of=slot, trigger="test")
            items = [f"{{number:05}}" for number in range({rows})]
            rows = pa.table({{"item_id": items, "value": [float(day)] * len(items)}})
            for output in OUTPUTS:
                publishing.stage(warehouse, mine, run_id, output, rows)
            publishing.publish(warehouse, mine, run_id, publishing.Outcome(rows=2 * len(items), subject="model"))
        retention.retain(warehouse, OUTPUTS, "demand", keep=2)
        print(day, flush=True)
"""


def worker(url: str, first: int, days: int) -> subprocess.Popen[str]:
    code = textwrap.dedent(WORKER).format(url=url, first=first, days=days, rows=ROWS)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


class Watch(threading.Thread):
    """Looks at both views without a pause; keeps what was not one whole run."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self.url, self.stop, self.looks, self.wrong = url, threading.Event(), 0, []

    def run(self) -> None:
        warehouse = open_warehouse(self.url)
        views = [current_view(output) for output in OUTPUTS]
        questions = [
            sa.select(view.c.run_id, view.c.value, sa.func.count()).group_by("run_id", "value") for view in views
        ]
        while not self.stop.is_set():
            with warehouse.reading() as connection:
                one, two = (connection.execute(question).all() for question in questions)
            self.looks += 1
            if one != two or len(one) > 1 or any(row[2] != ROWS for row in one):
                self.wrong.append((one, two))
            time.sleep(0.002)
        warehouse.close()


@pytest.mark.slow
def test_killed_anywhere(warehouse, warehouse_url):
    with warehouse.writing() as connection:
        for output in OUTPUTS:
            output_table(output).create(connection)
            connection.execute(CreateView(output))
    watch = Watch(warehouse_url)
    watch.start()
    chance = random.Random(7)
    day = 0
    for _ in range(KILLS):
        process = worker(warehouse_url, day, 1000)
        day = int(process.stdout.readline())  # it is at work; some way into a later day it dies
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        day = int((process.stdout.read().split() or [day])[-1]) + 1
        process.wait()
        published = publishing.publications(warehouse)["demand"].as_of
        day = max(day, (published - datetime(2026, 1, 1, tzinfo=UTC)).days + 1)  # it may have died before it said so
    process = worker(warehouse_url, day, 1)
    assert process.communicate()[0].split() == [str(day)]
    watch.stop.set()
    watch.join()
    assert watch.looks > 50
    assert watch.wrong == []
    with warehouse.reading() as connection:
        states = set(connection.scalars(sa.select(RUNS.c.state)))
        assert states <= {"done", "abandoned"}
        assert connection.scalar(sa.select(sa.func.max(current_view(OUTPUTS[0]).c.value))) == day
        present = [retention._runs_in(connection, output_table(output)) for output in OUTPUTS]
    assert present[0] == present[1]
    assert len(present[0]) == 2, "nothing the dead had staged is left"

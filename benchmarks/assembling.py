"""Time and memory of turning sales rows into a grid and reading windows from it, by the number of rows.

python -m benchmarks.assembling [MILLIONS ...]     # 1 3 10 by default, replicated from online_retail_daily
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def measure(rows: int) -> None:
    """Print one line of figures for about `rows` rows."""
    import psutil

    from benchmarks.datasets import DATASETS, sales_table
    from tasks.demand.assemble import assemble

    name = "online_retail_daily"
    single = sales_table(name).num_rows
    table = sales_table(name, replicas=max(1, round(rows / single))).slice(0, rows)
    process = psutil.Process()
    before = process.memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
    began = time.process_time()
    grid = assemble({"sales": table}, DATASETS[name].options)
    assembled = time.process_time() - began
    peak = _peak() - before
    after = process.memory_info().rss - before
    random = np.random.default_rng(0)
    series = random.integers(0, grid.series, 50_000)
    stop = np.full(len(series), int(grid.sales.first.min()) + 500)
    began = time.process_time()
    for part in np.split(series, 50):
        at = stop[: len(part)]
        grid.window(part, at, 140)
        grid.history(part, at, 140)
        grid.known_ahead(part, at - 140, 168)
    windows = time.process_time() - began
    print(
        f"{table.num_rows:>10,} rows  {grid.series:>6,} series  {assembled:6.2f} CPU-s  "
        f"{assembled / table.num_rows * 1e9:5.0f} ns a row  kept {after / table.num_rows:4.0f} B a row  "
        f"peak {peak / table.num_rows:4.0f} B a row ({peak / 1e6:,.0f} MB above the table)  "
        f"{len(series) / windows:,.0f} windows a CPU-s",
        flush=True,
    )


def _peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Each size in a process of its own, so that none inherits another's memory."""
    if len(sys.argv) == 3 and sys.argv[1] == "--rows":
        return measure(int(sys.argv[2]))
    for millions in sys.argv[1:] or ["1", "3", "10"]:
        rows = str(int(float(millions) * 1e6))
        subprocess.run(
            [sys.executable, "-m", "benchmarks.assembling", "--rows", rows],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return None


if __name__ == "__main__":
    main()

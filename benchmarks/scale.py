"""What features and batches cost as a shop grows: `python -m benchmarks.scale` prints a line each at 1, 3 and 10
million sales rows, replicated from real series.

Each line has the rows, the CPU seconds of assembling them into a grid and of a batch pass over it (one training window
for every 100 rows, at the shipped batch size), nanoseconds a row of each, and the largest memory above the table read.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import DATASETS, sales_table
from tasks.demand.assemble import assemble
from tasks.demand.features import Features, WindowReader
from tasks.demand.sampling import RandomWindows

SET = "online_retail_daily"
REPLICAS = (1, 3, 11)
"""Copies of the set's 0.93 million rows: about 1, 3 and 10 million."""

ROWS_A_WINDOW = 100
BATCH = 128


def measure(replicas: int) -> str:
    """One line, from a process of its own: the largest memory is a process's."""
    torch.set_num_threads(1)
    table = sales_table(SET, replicas)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_megabytes()
    options = DATASETS[SET].options
    began = time.process_time()
    grid = assemble({"sales": table}, options)
    assembled = time.process_time() - began

    until = np.datetime64(grid.periods.start(grid.last_seen(np.datetime64("2200-01-01", "us")) + 1).item(), "us")
    reader = WindowReader(Features.fit(grid, options.steps, int(grid.period_of(until))), grid)
    steps = table.num_rows // ROWS_A_WINDOW // BATCH
    windows = RandomWindows.before(reader, until, steps=steps, size=BATCH)
    began = time.process_time()
    seen = sum(len(batch) for batch in windows.batches(0, 0))
    batched = time.process_time() - began
    rows, memory = table.num_rows, peak_megabytes() - before
    return (
        f"{rows:>11,} rows  {grid.series:>6,} series  grid {assembled:6.1f} s ({1e9 * assembled / rows:4.0f} ns a row)"
        f"  {seen:>7,} windows {batched:6.1f} s ({1e6 * batched / seen:4.0f} us each)"
        f"  memory above the table {memory:6.0f} MB ({1e6 * memory / rows:4.0f} bytes a row)"
    )


def peak_megabytes() -> float:
    """Largest memory of this process since the peak began anew, MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """A line for each size."""
    if len(sys.argv) > 1:
        print(measure(int(sys.argv[1])))
        return
    for replicas in REPLICAS:
        subprocess.run([sys.executable, "-m", "benchmarks.scale", str(replicas)], check=True)


if __name__ == "__main__":
    main()

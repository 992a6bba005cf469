"""A small shop in files, and the program as a process of its own, as cron would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

STRANGER = Path(__file__).parent / "stranger"
"""The directory that makes the stranger's package installed once it is on PYTHONPATH."""

IDLE = Path(__file__).parent / "idle"
"""The same for the task that does next to nothing."""


@dataclass(frozen=True)
class Program:
    """`forecasting` in a working directory, on a warehouse."""

    directory: Path
    url: str
    with_stranger: bool = False
    with_idle: bool = False

    def environment(self) -> dict[str, str]:
        """The variables of a started program: one thread, no settings of whoever runs the tests."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTING_")}
        for package, wanted in ((STRANGER, self.with_stranger), (IDLE, self.with_idle)):
            if wanted:
                inherited["PYTHONPATH"] = f"{package}{os.pathsep}{inherited.get('PYTHONPATH', '')}"
        return inherited | {"OMP_NUM_THREADS": "1", "FORECASTING_WAREHOUSE": self.url}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "forecasting.app.main", *arguments],
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int | Collection[int] = 0) -> str:
        """Run it to its end, expect an exit code (or one of several), and return what it wrote on stdout."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=300)
        expected = {code} if isinstance(code, int) else set(code)
        assert process.returncode in expected, f"exit code {process.returncode}\n{stdout}\n{stderr}"
        assert "Traceback" not in stderr
        return stdout

    def document(self, *arguments: str, code: int | Collection[int] = 0) -> dict[str, Any]:
        """The JSON document of a command."""
        return json.loads(self(*arguments, "--json", code=code))


def write_shop(directory: Path) -> dict[str, Path]:
    """Writes the files of a small shop, and a forecasting.toml: 12 items in one place from October to May, promoted on
    one day in six, with stock, supply and orders. One network forecasts them, not two: tests have no time to lose."""
    random = np.random.default_rng(11)
    items, days = [f"I{item:02}" for item in range(12)], pd.date_range("2023-10-01", "2024-05-31")
    level, weekly = random.uniform(4, 20, 12), 1 + 0.4 * np.sin(2 * np.pi * np.arange(7) / 7)
    promoted = random.random((12, len(days))) < 1 / 6
    expected = level[:, None] * weekly[days.dayofweek] * np.where(promoted, 2.5, 1.0)
    sales = pd.DataFrame(
        {
            "item_id": np.repeat(items, len(days)),
            "location_id": "L1",
            "date": np.tile(days.strftime("%Y-%m-%d"), 12),
            "quantity": random.poisson(expected).ravel(),
            "price": 9.5,
            "promotion": promoted.astype(int).ravel(),
        }
    )
    tables = {
        "sales": sales,
        "items": pd.DataFrame({"item_id": items, "title": [f"Thing number {n}" for n in range(12)]}),
        "stock": pd.DataFrame(
            {"item_id": items, "location_id": "L1", "observed_at": "2024-04-20 06:00", "on_hand": 30, "on_order": 0}
        ),
        "supply": pd.DataFrame({"item_id": items, "lead_time_days": 14, "service_level": 0.95, "order_multiple": 6}),
        "orders": pd.DataFrame(
            {
                "order_id": [f"O{n}" for n in range(900)],
                "customer_id": [f"C{n % 40}" for n in range(900)],
                "placed_at": pd.date_range("2024-01-01", periods=900, freq="4h"),
            }
        ),
    }
    files = {}
    for name, table in tables.items():
        files[name] = directory / f"{name}.csv"
        table.to_csv(files[name], index=False)
    (directory / "forecasting.toml").write_text('[tasks.demand]\nknown_ahead = ["promotion"]\nmembers = 1\n')
    return files

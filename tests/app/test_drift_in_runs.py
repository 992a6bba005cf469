"""Drift of data as a run finds it, on both databases: what a model was fitted on is kept with it, the next night's data
are held against it, and the run says so. The task is the one that does next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import idle_shop
import numpy as np
import pandas as pd
import pytest
from program import Program
from shell import Shell

START = pd.Timestamp("2024-01-01")
SETTINGS = "[settings]\nretrain_after_days = 30\n"


def orders(program: Program, first: int, last: int, value: float) -> Path:
    """Fifty orders a day, of values around one."""
    random = np.random.default_rng(first)
    day = np.repeat(np.arange(first, last), 50)
    rows = pd.DataFrame(
        {
            "order_id": [f"O{first}-{n}" for n in range(len(day))],
            "customer_id": [f"C{n % idle_shop.CUSTOMERS:02}" for n in range(len(day))],
            "placed_at": START + pd.to_timedelta(day * 24 + random.uniform(8, 20, len(day)), "h"),
            "value": np.round(value * np.exp(random.normal(0, 0.5, len(day))), 2),
        }
    )
    file = program.directory / f"orders-{first}.csv"
    rows.to_csv(file, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    return file


def night(shell: Shell, day: int, *options: str) -> dict[str, Any]:
    at = str((START + pd.Timedelta(days=day)).date())
    return shell.document("run", "idle", "--as-of", at, "--slot", at, *options, code=(0, 3))["runs"][0]


def figures(shell: Shell, run: dict[str, Any]) -> dict[str, float]:
    rows = shell.view("run_metrics")
    mine = rows[(rows["run_id"] == run["run_id"]) & (rows["slice"] == "drift")]
    assert set(mine["subject"]) <= {"data"}
    return dict(zip(mine["metric"], mine["value"], strict=True))


def test_a_run_finds_drift_trains_and_says_so(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program = idle_shop.create(program, monkeypatch, settings=SETTINGS, orders=False)
    shell = Shell(program)
    shell("load", "orders", str(orders(program, 0, 77, 20.0)))
    first = night(shell, 70)
    assert first["trained"] and figures(shell, first) == {}, "there was nothing to compare with"

    calm = night(shell, 77)
    assert not calm["trained"] and "no full training was due: the full fit is 7 days old" in calm["reason"]
    assert figures(shell, calm)["psi:orders.value"] < 0.1
    assert figures(shell, calm)["rows_ratio:orders.rows"] == pytest.approx(1.0, abs=0.05)

    shell("load", "orders", str(orders(program, 77, 91, 60.0)))
    off = night(shell, 84, "--dry-run")
    assert off["trained"] and "Fitted in full: orders drifted: value (PSI " in off["reason"]
    idle_shop.configure(program, settings=SETTINGS + "drift_limit = 0\n")
    assert not night(shell, 84, "--dry-run")["trained"], "it is switched off"
    idle_shop.configure(program, settings=SETTINGS)
    found = night(shell, 84)
    assert found["trained"] and found["reason"] == off["reason"]
    assert figures(shell, found)["psi:orders.value"] > 1.0

    after = night(shell, 91)
    assert not after["trained"], "what it was fitted on last is what counts"
    assert figures(shell, after)["psi:orders.value"] < 0.1

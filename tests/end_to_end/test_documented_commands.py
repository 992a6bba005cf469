"""Every `forecasting` command that README, CHANGELOG and docs/ALERTS.md show is run here, on a small shop."""

from __future__ import annotations

import gzip
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from program import STRANGER, write_shop
from wish_shops import clicks

from forecasting.app.main import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "docs" / "ALERTS.md"]

EXPECTED = {
    "status": (0, 1),
    "run": (0, 3, 5),
    "backtest": (0, 3),
    "schedule": (0, 3),
    "backfill": (0, 3),
    "models": (0, 1, 2),
}
"""Exit codes that are no failure: rows of 2024 are stale, the gate may prefer a baseline on so little data, and no
champion may have reigned before this one."""

FAST = """
[tasks.demand]
members = 1
[tasks.recommendation]
hidden = 16
epochs = 2
[tasks.completion]
hidden = 4
epochs = 1
"""
"""Options with which a run takes seconds; nothing that a command says depends on them."""


def documented() -> list[str]:
    """Command lines in code blocks and in backticks, in order, each once; placeholders are given names."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            for command in re.findall(r"(?:^|`|&& \S*|# )forecasting ((?:[a-z-]+)(?: [^`#\s]+)*)", line):
                found[command.strip().replace("check NAME", "check visits")] = None
    return list(found)


def documented_jobs() -> str:
    """The jobs that README shows first."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if "[jobs.morning-pages]" in block)


def test_the_documents_show_commands() -> None:
    shown = {command.split()[0] for command in documented()}
    assert {"init", "check", "load", "run", "report", "status", "tasks", "db"} <= shown
    alerts = {command.split()[1] for command in documented() if command.startswith("alerts")}
    assert {"list", "deliver", "acknowledge", "close"} <= alerts


def until_yesterday(sales: Path) -> None:
    """The same sales, of the days before today: those in between would all count as days without a sale."""
    table = pd.read_csv(sales, parse_dates=["date"])
    ago = pd.Timestamp.now().floor("D") - pd.Timedelta("1D") - table["date"].max()
    table.assign(date=table["date"] + ago).to_csv(sales, index=False, date_format="%Y-%m-%d")


def orders_of_customers_who_left() -> pd.DataFrame:
    """Sixty customers came once or twice, one after the other, and never again; twenty come every ten days until now.
    Customer 12347, the README's, was here five months ago."""
    now = pd.Timestamp.now().floor("D")
    lost = pd.DataFrame({"customer_id": np.arange(60), "ago": np.linspace(500, 100, 60)})
    loyal = pd.DataFrame({"customer_id": np.repeat(np.arange(60, 80), 50), "ago": np.tile(np.arange(0, 500, 10), 20)})
    told = pd.DataFrame({"customer_id": 12347, "ago": [170.0, 150.0]})
    orders = pd.concat([lost, lost.assign(ago=lost["ago"] + 8), loyal, told], ignore_index=True)
    placed = now - pd.to_timedelta(orders.pop("ago") + 0.5, "D")
    completed = placed + pd.to_timedelta(2 + np.arange(len(orders)) % 5, "D")
    return orders.assign(
        order_id=np.arange(len(orders)), placed_at=placed, completed_at=completed.where(completed < now), value=20.0
    )


def test_every_documented_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FORECASTING_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(STRANGER))
    files = write_shop(tmp_path)
    (tmp_path / "forecasting.toml").unlink()
    until_yesterday(files["sales"])
    (tmp_path / "sales-2026.csv.gz").write_bytes(gzip.compress(files["sales"].read_bytes()))

    clicks()["interactions"].to_csv(tmp_path / "clicks.csv", index=False)
    orders = orders_of_customers_who_left()
    orders.to_csv(files["orders"], index=False)
    shipped = orders[["order_id"]].assign(status="shipped", occurred_at=orders["placed_at"] + pd.Timedelta("1D"))
    shipped[shipped["occurred_at"] < pd.Timestamp.now().floor("D")].to_csv(tmp_path / "order-events.csv", index=False)

    commands = documented()
    loads = [command for command in commands if command.startswith("load")]
    commands.remove("init")
    for command in ["init", *loads, *(one for one in commands if one not in loads)]:
        if command == "schedule":
            with (tmp_path / "forecasting.toml").open("a") as file:
                file.write(documented_jobs())
            command = "schedule --once"  # the other would go on and on
        result = CliRunner().invoke(cli, shlex.split(command))
        if command == "init":
            with (tmp_path / "forecasting.toml").open("a") as file:
                file.write(FAST)
        allowed = EXPECTED.get(command.split()[0], (0,))
        assert result.exit_code in allowed, f"forecasting {command}: {result.exit_code}\n{result.output}"

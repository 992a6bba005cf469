"""Every `forecasting` command that README and CHANGELOG show is run here, on a small shop."""

from __future__ import annotations

import gzip
import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from program import STRANGER, write_shop
from wish_shops import clicks

from forecasting.app.main import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md"]

EXPECTED = {"status": (0, 1), "run": (0, 3, 5), "backtest": (0, 3)}
"""Exit codes that are no failure: rows of 2024 are stale, and the gate may prefer a baseline on so little data."""


def documented() -> list[str]:
    """Command lines in code blocks and in backticks, in order, each once; placeholders are given names."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            for command in re.findall(r"(?:^|`|&& \S*|# )forecasting ((?:[a-z-]+)(?: [^`#\s]+)*)", line):
                found[command.strip().replace("check NAME", "check visits")] = None
    return list(found)


def test_the_documents_show_commands() -> None:
    shown = {command.split()[0] for command in documented()}
    assert {"init", "check", "load", "run", "report", "status", "tasks", "db"} <= shown


def test_every_documented_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FORECASTING_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(STRANGER))
    files = write_shop(tmp_path)
    (tmp_path / "forecasting.toml").unlink()
    (tmp_path / "sales-2026.csv.gz").write_bytes(gzip.compress(files["sales"].read_bytes()))

    clicks()["interactions"].to_csv(tmp_path / "clicks.csv", index=False)

    commands = documented()
    loads = [command for command in commands if command.startswith("load")]
    commands.remove("init")
    for command in ["init", *loads, "load orders orders.csv", *(one for one in commands if one not in loads)]:
        if command == "run --job nightly-demand":
            with (tmp_path / "forecasting.toml").open("a") as file:
                file.write('\n[jobs.nightly-demand]\ntask = "demand"\ncron = "0 2 * * *"\ntimezone = "Europe/Berlin"\n')
        result = CliRunner().invoke(cli, shlex.split(command))
        allowed = EXPECTED.get(command.split()[0], (0,))
        assert result.exit_code in allowed, f"forecasting {command}: {result.exit_code}\n{result.output}"

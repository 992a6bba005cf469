"""Hostile names: of tasks, jobs, channels and warehouses, of tables and columns, and as arguments of commands.

Each is taken as it is or refused in one sentence (exit code 2); none is executed, none ends in a traceback.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hostile import UNSTORABLE, VALUES
from program import Program
from tally import is_full, tally

from db.engines import open_warehouse
from db.extract import locate, read_source
from db.mapping import SourceMapping
from forecasting.app import config
from forecasting.app.main import cli
from forecasting.app.names import PATH
from forecasting.schema import ConfigurationError, ForecastingError, SourceNeed

NAMES = (*VALUES, *UNSTORABLE, "")
NAMED = {
    "tasks": 'type = "demand"',
    "jobs": 'task = "demand"\ncron = "0 2 * * *"',
    "alerts": 'kind = "csv"\ndirectory = "drop"',
    "warehouses": 'url = "sqlite:///x.db"',
}

COMMANDS = (
    ("run", "{}"),
    ("run", "--job", "{}"),
    ("run", "demand", "--as-of", "{}"),
    ("run", "demand", "--slot", "{}"),
    ("report", "{}"),
    ("load", "{}", "orders.csv"),
    ("load", "orders", "{}"),
    ("models", "{}"),
    ("backtest", "{}", "--from", "2024-01-01", "--to", "{}"),
    ("tasks", "check", "{}"),
    ("alerts", "ack", "{}"),
    ("--warehouse", "{}", "status"),
    ("--config", "{}", "tasks"),
    ("{}",),
)


def _share(values: tuple[str, ...], count: int, seed: str) -> list[str]:
    return list(values) if is_full() else random.Random(seed).sample(values, count)


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_is_kept_or_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "forecasting.toml"
    taken = 0
    names = _share(NAMES, 60, kind)
    with tally(f"hostile names of {kind}", "files", len(names)) as survived:
        for name in names:
            with survived.point(repr(name)[:60]):
                file.write_text(f"[{kind}.{_quoted(name)}]\n{NAMED[kind]}\n", encoding="utf-8")
                try:
                    read = config.load(file, environment={})
                except ConfigurationError as refused:
                    assert kind in str(refused) and len(str(refused)) < 500
                    continue
                assert list(getattr(read, kind)) == [name]
                assert kind != "tasks" or PATH.fullmatch(name)
                taken += 1
    assert taken > len(names) * (0.05 if kind == "tasks" else 0.4)


def test_a_variable_sets_no_more_than_its_key(tmp_path: Path) -> None:
    """What stands in a variable is a value, not another line of the file."""
    file = tmp_path / "forecasting.toml"
    file.write_text('[tasks.demand]\nencoder = "gru"\n')
    values = _share(VALUES, 30, "variables")
    with tally("hostile values in variables", "files", len(values)) as survived:
        for value in values:
            with survived.point(repr(value)[:60]):
                environment = {"FORECASTING_TASKS__DEMAND__ENCODER": value, "FORECASTING_CURRENCY": value}
                read = config.load(file, environment=environment)
                assert set(read.tasks) == {"demand"} and set(read.tasks["demand"].options) == {"encoder"}
                assert read.settings.currency == value


def test_arguments_of_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = _share((*VALUES, "\udcff", "a\udcffb"), 8, "arguments")
    with tally("hostile arguments", "sqlite", len(values)) as survived:
        for value in values:
            with survived.point(repr(value)[:60]):
                for command in COMMANDS:
                    words = [word.replace("{}", value) for word in command]
                    result = CliRunner().invoke(cli, ["--json", *words])
                    assert result.exit_code in (0, 1, 2, 4), (words, result.exit_code)
                    assert "Traceback" not in result.output and "should not" not in result.output, result.output[:600]
                    assert "\x1b" not in result.stderr, words
                    assert isinstance(json.loads(result.stdout or "{}"), dict)
    made = {entry.name for entry in tmp_path.iterdir()}
    assert made <= {"var"}, made


def test_tables_and_columns_have_any_name(program: Program) -> None:
    warehouse = open_warehouse(program.url, name="shop")
    dialect = warehouse.dialect
    names = [name for name in VALUES if len(name.encode()) <= 60 and not (dialect == "postgresql" and _mangled(name))]
    chosen = names if is_full() else random.Random(dialect).sample(names, 20)
    with tally("hostile names of tables and columns", dialect, len(chosen)) as survived:
        for number, name in enumerate(chosen):
            with survived.point(repr(name)):
                _try_names(warehouse, name, number)
    warehouse.close()


def _try_names(warehouse, name: str, number: int) -> None:
    """A table of that name, whose columns bear it too, is read as it stands."""
    schema = None if warehouse.dialect == "sqlite" else "public"
    columns = {"order_id": name, "placed_at": f"{name}\N{FULL BLOCK}", "remark": f"{name}2"}
    reserved = warehouse.dialect == "sqlite" and name.lower().startswith("sqlite_")
    table = sa.Table(
        sa.quoted_name(f"my {name}" if reserved else name, quote=True),
        sa.MetaData(),
        *(sa.Column(sa.quoted_name(theirs, quote=True), sa.Text, key=key) for key, theirs in columns.items()),
        schema=schema,
    )
    with warehouse.writing() as connection:
        table.create(connection)
        row = {"order_id": str(number), "placed_at": "2024-01-01", "remark": name}
        connection.execute(sa.insert(table).values(row))
    try:
        mapping = SourceMapping("orders", table=str(table.name), columns=columns)
        need = SourceNeed("orders", extra=("remark",))
        try:
            resolved = locate(need, warehouse, mappings={"orders": mapping})
        except ForecastingError as refused:
            raise AssertionError(str(refused)) from refused
        assert resolved is not None
        for adbc in (True, False):
            read = read_source(resolved, adbc=adbc).table.to_pydict()
            assert read["order_id"] == [str(number)] and read["remark"] == [name]
    finally:
        with warehouse.writing() as connection:
            table.drop(connection)


def _mangled(name: str) -> bool:
    """Names whose columns no driver of PostgreSQL can name: too long once they are told apart."""
    return len(name.encode()) > 58


def _quoted(name: str) -> str:
    """A key of TOML."""
    escaped = "".join(sign if sign.isprintable() and sign not in '"\\' else f"\\U{ord(sign):08x}" for sign in name)
    return f'"{escaped}"'

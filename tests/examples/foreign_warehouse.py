"""Somebody else's database, filled with made-up tables, and the program reading it through a shipped example."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from click.testing import CliRunner
from psycopg import sql

from db.engines import open_warehouse
from db.extract import extract
from forecasting.app.config import load
from forecasting.app.console import Console
from forecasting.app.main import cli
from forecasting.app.workspace import Workspace
from forecasting.schema import SourceNeed

EXAMPLES = Path(__file__).parents[2] / "examples"

QUICK = {"FORECASTING_TASKS__COMPLETION__EPOCHS": "1", "FORECASTING_TASKS__COMPLETION__HIDDEN": "8"}
"""Options with which a run takes seconds."""


@dataclass(frozen=True)
class Foreign:
    """A shipped configuration on databases of a test. `variable` names the variable that the file takes the source's
    URL from."""

    config: Path
    variable: str
    source: str
    results: str
    directory: Path

    def environment(self) -> dict[str, str]:
        """What the file is told from outside."""
        return QUICK | {
            self.variable: self.source,
            "FORECASTING_WAREHOUSE": self.results,
            "FORECASTING_VAR": str(self.directory / "var"),
        }

    def __call__(self, *arguments: str, code: int | Collection[int] = 0) -> str:
        """Run a command in this process, expect an exit code, return stdout."""
        result = CliRunner().invoke(cli, ["--config", str(self.config), *arguments], env=self.environment())
        assert result.exit_code in ({code} if isinstance(code, int) else code), result.output
        return result.stdout

    def document(self, *arguments: str, code: int | Collection[int] = 0) -> dict[str, Any]:
        """The JSON document of a command."""
        return json.loads(self(*arguments, "--json", code=code))

    def read(self, source: str, *extra: str) -> pd.DataFrame:
        """A source as tasks get it, read through the shipped file."""
        workspace = Workspace(load(self.config, environment=self.environment()), Console(quiet=True))
        try:
            results, names = workspace.results(prepare=False), [source]
            warehouses, mappings = workspace.source_warehouses(names), workspace.mappings(names)
            found = extract([SourceNeed(source, extra)], results, warehouses, mappings, limit_share=0)
        finally:
            workspace.close()
        table = found.tables[source]
        plain = [
            pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            for field in table.schema
        ]
        return table.cast(pa.schema(plain)).to_pandas()

    def view(self, name: str) -> pd.DataFrame:
        """A published view."""
        warehouse = open_warehouse(self.results)
        try:
            with warehouse.reading() as connection:
                rows = pd.read_sql(sa.select(sa.text("*")).select_from(sa.table(name)), connection)
        finally:
            warehouse.close()
        for column in rows.columns[rows.columns.str.endswith(("_at", "_p10", "_p50", "_p90", "as_of"))]:
            rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601")
        return rows


def source_url(results: str, directory: Path) -> str:
    """Where the foreign tables stand: a file of their own, or the same PostgreSQL database, whose schema `forecasting`
    the results go to."""
    return f"sqlite:///{directory / 'foreign.db'}" if results.startswith("sqlite") else results


def fill(url: str, script: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Run the statements of a script, then import rows as databases import CSV files: what is blank becomes NULL in
    PostgreSQL, and empty text in SQLite."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in script.split(";"):
            if any(line.strip() and not line.startswith("--") for line in statement.splitlines()):
                connection.exec_driver_sql(statement)
        for name, table in tables.items():
            text = table.to_csv(index=False, header=False)
            if engine.dialect.name == "postgresql":
                columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
                statement = sql.SQL("copy {} ({}) from stdin csv").format(sql.Identifier(*name.split(".")), columns)
                with connection.connection.cursor().copy(statement) as copy:  # type: ignore[attr-defined]
                    copy.write(text)
            else:
                into = sa.table(name, *map(sa.column, table.columns))
                rows = [dict(zip(table.columns, row, strict=True)) for row in csv.reader(io.StringIO(text))]
                connection.execute(sa.insert(into), rows)
    engine.dispose()


def create(url: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Tables as pandas makes them of what it has: times that are text stay text."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for name, table in tables.items():
            table.to_sql(name, connection, index=False)
    engine.dispose()


def text_of(times: pd.Series, written: str = "%Y-%m-%d %H:%M:%S", missing: str | None = None) -> np.ndarray:
    """Times as text, object [n]."""
    return np.where(times.isna(), missing, times.dt.strftime(written))

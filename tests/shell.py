"""`forecasting` in this process, which is quicker than one of its own: no second import of torch."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import pandas as pd
import sqlalchemy as sa
from click.testing import CliRunner
from program import Program

from db.engines import open_warehouse
from forecasting.app.main import cli


class Shell:
    """The program in its working directory, on its warehouse; a task's tests derive theirs."""

    task: str

    def __init__(self, program: Program):
        self.program = program

    def __call__(self, *arguments: str, code: int | Collection[int] = 0) -> str:
        """As Program has it."""
        where = ["--warehouse", self.program.url, "--config", str(self.program.directory / "forecasting.toml")]
        result = CliRunner().invoke(cli, [*where, *arguments])
        assert result.exit_code in ({code} if isinstance(code, int) else code), result.output
        return result.stdout

    def document(self, *arguments: str, code: int | Collection[int] = 0) -> dict[str, Any]:
        """As Program has it."""
        return json.loads(self(*arguments, "--json", code=code))

    def night(self, day: pd.Timestamp, *options: str, code: int | Collection[int] = (0, 3)) -> dict[str, Any]:
        """The task's run of that day."""
        at = str(day.date())
        return self.document("run", self.task, "--as-of", at, "--slot", at, *options, code=code)["runs"][0]

    def view(self, name: str) -> pd.DataFrame:
        """As its users read it, instants in UTC and without a zone."""
        warehouse = open_warehouse(self.program.url)
        try:
            with warehouse.reading() as connection:
                rows = pd.read_sql(sa.select(sa.text("*")).select_from(sa.table(name)), connection)
        finally:
            warehouse.close()
        for column in rows.columns[rows.columns.str.endswith(("_at", "as_of", "_p10", "_p50", "_p90"))]:
            if not pd.api.types.is_numeric_dtype(rows[column]):
                rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601").dt.tz_localize(None)
        return rows

"""A task's example in a warehouse that is not ours: tables and columns have names of their own, and change overnight.

Its history is so short that every night publishes a baseline within a tenth of a second: what is tried here is reading,
not training.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from program import Program
from shell import Shell
from tally import is_full

from db.bulk import ingest
from db.canonical import kind_of
from db.engines import Warehouse, open_warehouse
from forecasting.clock import arrow_instants
from forecasting.discovery import task_classes
from forecasting.schema import SOURCES, Kind

TASKS = ("demand", "recommendation", "churn", "completion")

DAYS = {"completion": 18}
"""Of history: too few to judge anything. 6 where no more are said."""

TYPES: Mapping[str, Mapping[Kind, str]] = {
    "sqlite": {
        Kind.TEXT: "TEXT",
        Kind.NUMBER: "DOUBLE",
        Kind.FLAG: "BOOLEAN",
        Kind.TIMESTAMP: "DATETIME",
        Kind.DATE: "DATE",
    },
    "postgresql": {
        Kind.TEXT: "text",
        Kind.NUMBER: "double precision",
        Kind.FLAG: "boolean",
        Kind.TIMESTAMP: "timestamptz",
        Kind.DATE: "date",
    },
}

_TEXT = pa.dictionary(pa.int32(), pa.string())
_FURTHER = {
    "demand": {
        "locations": {"location_id": ["L1"], "region": ["north"]},
        "calendar": {"date": [dt.date(2023, 1, 2)], "event": ["fair"]},
        "weather": {"date": [dt.date(2023, 1, 2)], "region": ["north"], "temperature": [7.5]},
    },
    "completion": {"customers": {"customer_id": ["c1"], "region": ["A"]}},
}
"""Sources that a task reads and its example does without."""


@dataclass(frozen=True)
class Shown:
    """How a column is given to the suite: `theirs` its name, `type` as declared, `value` the SQL that fills it from the
    table as it was."""

    theirs: str
    type: str
    value: str


class ChangingShop:
    """The shop of one task, and the program that reads it. `named`: the configuration names every column. `days`: of
    history before the first night. `own`: tables in the place of the example's, and the first night; `options`: of the
    task."""

    def __init__(
        self,
        task: str,
        program: Program,
        *,
        named: bool = True,
        days: int | None = None,
        own: tuple[Mapping[str, pa.Table], np.datetime64] | None = None,
        options: Any = None,
    ):
        self.task, self.program, self.named = task, program, named
        self.shell = Shell(program)
        self.results = open_warehouse(program.url)
        on_sqlite = program.url.startswith("sqlite")
        self.url = f"sqlite:///{program.directory / 'shop.db'}" if on_sqlite else program.url
        self.warehouse = open_warehouse(self.url, name="shop")
        self.tables, self.first_night = own or _tables(task, days or DAYS.get(task, 6))
        self.columns = {source: self._columns(source) for source in self.tables}
        for source in self.tables:
            self._keep(source)
            self.show(source)
        self.configure(options or task_classes()[task].example().options)

    @property
    def dialect(self) -> str:
        return self.warehouse.dialect

    def close(self) -> None:
        self.warehouse.close()
        self.results.close()

    def configure(self, options: Any, extra: str = "") -> None:
        """Writes forecasting.toml."""
        lines = [f"[tasks.{self.task}]"]
        for field in fields(options):
            value = getattr(options, field.name)
            if value is not None:
                lines.append(f"{field.name} = {json.dumps(value)}")
        lines += ["[warehouses.shop]", f"url = {json.dumps(self.url)}"]
        for source, columns in self.columns.items():
            lines += [f"[sources.{source}]", 'warehouse = "shop"', f'table = "their {source}"']
            if self.named:
                lines += [f"[sources.{source}.columns]"]
                lines += [f"{name} = {json.dumps(shown.theirs)}" for name, shown in columns.items()]
        (self.program.directory / "forecasting.toml").write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")

    def show(self, source: str, changed: Mapping[str, Shown | None] | None = None) -> None:
        """The table as it was, but for the columns `changed`: shown in another way, or (None) gone."""
        columns = {name: shown for name, shown in (self.columns[source] | dict(changed or {})).items() if shown}
        name = f"their {source}"
        with self.warehouse.writing() as connection:
            connection.exec_driver_sql(f"drop table if exists {self._place(name)}")
            declared = ", ".join(f'"{shown.theirs}" {shown.type}' for shown in columns.values())
            connection.exec_driver_sql(f"create table {self._place(name)} ({declared})")
            values = ", ".join(shown.value for shown in columns.values())
            statement = f"insert into {self._place(name)} select {values} from {self._place(f'kept {source}')}"  # noqa: S608
            connection.exec_driver_sql(statement.replace("%", "%%"))

    def add(self, source: str, count: int, values: Mapping[str, str], shown: Mapping[str, Shown]) -> None:
        """Repeats the first `count` rows of a table shown with `shown`, with other SQL for the columns in `values`."""
        columns = self.columns[source] | dict(shown)
        chosen = ", ".join(values.get(name, column.value) for name, column in columns.items())
        target, kept = self._place(f"their {source}"), self._place(f"kept {source}")
        with self.warehouse.writing() as connection:
            connection.exec_driver_sql(f"insert into {target} select {chosen} from {kept} limit {count}")  # noqa: S608

    def night(self, number: int, *options: str, code: int | tuple[int, ...] = (0, 3)) -> dict[str, Any]:
        """The document of the run of that night."""
        at = str(self.first_night + number)
        return self.shell.document("run", self.task, "--as-of", at, "--slot", at, *options, code=code)

    def published(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the task's views show."""
        return published(self.results, self.task)

    def _columns(self, source: str) -> dict[str, Shown]:
        types = TYPES[self.warehouse.dialect]
        prefix = "their " if self.named else ""
        return {
            name: Shown(f"{prefix}{name}", types[kind_of(self.tables[source].schema.field(name).type)], f'"{name}"')
            for name in self.tables[source].column_names
        }

    def _keep(self, source: str) -> None:
        """The table as it was, under the canonical names."""
        rows = self.tables[source]
        declared = ", ".join(f'"{name}" {shown.type}' for name, shown in self.columns[source].items())
        with self.warehouse.writing() as connection:
            connection.exec_driver_sql(f"create table {self._place(f'kept {source}')} ({declared})")
            schema = None if self.dialect == "sqlite" else "public"
            target = sa.table(f"kept {source}", *(sa.column(name) for name in rows.column_names), schema=schema)
            ingest(connection, target, rows)

    def _place(self, table: str) -> str:
        return f'"{table}"' if self.dialect == "sqlite" else f'public."{table}"'


def await_turn(task: str, url: str, *, of: int = 2, shift: int = 0) -> None:
    """Skips the test where only a share is tried: one in `of` of the pairs of task and database, the databases in
    turn."""
    place = TASKS.index(task)
    number = 2 * place + (url.startswith("postgresql") != bool(place % 2))
    if not is_full() and (number + shift) % of:
        pytest.skip("its turn is another one's; `make faults` tries it")


def published(results: Warehouse, task: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a task's views show, by view, in the order of their keys."""
    found = {}
    with results.reading() as connection:
        for output in task_classes()[task].spec.outputs:
            view = sa.table(output.view, sa.column("run_id"), *(sa.column(column.name) for column in output.columns))
            key = [view.c[name] for name in output.key]
            found[output.view] = [tuple(row) for row in connection.execute(sa.select(view).order_by(*key))]
    return found


def _tables(task: str, days: int) -> tuple[dict[str, pa.Table], np.datetime64]:
    """The example's sources, cut off some nights after its first days, and the first night."""
    task_class = task_classes()[task]
    example = task_class.example()
    needs = task_class(example.options).needs()
    main = next(need.source for need in needs if need.main)
    begin = arrow_instants(example.sources[main][SOURCES[main].clock or ""]).min().astype("datetime64[D]")
    last = (begin + days + 4).astype("datetime64[us]").item()
    end = pa.scalar(last, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    tables = {}
    for source, rows in example.sources.items():
        clock = SOURCES[source].clock
        tables[source] = rows
        if clock is not None:
            early = rows.filter(pc.less(rows[clock].cast(pa.timestamp("us", "UTC")), end))
            tables[source] = early if len(early) else rows
    for source, columns in _FURTHER.get(task, {}).items():
        tables[source] = pa.table({name: _typed(values) for name, values in columns.items()})
    return {source: rows for source, rows in tables.items() if len(rows)}, begin + days


def _typed(values: list[Any]) -> pa.Array:
    return pa.array(values).dictionary_encode().cast(_TEXT) if isinstance(values[0], str) else pa.array(values)

"""Hostile values in the place of ids, titles and statuses: none executed, none altered, all told verbatim."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from changing_shops import TASKS, ChangingShop, await_turn
from hostile import UNSTORABLE, VALUES
from hostile_shops import NIGHT, others, tables
from program import Program
from shell import Shell
from tally import tally

from db.engines import open_warehouse
from forecasting.discovery import task_classes
from forecasting.schema.sources import KEY_BYTES
from reports.workbook import PLAIN_NUMBER

TOLD = tuple(value for value in VALUES if len(value.encode()) <= KEY_BYTES)
"""Longer ones are set aside."""

OPTIONS: dict[str, dict[str, Any]] = {"churn": {"features": ("channel",)}, "completion": {"features": ("carrier",)}}


@pytest.fixture(params=TASKS)
def shop(request: pytest.FixtureRequest, program: Program) -> Iterator[ChangingShop]:
    """The shop of each task, of hostile names alone."""
    task = request.param
    await_turn(task, program.url, of=4, shift=2)
    options = task_classes()[task].Options(**OPTIONS.get(task, {}))
    opened = ChangingShop(task, program, own=(tables(task, VALUES), NIGHT), options=options)
    yield opened
    opened.close()


def test_ids_come_back_verbatim_and_nothing_is_executed(
    shop: ChangingShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    run = shop.night(0, code=3)["runs"][0]
    found, ids = _told(shop), _ids(shop)
    with tally(f"hostile values as ids, {shop.task}", shop.dialect, len(VALUES)) as survived:
        for value in VALUES:
            with survived.point(repr(value)[:60]):
                assert (value in found) == (value in TOLD), "altered or lost"
                assert (value in ids) == (value in TOLD)
    assert found <= set(TOLD) | {f"done {number}" for number in range(len(VALUES))}
    assert not list(place.iterdir()) and not (shop.program.directory / "owned").exists()
    assert len(shop.published()) and run["published"]
    pages = [Path(path) for path in run["reports"]]
    _no_page_is_written_by_a_customer([path for path in pages if path.suffix == ".html"])
    _no_cell_is_a_formula([path for path in pages if path.suffix != ".html"])
    for command in (("status",), ("alerts", "list"), ("check",), ("models",)):
        assert shop.shell.document(*command, code=(0, 1, 4))
        assert "\x1b" not in shop.shell(*command, code=(0, 1, 4))


def test_what_no_database_stores_is_set_aside_alike(tmp_path: Path, program: Program) -> None:
    """A NUL in a file: PostgreSQL cannot keep it, SQLite could, and neither does."""
    shell = Shell(program)
    (program.directory / "forecasting.toml").write_text("")
    good = [f"order {number}" for number in range(100)]
    file = tmp_path / "orders.csv"
    with file.open("w", newline="", encoding="utf-8") as rows:
        writer = csv.writer(rows, quoting=csv.QUOTE_ALL)
        writer.writerow(["order_id", "customer_id", "placed_at"])
        writer.writerows([value, value, "2024-01-01"] for value in (*good, *UNSTORABLE))
    shell.document("load", "orders", str(file))
    kept = _column(program, "orders", "order_id")
    with tally("values with a NUL", _kind(program), len(UNSTORABLE)) as survived:
        for value in UNSTORABLE:
            with survived.point(repr(value)):
                assert value not in kept
    assert sorted(kept) == sorted(good)
    assert sorted(_column(program, "quarantine", "reason")) == ["order_id is not valid text"] * len(UNSTORABLE)


def test_a_file_brings_them_in_verbatim(tmp_path: Path, program: Program) -> None:
    shell = Shell(program)
    (program.directory / "forecasting.toml").write_text("")
    missing = ("NULL", "\\N")  # what a file calls nothing
    values = [value for value in TOLD if value not in missing]
    file = tmp_path / "='; drop table orders; --.csv"
    with file.open("w", newline="", encoding="utf-8") as rows:
        writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["order_id", "customer_id", "placed_at", "their remark"])
        writer.writerows(
            [value, other, "2024-01-01", value] for value, other in zip(values, others(values), strict=True)
        )
    shell("load", "orders", str(file))
    kept, remarks = _column(program, "orders", "order_id"), _column(program, "orders", "their remark")
    with tally("hostile values in a file", _kind(program), len(values)) as survived:
        for value in values:
            with survived.point(repr(value)):
                assert value in kept and value in remarks
    assert len(kept) == len(values) and not _column(program, "quarantine", "reason")


def _told(shop: ChangingShop) -> set[str]:
    """What all views of the task tell in their first column: whom a row is about."""
    found: set[str] = set()
    for output in task_classes()[shop.task].spec.outputs[:1]:
        position = 1 + [column.name for column in output.columns].index(_ABOUT[shop.task][0])
        found |= {row[position] for row in shop.published()[output.view]}
    return found


def _ids(shop: ChangingShop) -> set[str]:
    """The other names that they tell."""
    name = _ABOUT[shop.task][1]
    found: set[str] = set()
    for output in task_classes()[shop.task].spec.outputs:
        names = [column.name for column in output.columns]
        if name in names:
            found |= {row[1 + names.index(name)] for row in shop.published()[output.view]}
    return found


_ABOUT = {
    "demand": ("item_id", "location_id"),
    "recommendation": ("entity_id", "item_id"),
    "churn": ("customer_id", "customer_id"),
    "completion": ("order_id", "stage"),
}


def _no_page_is_written_by_a_customer(pages: list[Path]) -> None:
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for mark in ("<script>alert", "<img src=x", "<svg onload", "<iframe src=//", 'href="javascript:'):
            assert mark not in text, (page.name, mark)


def _no_cell_is_a_formula(files: list[Path]) -> None:
    for file in files:
        if file.suffix == ".csv":
            with file.open(newline="", encoding="utf-8") as rows:
                for cell in (cell for row in csv.reader(rows) for cell in row):
                    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) or _is_number(cell), cell
        elif file.suffix == ".xlsx":
            book = openpyxl.load_workbook(file)
            assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return PLAIN_NUMBER.fullmatch(cell) is not None
    return True


def _kind(program: Program) -> str:
    return program.url.split(":")[0].split("+")[0]


def _column(program: Program, table: str, column: str) -> list[str]:
    warehouse = open_warehouse(program.url)
    try:
        with warehouse.reading() as connection:
            return list(
                connection.scalars(sa.select(sa.column(sa.quoted_name(column, True))).select_from(sa.table(table)))
            )
    finally:
        warehouse.close()

"""Reports of tasks that nobody here knows: sections as tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from db.engines import Warehouse
from db.outputs import CreateView, output_table
from db.tables import PUBLICATIONS, RUNS
from forecasting.schema import Column, ConfigurationError, Kind, OutputTable, Report, ReportSection
from reports import render

NOW = datetime(2026, 9, 14, 8, tzinfo=UTC)
VISITS = OutputTable(
    "expected_visits",
    (
        Column("customer_id", Kind.ID),
        Column("visits", Kind.NUMBER),
        Column("next_at", Kind.TIMESTAMP, required=False),
        Column("day", Kind.DATE, required=False),
        Column("regular", Kind.FLAG),
        Column("why", Kind.JSON, required=False),
    ),
    key=("customer_id",),
)
COLUMNS = {"customer_id": "Customer", "visits": "Visits", "next_at": "Next", "day": "Day", "regular": "Regular"}


@pytest.fixture
def visits(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A stranger's table with what one run published."""
    table = output_table(VISITS)
    moment = NOW - timedelta(hours=8)
    with warehouse.writing() as connection:
        table.create(connection)
        connection.execute(CreateView(VISITS))
        for run_id, published in (("r1", False), ("r2", True)):
            connection.execute(
                sa.insert(RUNS).values(
                    run_id=run_id, task="visits", slot=moment, as_of=moment, state="done", trigger="command", fence=1,
                    started_at=moment, finished_at=moment, subject="model", fallback=False, published_at=moment,
                )
            )  # fmt: skip
            rows = [
                {"run_id": run_id, "customer_id": f"=c{number}", "visits": number / 4, "next_at": NOW,
                 "day": date(2026, 9, number + 1), "regular": number % 2 == 0, "why": {"recent": number}}
                for number in range(5 if published else 9)
            ]  # fmt: skip
            connection.execute(sa.insert(table), rows)
        values = {"task": "visits", "run_id": "r2", "as_of": moment, "fence": 1, "published_at": moment}
        connection.execute(sa.insert(PUBLICATIONS).values(**values))
    yield warehouse


def test_sections_become_tables_and_files(visits: Warehouse, tmp_path: Path) -> None:
    section = ReportSection(
        "Who will come", "expected_visits", COLUMNS, ("visits",), descending=True, limit=3, note="N."
    )
    paths = render(visits, Report("visits", "Expected visits", (section,)), "visits", tmp_path, now=NOW)
    assert [path.name for path in paths] == ["visits.html", "visits.xlsx", "visits-expected_visits.csv"]
    page = paths[0].read_text()
    for text in ("Expected visits", "Who will come", "N. The first 3 of 5 rows", "Customer", "14 Sep 2026, 08:00 UTC"):
        assert text in page
    assert page.index("=c4") < page.index("=c3") < page.index("=c2") and "=c1" not in page and "=c8" not in page
    rows = list(csv.reader(paths[2].open(newline="")))
    assert rows[0] == list(COLUMNS) and len(rows) == 6
    assert rows[1] == ["'=c4", "1", "2026-09-14T08:00:00Z", "2026-09-05", "true"]
    sheet = openpyxl.load_workbook(paths[1])["Who will come"]
    assert [cell.value for cell in sheet[2]] == ["=c4", 1, datetime(2026, 9, 14, 8), datetime(2026, 9, 5), True]
    assert sheet["A2"].data_type != "f"


def test_a_section_without_columns_shows_all(visits: Warehouse, tmp_path: Path) -> None:
    sections = (ReportSection("All", "expected_visits"), ReportSection("Again", "expected_visits", limit=1))
    paths = render(visits, Report("visits", "V", sections), "visits", tmp_path, now=NOW)
    assert [path.name for path in paths] == ["visits.html", "visits.xlsx", "visits-expected_visits.csv"]
    assert "Next at" in paths[0].read_text() and '{"recent": 4}' in paths[2].read_text().replace('""', '"')


def test_an_unknown_column_or_table_is_named(visits: Warehouse, tmp_path: Path) -> None:
    for section, said in (
        (ReportSection("S", "expected_visits", {"nope": "N"}), "no column 'nope'"),
        (ReportSection("S", "nothing"), "has no current_nothing"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            render(visits, Report("visits", "V", (section,)), "visits", tmp_path, now=NOW)
    assert not list((tmp_path / "visits").iterdir())


def test_a_task_without_sections_still_says_where_it_stands(visits: Warehouse, tmp_path: Path) -> None:
    page = render(visits, Report("visits", "V"), "visits", tmp_path, now=NOW)[0].read_text()
    assert "Where these figures come from" in page and "r2" in page

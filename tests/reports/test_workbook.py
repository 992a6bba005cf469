"""Excel and CSV: numbers stay numbers, and no text becomes a formula."""

from __future__ import annotations

import csv
import tempfile
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.workbook import PLAIN_NUMBER, Layout, Workbook, starts_formula, write_csv

ATTACKS = [
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1',
    "＝1+1",
    "=HYPERLINK(\"http://x\")",
]  # fmt: skip
HARMLESS = ["Zopf", "7", "-12", "+5", "1-2", "a=b", "", "0012", "http://example.org", "Käse & Brot", "'s Lands"]


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_are_recognised(text: str) -> None:
    assert starts_formula(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_verbatim(text: str, tmp_path: Path) -> None:
    assert not starts_formula(text)
    write_csv(tmp_path / "a.csv", ["x", "y"], [[text, 1]])
    assert list(csv.reader((tmp_path / "a.csv").open(newline="")))[1] == [text, "1"]


def test_excel_gets_text_as_text_and_numbers_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    rows = [[text, 1.5, date(2026, 9, 14), datetime(2026, 9, 14, 6, tzinfo=UTC), True, None, float("nan")]
            for text in ATTACKS + HARMLESS]  # fmt: skip
    with Workbook(path) as book:
        assert book.sheet("a/b*" + "x" * 40, Layout(["=h", "b", "c", "d", "e", "f", "g"]), rows) == len(rows)
    with zipfile.ZipFile(path) as archive:
        assert all("<f>" not in archive.read(name).decode() for name in archive.namelist() if "sheet" in name)
    sheet = openpyxl.load_workbook(path).active
    assert sheet["A1"].value == "=h" and sheet["A1"].data_type != "f"
    for number, text in enumerate(ATTACKS + HARMLESS, start=2):
        cell = sheet.cell(number, 1)
        assert (cell.value or "").replace("_x000D_", "\r") == text
        assert cell.data_type != "f"
        assert bool(cell.quotePrefix) is starts_formula(text)
        assert sheet.cell(number, 2).value == 1.5 and sheet.cell(number, 5).value is True
        assert sheet.cell(number, 3).value == datetime(2026, 9, 14)
        assert sheet.cell(number, 6).value is None and sheet.cell(number, 7).value is None


def test_a_killed_writer_leaves_no_rows_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (aside := tmp_path / "aside").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    with Workbook(aside / "a.xlsx") as book:
        book.sheet("a", Layout(["a"]), [["Anna"]])
        assert not list(elsewhere.iterdir()) and list(aside.iterdir())
    assert [file.name for file in aside.iterdir()] == ["a.xlsx"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12) | st.sampled_from(ATTACKS))
def test_no_csv_cell_starts_a_formula(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.csv"
        write_csv(path, ["x"], [[text]])
        cell = path.read_bytes().decode().removeprefix("x\n").removeprefix('"')
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or PLAIN_NUMBER.fullmatch(text)


def test_csv_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    row = [
        0.1,
        3.0,
        -4,
        True,
        None,
        float("inf"),
        date(2026, 9, 1),
        datetime(2026, 9, 1, 5, tzinfo=UTC),
        Decimal("2.5"),
    ]
    assert write_csv(path, list("abcdefghi"), [row]) == 1
    assert path.read_text() == "a,b,c,d,e,f,g,h,i\n0.1,3,-4,true,,,2026-09-01,2026-09-01T05:00:00Z,2.5\n"

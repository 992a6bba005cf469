"""Excel and CSV files beside a page: the same rows in full, streamed, and no cell can start a formula.

Text goes into Excel as text (never as a formula, link or number), marked with Excel's own quote prefix where it begins
like a formula, so that editing the cell does not turn it into one. CSV has no types, so there such text gets an
apostrophe in front (OWASP, "CSV Injection"). Numbers are numbers in both.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

ROWS = 1_048_575
"""Rows below the heading that an Excel sheet holds."""

CHARACTERS = 32_767
"""Characters that an Excel cell holds."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Layout:
    """How a sheet looks: a heading a column, the columns whose shares are shown in percent (`fine_shares`: small ones,
    with two decimals), those with small numbers (`fine`), widths in characters."""

    headings: Sequence[str]
    shares: Sequence[int] = ()
    fine_shares: Sequence[int] = ()
    fine: Sequence[int] = ()
    widths: Sequence[float] = ()


class Workbook:
    """An Excel file written row by row in constant memory, its parts beside it until they are put together: a killed
    writer leaves none of its rows elsewhere. Use as a context manager."""

    def __init__(self, path: Path):
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "nan_inf_to_errors": False,
            },
        )
        self._heading = self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "bottom"})
        self._number = self._book.add_format({"num_format": "#,##0.##"})
        self._share = self._book.add_format({"num_format": "0%"})
        self._fine_share = self._book.add_format({"num_format": "0.00%"})
        self._fine = self._book.add_format({"num_format": "0.00000"})
        self._date = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._quoted = self._book.add_format({"quote_prefix": True})

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._book.close()
        except FileCreateError as error:  # around what the system said, such as a full disk
            raise error.args[0] if error.args and isinstance(error.args[0], OSError) else error from None

    def sheet(self, name: str, layout: Layout, rows: Iterable[Sequence[Any]]) -> int:
        """Adds a sheet and returns how many rows went into it: those past Excel's limit are left out."""
        sheet = self._book.add_worksheet(_sheet_name(name))
        for column, width in enumerate(layout.widths):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        for column, heading in enumerate(layout.headings):
            self._write(sheet, 0, column, heading, self._heading)
        styles = dict.fromkeys(layout.shares, self._share) | dict.fromkeys(layout.fine_shares, self._fine_share)
        styles |= dict.fromkeys(layout.fine, self._fine)
        count = 0
        for count, row in enumerate(islice(rows, ROWS), start=1):
            for column, cell in enumerate(row):
                self._write(sheet, count, column, cell, styles.get(column))
        sheet.autofilter(0, 0, max(count, 1), len(layout.headings) - 1)
        return count

    def _write(self, sheet: Worksheet, row: int, column: int, cell: Any, style: Any) -> None:
        cell = plain(cell)
        if cell is None:
            return
        if isinstance(cell, bool):
            sheet.write_boolean(row, column, cell)
        elif isinstance(cell, int | float):
            sheet.write_number(row, column, cell, style or self._number)
        elif isinstance(cell, datetime):
            sheet.write_datetime(row, column, cell, self._instant)
        elif isinstance(cell, date):
            sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), self._date)
        else:
            risky = starts_formula(cell)
            sheet.write_string(row, column, cell[:CHARACTERS], self._quoted if risky else style)


def write_csv(path: Path, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Writes UTF-8 text with a heading row; dates are ISO 8601, missing cells empty. Returns the rows written."""
    with path.open("w", encoding="utf-8", newline="") as file:
        return write_csv_text(file, headings, rows)


def write_csv_text(file: TextIO, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """The same into an open text, which must not translate ends of lines."""
    count = 0
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_csv_cell(heading) for heading in headings])
    for row in rows:
        writer.writerow([_csv_cell(cell) for cell in row])
        count += 1
    return count


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet could take a cell of this text for a formula; a plain number ("-12") is none."""
    return (
        text.startswith(FORMULA_STARTS) or text.lstrip(" \u00a0\u200b\ufeff\"'").startswith(FORMULA_STARTS)
    ) and not PLAIN_NUMBER.fullmatch(text)


def plain(cell: Any) -> Any:
    """A cell as None, bool, int, float, datetime (naive, UTC), date or str; numbers that are none are None."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell
    if cell is None or isinstance(cell, bool | int | str | date):
        return cell
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False, sort_keys=True)
    try:
        return plain(float(cell))
    except (TypeError, ValueError):
        return str(cell)


def _csv_cell(cell: Any) -> Any:
    cell = plain(cell)
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds") + "Z"
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str) and starts_formula(cell):
        return "'" + cell
    return cell


def _sheet_name(name: str) -> str:
    """Excel refuses some characters, apostrophes at the ends, and more than 31 characters."""
    clean = "".join(" " if letter in "[]:*?/\\" else letter for letter in name).strip().strip("'")
    return clean[:31] or "Sheet"

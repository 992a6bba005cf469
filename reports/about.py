"""The workbooks' last sheet: where the figures come from."""

from __future__ import annotations

from collections.abc import Sequence

from reports.view import Page, Provenance
from reports.workbook import Layout, Workbook


def about_sheet(book: Workbook, page: Page) -> None:
    """Adds it: what the page warns of and notes, then the facts of its run."""
    layout = Layout(["Where these figures come from", ""], widths=[32, 80])
    book.sheet("About", layout, about_rows(page.provenance, (*page.warnings, *page.notes)))


def about_rows(source: Provenance, remarks: Sequence[str]) -> list[list[object]]:
    """Facts of the published run, after what the page warns of; only those that the task has."""
    facts: list[list[object]] = [["Please note", text] for text in remarks]
    facts += [["Task", source.task], ["Seen as of (UTC)", source.as_of], ["Data known up to", source.data_until]]
    if source.first is not None:
        facts += [["Forecast from", source.first], ["Forecast to", source.last]]
    return [
        *facts,
        ["Made by", source.subject],
        ["Fallback", "yes" if source.fallback else "no"],
        ["Model", source.model_id],
        ["Run", source.run_id],
        ["Page made (UTC)", source.prepared_at],
    ]

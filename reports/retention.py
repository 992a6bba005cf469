"""CRM's report: who is about to leave and why, from the warehouse to the page and the files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from db.engines import Warehouse
from forecasting.schema import Report
from reports import published
from reports.about import about_sheet
from reports.at_risk import Customer, RetentionPage
from reports.reliability import churn_trials
from reports.retention_page import draw_page
from reports.risks import customers, totals, warnings_since
from reports.settings import Settings
from reports.trust import disagreement
from reports.turned_out import turned_out
from reports.workbook import Layout, Workbook, write_csv
from reports.writing import Shelf

HEADINGS = {
    "customer_id": "Customer",
    "region": "Region",
    "band": "Risk",
    "probability": "Chance of leaving",
    "value_at_risk": "Value at risk",
    "value": "Spent lately",
    "reasons": "Why (points)",
    "last_purchase_at": "Last order (UTC)",
    "usual_gap_days": "Usual gap in days",
    "expected_next_purchase_date": "Next order expected",
    "orders": "Orders",
    "first_purchase_at": "First order (UTC)",
    "alert_id": "Warning",
    "alert_as_of": "Warned (UTC)",
    "alert_state": "State of the warning",
    "acknowledged_at": "Seen to (UTC)",
    "acknowledged_by": "Seen to by",
}
"""Column of the CSV to its heading in Excel."""

WIDTHS = [18, 16, 9, 10, 12, 12, 70, 17, 10, 12, 8, 17, 18, 17, 13, 17, 16]
BACK_HEADINGS = [
    "Said on (UTC)", "Days looked at", "Days meant", "Risk then", "Customers", "Bought since", "Bought nothing",
    "Expected in the end",
]  # fmt: skip
GROUP_HEADINGS = ["Group, least at risk first", "Chance said", "Left"]
TRIAL_HEADINGS = ["Chances by", "Figure", "Value"]
PAST_HEADINGS = [
    "Tried (UTC)", "Expected to leave", "Left", "Pairs in order, trained model", "Pairs in order, best simple rule",
    "Which rule", "Rule or older model went out",
]  # fmt: skip


def render_retention(
    warehouse: Warehouse,
    report: Report,
    task: str,
    shelf: Shelf,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
) -> None:
    """Writes NAME.xlsx, a CSV file of all customers and one of those with a warning, and NAME.html, from one
    snapshot. However many customers there are, only those on the page are held in memory."""
    files = {"Excel": f"{report.name}.xlsx"}
    files |= {f"CSV {part}": f"{report.name}-{part}.csv" for part in ("customers", "warnings")}
    with warehouse.reading() as connection:
        source = published.provenance(connection, task, now, gate_metric=settings.gate_metric)
        sums = totals(warehouse, connection, source)
        latest, past = churn_trials(connection, source, settings.gate_metric)
        said = published.warnings(connection, source, now)
        if latest and latest.window and latest.window.disagrees:
            said.append(disagreement(latest.window, sums.horizon_days))
        page = RetentionPage(
            title=report.title,
            provenance=source,
            totals=sums,
            customers=list(customers(warehouse, connection, task, limit=settings.rows)),
            back=turned_out(warehouse, connection, source),
            since=warnings_since(warehouse, connection, source),
            trials=latest,
            past=past,
            notes=notes,
            warnings=said,
            extra=settings.tables,
            files=files,
            currency=settings.currency,
            shop=settings.shop,
        )
        _workbook(page, customers(warehouse, connection, task), shelf, files["Excel"])
        for part, warned in (("CSV customers", False), ("CSV warnings", True)):
            rows = _rows(customers(warehouse, connection, task, warned=warned))
            write_csv(shelf.path(files[part]), list(HEADINGS), rows)
    shelf.path(f"{report.name}.html").write_text(draw_page(page), encoding="utf-8")


def _workbook(page: RetentionPage, every: Iterable[Customer], shelf: Shelf, name: str) -> None:
    """A sheet with all customers, one with what became of earlier ones, and the trials."""
    with Workbook(shelf.path(name)) as book:
        shares = [list(HEADINGS).index("probability")]
        book.sheet("Customers", Layout(list(HEADINGS.values()), shares=shares, widths=WIDTHS), _rows(every))
        layout = Layout(BACK_HEADINGS, shares=[6, 7], widths=[18, 12, 12, 12, 12, 12, 14, 14])
        book.sheet("How it turned out", layout, _back_rows(page))
        layout = Layout(GROUP_HEADINGS, fine_shares=[1, 2], widths=[26, 14, 14])
        book.sheet("Do chances come true", layout, _group_rows(page))
        book.sheet("Trials", Layout(TRIAL_HEADINGS, fine=[2], widths=[30, 24, 14]), _trial_rows(page))
        layout = Layout(PAST_HEADINGS, fine_shares=[1, 2, 3, 4], widths=[20, 14, 14, 14, 14, 30, 18])
        book.sheet("Trials of the last runs", layout, _past_rows(page))
        about_sheet(book, page)


def _rows(every: Iterable[Customer]) -> Iterator[list[Any]]:
    for one in every:
        warning = one.warning
        yield [
            one.customer_id,
            one.region,
            one.band,
            one.probability,
            one.value_at_risk,
            one.value,
            "; ".join(_why(one)),
            one.last_purchase_at,
            one.usual_gap_days,
            one.expected,
            one.orders,
            one.first_purchase_at,
            *(
                [warning.alert_id, warning.as_of, warning.state, warning.acknowledged_at, warning.acknowledged_by]
                if warning
                else [None] * 5
            ),
        ]


def _why(one: Customer) -> Iterator[str]:
    for reason in one.reasons:
        yield reason.text if reason.effect is None else f"{reason.text} ({100 * reason.effect:+.0f})"


def _back_rows(page: RetentionPage) -> Iterator[list[Any]]:
    for back in page.back:
        for band in back.bands:
            yield [
                back.as_of, back.days, back.horizon_days, band.band, band.customers, band.bought, band.quiet,
                band.expected,
            ]  # fmt: skip


def _group_rows(page: RetentionPage) -> Iterator[list[Any]]:
    known = page.trials.reliability if page.trials else None
    for number, one in enumerate(known.bins if known else (), start=1):
        yield [number, one.predicted, one.observed]


def _trial_rows(page: RetentionPage) -> Iterator[list[Any]]:
    for subject, figures in (page.trials.subjects if page.trials else {}).items():
        for name in sorted(figures):
            yield [subject, name, figures[name]]


def _past_rows(page: RetentionPage) -> Iterator[list[Any]]:
    for one in reversed(page.past):
        yield [one.as_of, one.expected, one.left, one.model, one.rival, one.rival_name, one.fallback]

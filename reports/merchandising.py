"""The merchandisers' report: who is shown what and why, from the warehouse to the page and the files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from db.engines import Warehouse
from forecasting.schema import Report
from reports import published
from reports.about import about_sheet
from reports.exposure import Exposure, exposure
from reports.merchandising_page import draw_page
from reports.people import people
from reports.settings import Settings
from reports.shown import MerchandisingPage, Person, ShownItem
from reports.trials import trials
from reports.workbook import Layout, Workbook, write_csv
from reports.writing import Shelf

GAPS = 10
"""Items in each of the tables of what is over- and under-shown."""

ITEM_HEADINGS = {
    "item_id": "Item number",
    "title": "Item",
    "category": "Category",
    "price": "Price",
    "lists": "Lists it is on",
    "shown": "Share shown (higher places count more)",
    "wanted": "Share wanted lately",
    "gap": "Shown less wanted",
    "events_recent": "Views, carts and purchases lately",
    "purchases_recent": "Purchases lately",
    "withheld": "Not shown because",
}
"""Field of an item to its heading in Excel; the CSV keeps the names."""

LIST_HEADINGS = {
    "entity_kind": "Kind",
    "entity_id": "Customer or session",
    "region": "Region",
    "rank": "Place",
    "item_id": "Item number",
    "title": "Item",
    "score": "Score",
    "reason": "Reason",
}
HISTORY_HEADINGS = {
    "entity_kind": "Kind",
    "entity_id": "Customer or session",
    "region": "Region",
    "occurred_at": "When (UTC)",
    "kind": "What",
    "item_id": "Item number",
    "title": "Item",
}
TRIAL_HEADINGS = ["Tried (UTC)", "Trained model", "Best simple rule", "Which rule", "Rule or older model went out"]


def render_merchandising(
    warehouse: Warehouse,
    report: Report,
    task: str,
    shelf: Shelf,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
) -> None:
    """Writes NAME.xlsx, CSV files of items, sampled lists and histories, and NAME.html, from one snapshot."""
    files = {"Excel": f"{report.name}.xlsx"}
    files |= {f"CSV {part}": f"{report.name}-{part}.csv" for part in ("items", "lists", "histories")}
    with warehouse.reading() as connection:
        source = published.provenance(connection, task, now, gate_metric=settings.gate_metric)
        found = exposure(warehouse, connection, task)
        latest, past = trials(connection, source, settings.gate_metric)
        page = MerchandisingPage(
            title=report.title,
            provenance=source,
            coverage=found.coverage,
            items=found.most(settings.rows),
            over=found.over(GAPS),
            under=found.under(GAPS),
            people=people(warehouse, connection, task, found.titles),
            trials=latest,
            past=past,
            notes=notes,
            warnings=published.warnings(connection, source, now),
            extra=settings.tables,
            files=files,
            currency=settings.currency,
            shop=settings.shop,
        )
    _workbook(page, found, shelf, files["Excel"])
    write_csv(shelf.path(files["CSV items"]), list(ITEM_HEADINGS), _item_rows(found.items))
    write_csv(shelf.path(files["CSV lists"]), list(LIST_HEADINGS), _list_rows(page.people))
    write_csv(shelf.path(files["CSV histories"]), list(HISTORY_HEADINGS), _history_rows(page.people))
    shelf.path(f"{report.name}.html").write_text(draw_page(page), encoding="utf-8")


def _workbook(page: MerchandisingPage, found: Exposure, shelf: Shelf, name: str) -> None:
    """A sheet with all items, one each with the sample's lists and histories, one with the trials of the last runs."""
    shares = [list(ITEM_HEADINGS).index(column) for column in ("shown", "wanted", "gap")]
    people = [14.0, 20.0, 14.0]
    with Workbook(shelf.path(name)) as book:
        layout = Layout(list(ITEM_HEADINGS.values()), fine_shares=shares, widths=[14, 38, 18, *[13.0] * 8])
        book.sheet("Items", layout, _item_rows(found.items))
        layout = Layout(list(LIST_HEADINGS.values()), widths=[*people, 8, 14, 38, 10, 50], fine=[6])
        book.sheet("Sample, what is shown", layout, _list_rows(page.people))
        layout = Layout(list(HISTORY_HEADINGS.values()), widths=[*people, 18, 12, 14, 38])
        book.sheet("Sample, what they did", layout, _history_rows(page.people))
        layout = Layout(TRIAL_HEADINGS, fine_shares=[1, 2], widths=[20, 14, 14, 30, 18])
        book.sheet("Trials", layout, _trial_rows(page))
        about_sheet(book, page)


def _item_rows(items: Sequence[ShownItem]) -> Iterator[list[Any]]:
    for item in items:
        yield [getattr(item, name) for name in ITEM_HEADINGS]


def _list_rows(sample: Sequence[Person]) -> Iterator[list[Any]]:
    for person in sample:
        for place in person.shown:
            who = [person.kind, person.entity_id, person.region]
            yield [*who, place.rank, place.item_id, place.name, place.score, place.reason]


def _history_rows(sample: Sequence[Person]) -> Iterator[list[Any]]:
    for person in sample:
        for event in person.history:
            yield [person.kind, person.entity_id, person.region, event.at, event.kind, event.item_id, event.name]


def _trial_rows(page: MerchandisingPage) -> Iterator[list[Any]]:
    for trial in reversed(page.past):
        yield [trial.as_of, trial.model, trial.rival, trial.rival_name, trial.fallback]

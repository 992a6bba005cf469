"""The report of open orders: which will be late and when to expect them, from the warehouse to page and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Report
from reports import published
from reports.about import about_sheet
from reports.arrival_words import alarm_warning, period_warning
from reports.arrivals import turned_out
from reports.arrived import Group
from reports.fulfilment_page import draw_page
from reports.local_time import LocalTime
from reports.open_orders import FulfilmentPage, OpenOrder, Route, StalledOrder
from reports.order_list import OrderList
from reports.punctual import FulfilmentTrials
from reports.punctuality import alarm, fulfilment_trials
from reports.routes import known_routes, places, route_table, routes
from reports.settings import Settings
from reports.view import Provenance
from reports.workbook import Layout, Workbook, write_csv
from reports.writing import Shelf

STALLED_SHOWN = 25
ROUTES_SHOWN = 15

ORDER_HEADINGS = {
    "order_id": "Order",
    "late_probability": "Chance of being late",
    "promised_at": "Promised (UTC)",
    "completes_p10": "Expected, from (UTC)",
    "completes_p50": "Expected, middle (UTC)",
    "completes_p90": "Expected, to (UTC)",
    "stage": "Step",
    "stage_at": "Step since (UTC)",
    "placed_at": "Placed (UTC)",
    "origin_id": "From",
    "destination_region": "To",
    "tell": "Tell the customer today",
    "new": "New since the page before",
}
"""Column of the CSV to its heading in Excel."""

STALLED_HEADINGS = {
    "order_id": "Order",
    "days_open": "Days open",
    "limit_days": "Stalled after days",
    "stage": "Step",
    "placed_at": "Placed (UTC)",
    "promised_at": "Promised (UTC)",
    "origin_id": "From",
    "destination_region": "To",
}
ROUTE_HEADINGS = {
    "origin": "From",
    "destination": "To",
    "completed": "Completed in the last 28 days",
    "open": "Open now",
    "median_days": "Days lately (median)",
    "before_days": "Days in the 84 days before",
    "late_share": "Came late",
    "expected_late": "Open and expected late",
}
BACK_HEADINGS = [
    "Said on (UTC)", "By", "Group", "Orders", "Before the window", "In the window", "After the window",
    "Window not over", "Days off (median)", "Days later than said (median)",
]  # fmt: skip
TRIAL_HEADINGS = ["Times by", "Figure", "Value"]
PERIOD_HEADINGS = ["Trials from", "Cases", "In the window (80% is meant)", "Days off", "Days later than said"]
PAST_HEADINGS = [
    "Tried (UTC)",
    "Days off, trained model",
    "Best simple rule",
    "Which rule",
    "Rule or older model went out",
]


def render_fulfilment(
    warehouse: Warehouse,
    report: Report,
    task: str,
    shelf: Shelf,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
) -> None:
    """Writes NAME.xlsx, CSV files of all open orders, of those at risk, of stalled ones and of routes, and NAME.html,
    from one snapshot. However many orders there are, only those on the page are held in memory."""
    files = {"Excel": f"{report.name}.xlsx"}
    files |= {f"CSV {part}": f"{report.name}-{part}.csv" for part in ("late", "open", "stalled", "routes")}
    with warehouse.reading() as connection:
        source = published.provenance(connection, task, now, gate_metric=settings.gate_metric)
        local = LocalTime.of(published.options(connection, source.run_id), source.as_of)
        listed, table = OrderList.of(warehouse, connection, source, local), route_table(warehouse, connection)
        sums = listed.totals()
        latest, past = fulfilment_trials(connection, source, settings.gate_metric)
        page = FulfilmentPage(
            title=report.title,
            provenance=source,
            totals=sums,
            orders=list(listed.orders(limit=settings.rows, at_risk=sums.promised > 0)),
            stalled=list(listed.stalled_orders(limit=STALLED_SHOWN)),
            routes=list(routes(connection, table, task, limit=ROUTES_SHOWN)),
            routes_known=known_routes(connection, table, task),
            places=places(connection, table, task),
            back=turned_out(warehouse, connection, source, local),
            trials=latest,
            past=past,
            local=local,
            notes=notes,
            warnings=_warnings(connection, source, now, latest),
            extra=settings.tables,
            files=files,
            currency=settings.currency,
            shop=settings.shop,
        )
        _workbook(page, listed, routes(connection, table, task), shelf, files["Excel"])
        for name, at_risk in (("CSV late", True), ("CSV open", False)):
            write_csv(shelf.path(files[name]), list(ORDER_HEADINGS), _order_rows(listed.orders(at_risk=at_risk)))
        rows = _stalled_rows(listed.stalled_orders())
        write_csv(shelf.path(files["CSV stalled"]), list(STALLED_HEADINGS), rows)
        write_csv(shelf.path(files["CSV routes"]), list(ROUTE_HEADINGS), _route_rows(routes(connection, table, task)))
    shelf.path(f"{report.name}.html").write_text(draw_page(page), encoding="utf-8")


def _warnings(connection: Connection, source: Provenance, now: datetime, trials: FulfilmentTrials | None) -> list[str]:
    """What to know before trusting the page."""
    said = published.warnings(connection, source, now)
    noted = alarm(connection, source)
    if noted and noted.raised:
        said.append(alarm_warning(noted))
    if trials and trials.periods and trials.periods[-1].off:
        said.append(period_warning(trials.periods[-1]))
    return said


def _workbook(page: FulfilmentPage, listed: OrderList, every_route: Iterable[Route], shelf: Shelf, name: str) -> None:
    """Sheets with orders at risk, all open and stalled ones, routes, what became of earlier ones, and the trials."""
    with Workbook(shelf.path(name)) as book:
        layout = Layout(
            list(ORDER_HEADINGS.values()), shares=[1], widths=[20, 10, *[17] * 4, 14, 17, 17, 16, 16, 11, 11]
        )
        book.sheet("Will be late", layout, _order_rows(listed.orders(at_risk=True)))
        book.sheet("Open orders", layout, _order_rows(listed.orders()))
        layout = Layout(list(STALLED_HEADINGS.values()), widths=[20, 10, 10, 14, 17, 17, 16, 16])
        book.sheet("Stalled orders", layout, _stalled_rows(listed.stalled_orders()))
        layout = Layout(list(ROUTE_HEADINGS.values()), shares=[6], widths=[22, 22, *[12] * 6])
        book.sheet("Routes", layout, _route_rows(every_route))
        layout = Layout(BACK_HEADINGS, widths=[18, 14, 22, *[12] * 7])
        book.sheet("How it turned out", layout, _back_rows(page))
        layout = Layout(PERIOD_HEADINGS, shares=[2], widths=[14, 10, 14, 12, 14])
        book.sheet("Windows by time", layout, _period_rows(page))
        book.sheet("Trials", Layout(TRIAL_HEADINGS, fine=[2], widths=[30, 24, 14]), _trial_rows(page))
        layout = Layout(PAST_HEADINGS, fine=[1, 2], widths=[20, 14, 14, 30, 18])
        book.sheet("Trials of the last runs", layout, _past_rows(page))
        about_sheet(book, page)


def _order_rows(orders: Iterable[OpenOrder]) -> Iterator[list[Any]]:
    for one in orders:
        yield [
            one.order_id, one.late_probability, one.promised_at, one.p10, one.p50, one.p90, one.stage, one.stage_at,
            one.placed_at, one.origin, one.region, one.tell, one.new,
        ]  # fmt: skip


def _stalled_rows(orders: Iterable[StalledOrder]) -> Iterator[list[Any]]:
    for one in orders:
        yield [
            one.order_id, one.days_open, one.limit_days, one.stage, one.placed_at, one.promised_at, one.origin,
            one.region,
        ]  # fmt: skip


def _route_rows(every: Iterable[Route]) -> Iterator[list[Any]]:
    for one in every:
        yield [getattr(one, name) for name in ROUTE_HEADINGS]


def _back_rows(page: FulfilmentPage) -> Iterator[list[Any]]:
    back = page.back
    if back is None:
        return
    groups: list[tuple[str, Group]] = [("all", back.every)]
    groups += [("step", one) for one in back.stages] + [("destination", one) for one in back.regions]
    for kind, one in groups:
        yield [
            back.as_of, kind, one.name, one.orders, one.earlier, one.inside, one.later, one.undecided, one.off,
            one.shift,
        ]  # fmt: skip


def _period_rows(page: FulfilmentPage) -> Iterator[list[Any]]:
    for one in page.trials.periods if page.trials else ():
        yield [one.first, one.samples, one.inside, one.days_off, one.shift]


def _trial_rows(page: FulfilmentPage) -> Iterator[list[Any]]:
    for subject, figures in (page.trials.subjects if page.trials else {}).items():
        for name in sorted(figures):
            yield [subject, name, figures[name]]


def _past_rows(page: FulfilmentPage) -> Iterator[list[Any]]:
    for one in reversed(page.past):
        yield [one.as_of, one.model, one.rival, one.rival_name, one.fallback]

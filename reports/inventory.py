"""The inventory report: what to order today and why, from the warehouse to the page and the files beside it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Report
from reports import lookback, plan, published, series
from reports.about import about_sheet
from reports.inventory_page import draw_page
from reports.settings import Settings
from reports.view import InventoryPage
from reports.workbook import Layout, Workbook, write_csv
from reports.writing import Shelf

HEADINGS = {
    "item_id": "Item number",
    "location_id": "Location",
    "title": "Item",
    "category": "Category",
    "order_quantity": "Order",
    "on_hand": "In stock",
    "on_order": "On the way",
    "expected_stockout_date": "Runs out",
    "stockout_probability": "Chance of running out before a delivery",
    "lead_time_days": "Delivery takes, days",
    "lead_time_demand_p50": "Usual sales in that time",
    "service_level": "Target: no stock-out in",
    "safety_stock": "Safety stock",
    "reorder_point": "Reorder at",
    "priority": "Urgency (expected loss)",
    "unit_cost": "Unit cost",
    "unit_price": "Unit price",
}
"""Column of the plan to its heading in Excel; the CSV keeps the columns' own names."""

SHARES = ("stockout_probability", "service_level")
WIDE = {"title": 38.0, "item_id": 14.0, "location_id": 12.0, "category": 18.0}


def render_inventory(
    warehouse: Warehouse,
    report: Report,
    task: str,
    shelf: Shelf,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
) -> None:
    """Writes NAME.xlsx, NAME.csv and NAME.html, all from one snapshot of the warehouse."""
    files = {"Excel": f"{report.name}.xlsx", "CSV": f"{report.name}.csv"}
    with warehouse.reading() as connection:
        page = _page(warehouse, connection, report, task, now=now, notes=notes, settings=settings, files=files)
        table = plan.plan_table(warehouse, connection)
        _workbook(connection, table, page, shelf, files["Excel"])
        write_csv(shelf.path(files["CSV"]), plan.headings(table), plan.all_rows(connection, table, task))
    shelf.path(f"{report.name}.html").write_text(draw_page(page), encoding="utf-8")


def _page(
    warehouse: Warehouse,
    connection: Connection,
    report: Report,
    task: str,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
    files: dict[str, str],
) -> InventoryPage:
    """The view model of what is published."""
    forecasts = published.relation(warehouse, connection, series.FORECASTS, series.FORECAST_COLUMNS)
    ahead = published.periods(connection, forecasts, forecasts.c.task == task)
    source = published.provenance(connection, task, now, periods=ahead, gate_metric=settings.gate_metric)
    table = plan.plan_table(warehouse, connection)
    sums = plan.totals(connection, table, task)
    rows = plan.urgent_rows(connection, table, task, settings.rows, stock_known=sums.with_stock > 0)
    rows = series.with_series(warehouse, connection, task, rows, ahead)
    return InventoryPage(
        title=report.title,
        provenance=source,
        totals=sums,
        rows=rows,
        charts=[row for row in rows if row.series is not None][: settings.charts],
        last=lookback.last_forecasts(warehouse, connection, source, table),
        notes=notes,
        warnings=published.warnings(connection, source, now),
        extra=settings.tables,
        files=files,
        currency=settings.currency,
        shop=settings.shop,
    )


def _workbook(connection: Connection, table: sa.Table, page: InventoryPage, shelf: Shelf, name: str) -> None:
    """A sheet with what to order, one with all items, one that says where the figures come from."""
    columns = plan.headings(table)
    layout = Layout(
        headings=[HEADINGS[column] for column in columns],
        shares=[columns.index(column) for column in SHARES if column in columns],
        widths=[WIDE.get(column, 12.0) for column in columns],
    )
    task = page.provenance.task
    with Workbook(shelf.path(name)) as book:
        if page.stock_known:
            book.sheet("Order today", layout, plan.all_rows(connection, table, task, to_order=True))
        book.sheet("All items", layout, plan.all_rows(connection, table, task))
        about_sheet(book, page)

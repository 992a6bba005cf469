"""Any task's report: its sections as tables, with the rows in full in files beside the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import ConfigurationError, Report, ReportSection
from reports import published, wording
from reports.drawing import draw
from reports.settings import Settings
from reports.subjects import maker
from reports.view import ExtraTable, GenericPage
from reports.workbook import Layout, Workbook, plain, write_csv
from reports.writing import Shelf


def render_generic(
    warehouse: Warehouse,
    report: Report,
    task: str,
    shelf: Shelf,
    *,
    now: datetime,
    notes: tuple[str, ...],
    settings: Settings,
) -> None:
    """Writes NAME.xlsx with a sheet a section, a CSV a section and NAME.html."""
    files = {"Excel": f"{report.name}.xlsx"}
    with warehouse.reading() as connection:
        source = published.provenance(connection, task, now, gate_metric=settings.gate_metric)
        tables = []
        with Workbook(shelf.path(files["Excel"])) as book:
            for section in report.sections:
                view = published.relation(warehouse, connection, f"current_{section.table}")
                columns = _headings(section, view)
                statement = _statement(section, view, columns, task)
                total = connection.scalar(sa.select(sa.func.count()).select_from(view).where(view.c.task == task)) or 0
                book.sheet(section.title, Layout(list(columns.values())), _stream(connection, statement))
                name = f"{report.name}-{section.table}.csv"
                if name not in shelf.names:
                    write_csv(shelf.path(name), list(columns), _stream(connection, statement))
                    files[f"CSV {section.table}" if len(report.sections) > 1 else "CSV"] = name
                tables.append(_table(connection, section, columns, statement, total))
        page = GenericPage(
            title=report.title,
            provenance=source,
            extra=(*tables, *settings.tables),
            notes=notes,
            warnings=published.warnings(connection, source, now),
            files=files,
            shop=settings.shop,
        )
    shelf.path(f"{report.name}.html").write_text(draw("generic.html", page=page, maker=maker(source)), encoding="utf-8")


def _headings(section: ReportSection, view: sa.Table) -> Mapping[str, str]:
    """Column to heading: as the section says, or every column of the table under its own name."""
    if not section.columns:
        return {name: name.replace("_", " ").capitalize() for name in _names(view)}
    if missing := [name for name in (*section.columns, *section.order_by) if name not in view.c]:
        raise ConfigurationError(
            f"report section {section.title!r}: table {section.table!r} has no column {missing[0]!r}.",
            remedy=f"It has: {', '.join(_names(view))}.",
        )
    return section.columns


def _names(view: sa.Table) -> list[str]:
    return [column.name for column in view.columns if column.name not in ("task", "run_id")]


def _statement(section: ReportSection, view: sa.Table, columns: Mapping[str, str], task: str) -> sa.Select[Any]:
    order = [view.c[name].desc() if section.descending else view.c[name] for name in section.order_by]
    return sa.select(*(view.c[name] for name in columns)).where(view.c.task == task).order_by(*order)


def _stream(connection: Connection, statement: sa.Select[Any]) -> Iterator[list[Any]]:
    for row in connection.execute(statement, execution_options={"yield_per": 2000}):
        yield list(row)


def _table(
    connection: Connection, section: ReportSection, columns: Mapping[str, str], statement: sa.Select[Any], total: int
) -> ExtraTable:
    rows = [[plain(cell) for cell in row] for row in connection.execute(statement.limit(section.limit))]
    text = section.note
    if total > len(rows):
        text += f" The first {wording.number(len(rows))} of {wording.number(total)} rows; all of them in the files."
    elif not rows:
        text += " There is nothing to show."
    return ExtraTable(section.title, list(columns.values()), rows, text.strip())

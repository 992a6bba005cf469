"""The inventory report from real warehouses: what it says, what stands beside it, and when it warns."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from html_page import Page, sound
from small_shop import AS_OF, Shop, item, publish

from db.engines import Warehouse
from db.tables import RUNS
from forecasting.schema import ConfigurationError, ForecastingError, Report
from reports import ExtraTable, plan, render

INVENTORY = Report("inventory", "Inventory")
MORNING = AS_OF + timedelta(hours=8)
UNREACHED: Any = None
"""In place of a warehouse that must not be asked."""


def draw(warehouse: Warehouse, directory: Path, **options: object) -> Page:
    settings = {"now": MORNING} | options
    return Page(render(warehouse, INVENTORY, "demand", directory, **settings)[0])  # type: ignore[arg-type]


SHOP = Shop(
    [
        item("rye", priority=50.0, stockout_probability=0.4),
        item("bun", priority=300.0, on_hand=0.0, order_quantity=48.0),
        item("pie", priority=80.0, order_quantity=12.0, on_order=3.0),
        item("jam", priority=0.0, stockout_probability=0.0, order_quantity=0.0, on_hand=500.0),
        item("tea", priority=None, order_quantity=None, on_hand=None, on_order=None, stockout_probability=None),
    ]
)  # fmt: skip


def test_it_says_what_to_order_by_priority_with_totals(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path, extra={"currency": "€", "shop": "Bäckerei"})
    assert "Order 3 items today." in page.text
    assert "84 units in all, worth €210." in page.text  # (24 + 48 + 12) at 2.50
    assert "1 is out of stock already and 1 more will probably run out" in page.text
    assert "The stock of 1 item is not known" in page.text
    rows = re.findall(r'<span class="title">(\w+)</span>', page.source)
    assert rows == ["bun", "pie", "rye"]
    assert "10 in stock and 3 on the way; about 35 will sell in the 7 days a delivery takes." in page.text
    assert page.source.count('class="fan"') == 3 and page.source.count('class="spark"') == 3
    assert "Bäckerei" in page.text and "demand-20260914" in page.text and "the trained model" in page.text
    assert "Sales known up to 13 Sep 2026" in page.text
    assert "1 that could not be right" in page.text
    assert "25% closer to what really sold than the best simple rule, the average of recent sales" in page.text
    assert not page.all("mark") and 'class="notice' not in page.source


def test_the_files_beside_it_have_the_same_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    paths = render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING, notes=["Stock is simulated."])
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "demand/inventory.html",
        "demand/inventory.xlsx",
        "demand/inventory.csv",
    ]
    rows = list(csv.DictReader(paths[2].open(encoding="utf-8", newline="")))
    assert [row["item_id"] for row in rows] == ["bun", "pie", "rye", "jam", "tea"]
    assert rows[0]["order_quantity"] == "48" and rows[4]["order_quantity"] == ""
    assert rows[0]["expected_stockout_date"] == "2026-09-16" and float(rows[0]["service_level"]) == 0.95
    book = openpyxl.load_workbook(paths[1])
    assert book.sheetnames == ["Order today", "All items", "About"]
    cells = list(book["All items"].iter_rows(values_only=True))
    assert [row[0] for row in cells[1:]] == [row["item_id"] for row in rows]
    order = cells[0].index("Order")
    assert [row[order] for row in cells[1:]] == [48, 12, 24, 0, None]
    assert [row[0] for row in list(book["Order today"].iter_rows(values_only=True))[1:]] == ["bun", "pie", "rye"]
    assert any("simulated" in str(row[1]) for row in book["About"].iter_rows(values_only=True))
    page = Page(paths[0])
    assert {"inventory.xlsx", "inventory.csv"} <= {link["href"] for link in page.all("a")}


def test_what_happened_to_the_last_forecasts(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path)
    # five items, 28 days: 5 a day expected, 6 sold
    assert "The forecasts of 17 Aug 2026 were off: 840 units sold up to 13 Sep, 20% more than expected." in page.text
    assert "On 10 days out of 10 an item's sales fell into its likely range" in page.text
    assert "17 Aug – 23 Aug 175 210 +20%" in page.text and "Together 700 840 +20%" in page.text


def test_days_out_of_stock_are_no_fault_of_the_forecast(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    history = sa.table("demand_history", sa.column("item_id"), sa.column("in_stock"), sa.column("quantity"))
    with warehouse.writing() as connection:
        connection.execute(sa.update(history).where(history.c.item_id == "bun").values(in_stock=False, quantity=0))
        connection.execute(sa.update(history).where(history.c.item_id == "rye").values(quantity=None))
    assert "Together 420 504 +20%" in draw(warehouse, tmp_path).text


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        ((), "There is no earlier forecast to look back at yet."),
        ((AS_OF - timedelta(days=7),), "That forecast still runs"),
        ((AS_OF - timedelta(days=7), AS_OF - timedelta(days=14)), "The forecasts of 31 Aug 2026"),
        ((AS_OF - timedelta(days=30), AS_OF - timedelta(days=60)), "The forecasts of 15 Aug 2026"),
        ((AS_OF - timedelta(days=300),), "There is no earlier forecast"),
    ],
)
def test_which_forecast_is_looked_back_at(
    warehouse: Warehouse, tmp_path: Path, earlier: tuple[datetime, ...], said: str
) -> None:
    publish(warehouse, Shop([item("rye")], earlier=earlier))
    assert said in draw(warehouse, tmp_path).text


def test_without_stock_it_says_when_to_reorder(warehouse: Warehouse, tmp_path: Path) -> None:
    unknown = dict.fromkeys(("on_hand", "on_order", "order_quantity", "stockout_probability", "priority"))
    publish(warehouse, Shop([item("rye", **unknown), item("bun", reorder_point=99.0, **unknown)]))
    page = draw(warehouse, tmp_path)
    assert "When to reorder 2 items." in page.text and "Stock levels are not known" in page.text
    assert re.findall(r'<span class="title">(\w+)</span>', page.source) == ["bun", "rye"]
    assert "Reorder when stock falls to 99" in page.text and "Runs out" not in page.text


def test_nothing_to_order(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye", order_quantity=0.0, stockout_probability=0.01)]))
    assert "Nothing to order today. Stock and deliveries on the way cover all 1 item" in draw(warehouse, tmp_path).text


@pytest.mark.parametrize(("step", "ahead", "unit"), [(7, 8, "week"), (30, 6, "month")])
def test_weeks_and_months(warehouse: Warehouse, tmp_path: Path, step: int, ahead: int, unit: str) -> None:
    publish(warehouse, Shop([item("rye")], step=step, ahead=ahead, earlier=(AS_OF - timedelta(days=step * ahead),)))
    page = draw(warehouse, tmp_path)
    assert f"sold per {unit}" in page.text and f"{ahead} {unit}s" in page.text
    assert f"Together {ahead * 5} {ahead * 6} +20%" in page.text


def test_a_fallback_is_marked(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye")], run={"subject": "baseline:moving_average", "fallback": True}))
    page = draw(warehouse, tmp_path)
    assert "Forecast by a simple rule (the average of recent sales) fallback" in page.text
    assert "Attention The trained model did worse than a simpler rule" in page.text


def test_notes_stale_data_old_figures_and_failed_runs_stand_on_top(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye")], run={"data_until": AS_OF - timedelta(days=10)}))
    with warehouse.writing() as connection:
        connection.execute(
            sa.insert(RUNS).values(
                run_id="broken", task="demand", slot=MORNING, as_of=AS_OF + timedelta(days=1), state="failed", fence=2,
                trigger="job:nightly", started_at=AS_OF + timedelta(days=1), error="sales: no rows.\nmore",
            )
        )  # fmt: skip
    page = draw(warehouse, tmp_path, notes=["Stock levels are simulated."], now=AS_OF + timedelta(days=3))
    top = page.text[: page.text.index("Order 1 item today")]
    assert "Please note Stock levels are simulated." in top
    assert "The data ends on Friday 4 September 2026, 10 days before" in top
    assert "These figures are for Monday 14 September 2026, 3 days before" in top
    assert "A later run, started 15 Sep 2026, 00:00 UTC, failed: sales: no rows. What you see" in top


def test_a_page_of_the_day_does_not_cry_wolf(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye")]))
    assert "Attention" not in draw(warehouse, tmp_path, now=AS_OF + timedelta(hours=23)).text


def test_hostile_names_stay_text(warehouse: Warehouse, tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    publish(warehouse, Shop([item(evil), item("=cmd|'/C calc'!A0", location_id='"><b>Ber')]))
    tables = [ExtraTable("<i>t</i>", ["<u>h"], [["<img src=x>"]], "<em>")]
    paths = render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING, notes=[evil], extra={"tables": tables})
    page = Page(paths[0])
    assert len(page.all("script")) == 1 and not page.all("img") and not page.all("i")[4:] and not page.all("em")
    assert evil in page.text
    assert "'=cmd|" in paths[2].read_text() and "\n=cmd" not in paths[2].read_text()


def test_it_needs_nothing_from_outside_and_is_labelled(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye"), item("rye", location_id="Köln")]))
    page = draw(warehouse, tmp_path, notes=["n"], extra={"tables": [ExtraTable("T", ["a", "b"], [["x", 1.5]])]})
    sound(page, "inventory.")
    assert [one.get("data-place") for one in page.all("tr") if one.get("data-place")] == ["Berlin", "Köln"]


def test_a_plan_with_few_columns_suffices(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin's plan may lack all that the page can do without."""
    publish(warehouse, SHOP)
    few = ("item_id", "location_id", "order_quantity", "on_hand", "reorder_point")
    monkeypatch.setattr("reports.plan.COLUMNS", {name: plan.COLUMNS[name] for name in few})
    page = draw(warehouse, tmp_path)
    assert "Order 3 items today." in page.text and "84 units in all." in page.text


def test_the_page_shows_the_first_and_the_files_all(warehouse: Warehouse, tmp_path: Path) -> None:
    many = [item(f"item {number:04}", priority=float(number)) for number in range(700)]
    publish(warehouse, Shop(many, earlier=(), ahead=3, past=3))
    paths = render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING)
    page = Page(paths[0])
    assert page.source.count('class="title"') == 200 and "500 more items in the Excel and CSV files" in page.text
    assert "Order 700 items today." in page.text
    assert re.search(r'class="title">([^<]+)<', page.source)[1] == "item 0699"  # type: ignore[index]
    assert sum(1 for _ in paths[2].open()) == 701


def test_tasks_side_by_side_do_not_mix(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye")]))
    publish(warehouse, Shop([item("bun"), item("pie")], task="demand-weekly"))
    daily = render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING)[0]
    weekly = render(warehouse, INVENTORY, "demand-weekly", tmp_path, now=MORNING)[0]
    assert daily.parent != weekly.parent
    assert "Order 1 item today." in Page(daily).text and "Order 2 items today." in Page(weekly).text
    assert "bun" not in Page(daily).text and "rye" not in Page(weekly).text


def test_nothing_published_is_a_clear_error(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(ForecastingError, match="has published nothing yet") as error:
        render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING)
    assert "forecasting run demand" in error.value.remedy
    assert not list((tmp_path / "demand").iterdir())


def test_a_failing_report_leaves_the_old_one(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, SHOP)
    paths = render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING)
    before = [path.read_bytes() for path in paths]
    monkeypatch.setattr("reports.inventory.draw_page", lambda page: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        render(warehouse, INVENTORY, "demand", tmp_path, now=MORNING + timedelta(hours=1))
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in (tmp_path / "demand").iterdir()) == [
        "inventory.csv",
        "inventory.html",
        "inventory.xlsx",
    ]


@pytest.mark.parametrize("task", ["../up", "a/b", "", ".hidden"])
def test_a_task_cannot_leave_the_directory(tmp_path: Path, task: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a file"):
        render(UNREACHED, INVENTORY, task, tmp_path, now=MORNING)


def test_settings_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="currncy"):
        render(UNREACHED, INVENTORY, "demand", tmp_path, now=MORNING, extra={"currncy": "€"})


def test_the_day_is_the_run_s_not_the_clock_s(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Shop([item("rye", expected_stockout_date=date(2026, 9, 15))]))
    page = draw(warehouse, tmp_path, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert "Monday 14 September 2026" in page.text and "Tue 15 Sep tomorrow" in page.text

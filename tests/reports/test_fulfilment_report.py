"""The report of open orders from real warehouses: whom to tell, what became of earlier times, whether to trust them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from html_page import Page, sound
from small_dispatch import AS_OF, FIGURES, Dispatch, at, completed, order, publish, route, stalled

from db import migrate
from db.engines import Warehouse, open_warehouse
from forecasting.schema import ForecastingError, Report
from reports import ExtraTable, render

FULFILMENT = Report("fulfilment", "Open orders")
MORNING = AS_OF + timedelta(hours=8)

ORDERS = [
    order("fine", 0.02, 9),
    order("soon", 0.9, 1, 5),
    order("today", 0.7, 0, 2, stage="handed_over"),
    order("past", 1.0, -4, 3),
    order("longpast", 1.0, -20, 3),
    order("later", 0.8, 8, 12),
    order("perhaps", 0.3, 2, 2),
    order("unpromised", promised=None, origin_id=None, destination_region=None),
]
BEFORE = [row | {"as_of": at(-1)} for row in ORDERS if row["order_id"] in ("soon", "longpast", "past")]
BEFORE[0] |= {"late_probability": 0.6}
BEFORE[1] |= {"late_probability": 0.4}  # the page before did not name "past"
STALLED = [stalled("old", 90.4), stalled("lost", 46, promised_at=at(-30), origin_id="s-9", destination_region="South")]
ROUTES = [
    route("East", "North", 9.0, 5.0, latitude=52.0, longitude=4.0),
    route("East", "South", 4.0, 5.0, latitude=45.0, longitude=5.0, completed=80),
    route("West", "South", 20.0, None, latitude=46.0, longitude=6.0),
    route("", "", 60.0, 2.0, completed=1),
]
SHOP = Dispatch(ORDERS, STALLED, routes=ROUTES, earlier={1: BEFORE})


@pytest.fixture
def sqlite_warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """A file with completion's tables alone, for words that no database changes."""
    opened = open_warehouse(f"sqlite:///{tmp_path / 'orders.db'}")
    migrate.upgrade(opened, ["tasks.completion.migrations"])
    yield opened
    opened.close()


def files(warehouse: Warehouse, directory: Path, **options: Any) -> list[Path]:
    settings: dict[str, Any] = {"now": MORNING, "extra": {"gate_metric": "pinball"}}
    return render(warehouse, FULFILMENT, "completion", directory, **(settings | options))


def draw(warehouse: Warehouse, directory: Path, **options: Any) -> Page:
    return Page(files(warehouse, directory, **options)[0])


def cells(path: Path, column: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def test_whom_to_tell_first_and_what_the_files_hold(warehouse: Warehouse, tmp_path: Path) -> None:
    """What the page before did not name, then what it did; what is past after what is not; then later promises."""
    publish(warehouse, SHOP)
    publish(warehouse, Dispatch([order("theirs", 0.9)], [stalled("t", 50)], routes=ROUTES, task="completion-b"))
    paths = files(warehouse, tmp_path, extra={"rows": 3, "gate_metric": "pinball"})
    assert [path.name for path in paths] == [
        "fulfilment.html", "fulfilment.xlsx", "fulfilment-late.csv", "fulfilment-open.csv", "fulfilment-stalled.csv",
        "fulfilment-routes.csv",
    ]  # fmt: skip
    at_risk = ["today", "past", "soon", "longpast", "later", "perhaps"]
    assert cells(paths[2], "order_id") == at_risk
    assert cells(paths[3], "order_id") == [*at_risk, "fine", "unpromised"]
    assert cells(paths[2], "tell") == ["true"] * 4 + ["false"] * 2
    assert cells(paths[2], "new") == ["true", "true", "false", "false", "false", "false"]
    assert cells(paths[3], "late_probability")[-1] == "" and cells(paths[3], "promised_at")[-1] == ""
    assert cells(paths[2], "completes_p50")[2] == "2026-09-19T00:00:00Z"
    assert cells(paths[4], "order_id") == ["lost", "old"]  # who may still be found first
    assert cells(paths[5], "median_days") == ["9", "20", "4", "60"]
    book = openpyxl.load_workbook(paths[1])
    assert book.sheetnames == [
        "Will be late", "Open orders", "Stalled orders", "Routes", "How it turned out", "Windows by time", "Trials",
        "Trials of the last runs", "About",
    ]  # fmt: skip
    assert [cell.value for cell in book["Will be late"]["A"]] == ["Order", *at_risk]
    page = Page(paths[0])
    assert "3 of 5; all of them in the files." in page.text and "longpast" not in page.text


def test_the_page_says_whom_to_tell_and_what(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(
        warehouse,
        tmp_path,
        extra={"shop": "Chapeau", "tables": [ExtraTable("T", ["a"], [["x"]])]},
        notes=["Simulated."],
    )
    assert (
        "4 orders are late or will be. Tell their customers today. 2 of them are new since the page of 13 Sep 2026. "
        "8 orders are open, 7 with a promised time; about 5 are expected to miss theirs. 1 more will likely miss a "
        "promise that is further away"
    ) in page.text
    assert "Late already 2 Due today and unlikely 1 of 1 Stalled 2 2" in page.text
    assert "Times of day and dates in UTC" in page.text
    assert (
        "1 today s-1 → North new Late by 2 days up to 4 days Expect it between Mon 14 and Fri 18 Sep. "
        "Promised Mon 14 Sep today Step handed over since 11 Sep, 3 days Chance of being late 70%"
    ) in page.text
    assert "2 past s-1 → North new, late already Late by 7 days" in page.text
    assert "4 longpast s-1 → North late already" in page.text and "Chance of being late late" in page.text
    assert "6 perhaps s-1 → North Late by perhaps up to 2 days May still be in time." in page.text
    assert "Open for more than 45 days: lost, or complete" in page.text
    assert "old 90 days shipped Mon 15 Jun – –" in page.text and "s-9 → South" in page.text
    assert {row["data-state"] for row in page.all("tr") if row.get("data-state")} == {
        "tell new", "overdue new", "tell", "overdue", "later",
    }  # fmt: skip
    assert "Please note Simulated." in page.text and "Attention" not in page.text
    sound(page, "fulfilment")
    assert not re.search(r'\sstyle="|\son\w+="', page.source)
    notes = {attributes["href"] for attributes in page.all("a") if (attributes.get("href") or "").startswith("#n")}
    assert notes <= {f"#n{number}" for number in range(1, 13)} and "#n12" in notes


def test_slow_routes_and_where_they_lie(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path)
    assert "Those that became slower first" in page.text
    assert "East → North 40 9 5 4 days slower 10% 10 2 late West → South 40 20 – –" in page.text
    assert "East → South 80 4 5 1 day faster" in page.text
    assert page.text.index("East → South 80") < page.text.index("unknown → unknown 1")  # too few to say anything
    label = next(one["aria-label"] for one in page.all("svg") if one.get("id") == "map")
    # 80 orders to the South after 4 days, 40 after 20
    assert label == "Map of 2 destinations. Slowest lately: South 9.3 days, North 9 days. Fastest: North 9 days."
    assert "South: 9.3 days, 120 orders" in page.text


def test_promises_mean_days_of_the_shops_own_zone(warehouse: Warehouse, tmp_path: Path) -> None:
    there = timedelta(hours=3)  # midnight in São Paulo
    rows = [
        order("day", 0.6, 0, 2, promised_at=AS_OF + there),
        order("yesterday", 0.9, 0, 2, promised_at=at(-1) + there),
        order("time", 0.7, 0, 2, promised_at=AS_OF + timedelta(hours=20)),
    ]
    publish(warehouse, Dispatch(rows, timezone="America/Sao_Paulo"))
    page = draw(warehouse, tmp_path)
    assert "Promised Mon 14 Sep today" in page.text and "Promised Mon 14 Sep, 17:00 today" in page.text
    assert "Due today and unlikely 2 of 2" in page.text and "Promised Sun 13 Sep yesterday" in page.text
    assert "Times of day and dates in America/Sao_Paulo" in page.text
    assert "Monday 14 September 2026" in page.text


def test_how_the_last_times_turned_out(warehouse: Warehouse, tmp_path: Path) -> None:
    """The oldest run that completions reach back to; open orders count as later once their window is over."""

    def said(name: str, chance: float, **columns: Any) -> dict[str, Any]:
        row = order(name, chance, -25, -24, as_of=at(-30), **columns)  # window: from 26 to 22 days ago
        return row | {"completes_p90": at(60)} if name == "still" else row

    names = [*(f"in{n}" for n in range(6)), "early", "after", "open", "lost", "still", "gone"]
    then = [
        said(
            name, 0.75 if name in ("after", "open") else 0.25, destination_region="South" if name == "open" else "North"
        )
        for name in names
    ]
    done = [completed(name, -24.5 if n else -25) for n, name in enumerate(names[:6])]
    done += [completed("early", -27), completed("after", -21)]
    publish(
        warehouse,
        Dispatch(
            [order("open"), order("still"), order("young")], [stalled("lost", 60)], done,
            earlier={30: then, 12: [order("x")], 3: [order("x")], 40: [order("x")]},
        ),
    )  # fmt: skip
    page = draw(warehouse, tmp_path)
    assert (
        "Of 11 orders open on 15 Aug 2026, 55% were complete within the window said, where 80% should be; 9.1% before "
        "it and 27% after it. 1 is open while its window lasts."
    ) in page.text
    assert "1 more was cancelled since, or is known no more." in page.text
    # Promised for the day that began 25 days ago: who came within it was in time.
    assert (
        "11 promises fell due since: 4 were expected to be missed, 4 were. The page named 2 of them as likely late, "
        "and 2 were: 50% of all that came late."
    ) in page.text
    assert "South 1 0% 0% 100% 24 days" in page.text and "North 10 10% 60% 20%" in page.text
    assert "12 Sep" not in page.text[page.text.index("How the last times") : page.text.index("Can the times")]


def test_figures_of_trials_and_what_is_warned_of(warehouse: Warehouse, tmp_path: Path) -> None:
    period = {"samples": 2000.0, "coverage80": 0.81, "mae": 3.0, "bias": -0.5}
    metrics = {
        ("evaluate:2026-06-01", "model"): period,
        ("evaluate:2026-07-01", "model"): period | {"coverage80": 0.6},
        ("calibration", "model"): {"drift_alarm": 1.0, "drift_z": -6.0, "drift_log_ratio": -0.43},
    }
    publish(warehouse, Dispatch(ORDERS, tried=(FIGURES, FIGURES), metrics=metrics))
    page = draw(warehouse, tmp_path)
    assert "In the week before, 35% fewer orders were completed than could be expected" in page.text
    assert "from 1 Jul 2026, 60% of orders were complete within their window where 80% should be" in page.text
    assert "In trials the trained model was 3.1 days off on average; the best simple rule, a straight line" in page.text
    assert "The trained model on this page 1.020 3.10 0.12 79% 9.50 81.0 0.052" in page.text
    assert "placed 3.8 days 4.1 days 78%" in page.text and "shipped 14 hours 2.9 days 81%" in page.text
    assert "1 Jun 2026 2,000 81% 3 days 12 hours later" in page.text
    assert (
        "In trials 24% were expected to be late and 25% were. Group by group the chances were off by 1.0" in page.text
    )
    assert "14 Sep 3.1 days 3.6 days model 13 Sep" in page.text
    sound(page, "fulfilment")


def test_without_promises_routes_trials_or_a_past_it_says_so(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [order("a", promised=None, expected=3), order("b", promised=None, expected=9)]
    publish(warehouse, Dispatch(rows, tried=(), subject="baseline:route"))
    page = draw(warehouse, tmp_path)
    assert "2 orders are open. None of them has a promised time" in page.text
    assert "When to expect them The latest expected first." in page.text
    assert page.text.index("b s-1 → North") < page.text.index("a s-1 → North")
    assert "Late by" not in page.text[: page.text.index("Where these figures")] and "Late already" not in page.text
    assert "Where it takes long" not in page.text and "Stalled orders" not in page.text
    assert "There is no earlier page to look back at yet." in page.text and "No trials yet." in page.text
    assert "Attention No trained model could be tried on the past" in page.text
    sound(page, "fulfilment")


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([], "No order is open. Orders appear here once"),
        (
            [order("one", 0.9, 1, 5)],
            "1 order will be late. Tell its customer today. 1 order is open; about 1 is expected",
        ),
        ([order("one", 1.0, -3, 5)], "1 order is late. Tell its customer today."),
        ([order("one", 0.01, 9)], "Every order should be in time. 1 order is open; hardly any is expected to miss it."),
        ([order("one", 0.9, 9, 12)], "Nobody needs to be told today. 1 order is open; about 1 is expected"),
        ([order("one", promised=None)], "1 order is open. None of them has a promised time"),
    ],
)
def test_few_orders(tmp_path: Path, sqlite_warehouse: Warehouse, orders: list[dict[str, Any]], said: str) -> None:
    publish(sqlite_warehouse, Dispatch(orders))
    page = draw(sqlite_warehouse, tmp_path)
    assert said in page.text
    sound(page, "fulfilment")


def test_hostile_names_stay_text(warehouse: Warehouse, tmp_path: Path) -> None:
    evil, formula, image = "<script>alert('x')</script>", "=cmd|'/C calc'!A0", '"><img src=x>'
    rows = [
        order(image, 0.9, 1, 5, origin_id=evil, destination_region='"><u>', stage="<em>x</em>"),
        order(formula, 0.9, 1, 5, destination_region=formula, stage=formula),
    ]
    earlier = [row | {"as_of": at(-20)} for row in rows]
    figures = FIGURES | {"model": FIGURES["model"] | {"mae@<b>": 1.0, "coverage80@<b>": 0.8}}
    publish(
        warehouse,
        Dispatch(
            rows, [stalled(formula, 50, stage=evil, destination_region=image)], [completed(image, -9)],
            [route(evil, image, 3.0, 1.0, latitude=1.0, longitude=1.0), route(formula, "x" * 300, 2.0, 2.0)],
            {20: earlier}, tried=(figures,),
        ),
    )  # fmt: skip
    paths = files(warehouse, tmp_path, notes=[evil])
    page = Page(paths[0])
    assert len(page.all("script")) == 1
    assert not page.all("img") and not page.all("em") and not page.all("u") and '"><img src=x>' in page.text
    assert evil in page.text and "<em>x</em>" in page.text
    sound(page, "fulfilment")
    for path in paths[2:]:
        with path.open(encoding="utf-8", newline="") as file:
            found = [cell for row in csv.reader(file) for cell in row]
        assert found and not [cell for cell in found if cell.startswith(("=", "+"))]
    book = openpyxl.load_workbook(paths[1])
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_nothing_published_is_a_clear_error(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(ForecastingError, match="has published nothing yet"):
        draw(warehouse, tmp_path)

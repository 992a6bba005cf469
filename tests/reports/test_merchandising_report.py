"""The merchandisers' report from real warehouses: what it counts, whom it shows, how it words trials, when it warns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from html_page import Page, sound
from small_boutique import AS_OF, FIGURES, Boutique, Client, publish, thing

from db.engines import Warehouse
from db.tables import RUNS
from forecasting.schema import ForecastingError, Report
from reports import ExtraTable, render
from reports.exposure import exposure

MERCHANDISING = Report("merchandising", "Merchandising")
MORNING = AS_OF + timedelta(hours=8)

ITEMS = [thing("fez", 60), thing("cap", 30), thing("bow", 10, category="Ties"), thing("tie", 0, category="Ties"),
         thing("wig", 20, withheld="out of stock")]  # fmt: skip
CLIENTS = [
    Client("c1", ["cap", "bow"], ["fez", "cap"], region="Kent", reason="bought again every 3 weeks"),
    Client("c2", ["cap", "fez"], ["fez"], sampled=False),
    Client("c3", ["bow"], reason="popular now"),
    Client("s1", ["cap"], ["bow"] * 9, kind="session"),
]
SHOP = Boutique(ITEMS, CLIENTS)


def files(warehouse: Warehouse, directory: Path, **options: Any) -> list[Path]:
    settings = {"now": MORNING, "extra": {"gate_metric": "ndcg_loss"}} | options
    return render(warehouse, MERCHANDISING, "recommendation", directory, **settings)


def draw(warehouse: Warehouse, directory: Path, **options: Any) -> Page:
    return Page(files(warehouse, directory, **options)[0])


def test_places_are_counted_by_item_and_by_rank(warehouse: Warehouse) -> None:
    publish(warehouse, SHOP)
    publish(warehouse, Boutique([thing("wax")], [Client("c1", ["wax"])], task="rec-b"))
    with warehouse.reading() as connection:
        found = exposure(warehouse, connection, "recommendation")
    # ranks: cap 1 1 1, bow 2 1, fez 2: weights 3 + 1.5 + .5 = 5
    assert [(item.item_id, item.lists) for item in found.items] == [
        ("cap", 3), ("bow", 2), ("fez", 1), ("wig", 0), ("tie", 0),
    ]  # fmt: skip
    assert [item.shown for item in found.items] == pytest.approx([0.6, 0.3, 0.1, 0.0, 0.0])
    assert [item.wanted for item in found.items] == pytest.approx([0.25, 1 / 12, 0.5, 1 / 6, 0.0])
    coverage = found.coverage
    assert (coverage.items, coverage.allowed, coverage.shown, coverage.places) == (5, 4, 3, 6)
    assert (coverage.customers, coverage.sessions, coverage.longest) == (3, 1, 2)
    assert coverage.withheld == {"out of stock": 1} and coverage.since == AS_OF - timedelta(days=28)
    assert [item.item_id for item in found.over(9)] == ["cap", "bow"]
    assert [item.item_id for item in found.under(9)] == ["fez", "wig"]
    assert [item.item_id for item in found.most(2)] == ["cap", "fez"]


def test_it_is_concentrated_where_few_items_take_most_places(warehouse: Warehouse, tmp_path: Path) -> None:
    names = [f"i{number:02}" for number in range(20)]
    lists = [names[:10] for _ in range(9)] + [names[10:]]
    clients = [Client(f"c{number}", shown) for number, shown in enumerate(lists)]
    publish(warehouse, Boutique([thing(name, 1) for name in names], clients))
    page = draw(warehouse, tmp_path)
    assert "20 of 20 items are shown to somebody." in page.text
    assert "10 customers each get a list of up to 10 items." in page.text
    assert "The ten items shown most take 90% of all places; the ten wanted most had 50%" in page.text


def test_the_page_says_who_is_shown_what_and_why(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path, extra={"shop": "Chapeau", "currency": "€", "gate_metric": "ndcg_loss"})
    assert "3 of 4 items are shown to somebody. 3 customers and 1 visitor not logged in each get a list" in page.text
    assert "Items withheld 1 out of stock" in page.text and "Chapeau" in page.text
    assert "Customers we know Customer c1 Kent · 2 actions Did lately Bought 13 Sep Fez Bought 12 Sep Cap" in page.text
    assert "Is shown Cap bought again every 3 weeks Bow bought again every 3 weeks" in page.text
    assert "New customers Nothing is known of them yet" in page.text
    assert "Customer c3 no history Did lately Nothing yet. Is shown Bow popular now" in page.text
    assert "Visitors not logged in" in page.text and "Visit s1 9 actions" in page.text and "3 earlier" in page.text
    assert "Customer c2" not in page.text
    assert "Cap cap · Hats · €12.50 60% 25% 2.4 times" in page.text
    assert "Wig wig · Hats · €12.50 0% 17% out of stock" in page.text
    assert "Shown 2.4 times as much as it is wanted." in page.text
    assert "Neither wanted lately nor shown." in page.text and "Out of stock, so it is not shown." in page.text
    states = {row["data-state"] for row in page.all("tr") if row.get("data-state")}
    assert states == {"over", "under", "unseen", "under unseen withheld"}
    assert "Data known up to 13 Sep 2026" in page.text and "Lists by the trained model" in page.text
    assert 'class="notice' not in page.source


def test_figures_stand_beside_the_simple_rules(warehouse: Warehouse, tmp_path: Path) -> None:
    worse = {"model": {"recall@20": 0.45, "ndcg_loss": 0.6}, "baseline:own_items": {"recall@20": 0.5, "ndcg_loss": 0.5}}
    publish(warehouse, Boutique(ITEMS, CLIENTS, tried=(worse, FIGURES)))
    page = draw(warehouse, tmp_path)
    assert (
        "Of 100 items that customers wanted next, 47 were among the 20 that the trained model would have shown them. "
        "That is more than with the best simple rule, the customer's own items again: 39. Tried on 900 occasions"
    ) in page.text
    assert "The trained model on this page 47% 66% 0.250 0.400 62% 8.2" in page.text
    assert "of it, the network alone 44% – 0.220 0.370 – –" in page.text
    rules = ("of it, the network alone 44%", "The customer's own items again 39%", "What is wanted most 20%")
    assert [page.text.index(rule) for rule in rules] == sorted(page.text.index(rule) for rule in rules)
    known = page.text[page.text.index("By how much is known") :]
    assert known.index("Nothing known yet 10") < known.index("After 1 action or order 40 20")
    assert known.index("After 1 action") < known.index("After 2 to 4") < known.index("After 10+")
    assert known.index("After 10+ actions or orders 60 –") < known.index("Visitors not logged in 30 –")
    assert "14 Sep 47 39 model 13 Sep 45 50 model" in page.text
    assert "the trained model from 45 to 47, the best simple rule from 50 to 39" in page.source


def test_a_run_with_a_stored_model_shows_the_trials_it_had(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Boutique(ITEMS, CLIENTS, tried=(FIGURES, {})))
    page = draw(warehouse, tmp_path)
    assert "The published run used a stored model; it was tried on 13 Sep 2026." in page.text
    assert "Trials of the last runs" not in page.source


def test_without_trials_it_says_so(warehouse: Warehouse, tmp_path: Path) -> None:
    run = {"subject": "baseline:recent_popularity", "fallback": True}
    publish(warehouse, Boutique(ITEMS, CLIENTS, run=run, tried=()))
    page = draw(warehouse, tmp_path)
    assert "No trials yet." in page.text and "Next items found" not in page.text
    assert "Attention No trained model could be tried on the past" in page.text
    assert "Lists by a simple rule (what was wanted most lately) fallback" in page.text


def test_a_fallback_old_data_and_failed_runs_are_warned_of(warehouse: Warehouse, tmp_path: Path) -> None:
    run = {"subject": "baseline:own_items", "fallback": True, "data_until": AS_OF - timedelta(days=10)}
    publish(warehouse, Boutique(ITEMS, CLIENTS, run=run))
    with warehouse.writing() as connection:
        connection.execute(
            sa.insert(RUNS).values(
                run_id="broken", task="recommendation", slot=MORNING, as_of=AS_OF + timedelta(days=1), state="failed",
                fence=2, trigger="command", started_at=AS_OF + timedelta(days=1), error="interactions: no rows.",
            )
        )  # fmt: skip
    page = draw(warehouse, tmp_path, notes=["Regions are guessed."], now=AS_OF + timedelta(days=3))
    top = page.text[: page.text.index("3 of 4 items")]
    assert "Please note Regions are guessed." in top
    assert "The trained model did worse than a simpler rule in its trials on the past" in top
    assert "The data ends on Friday 4 September 2026, 10 days before" in top
    assert "These figures are for Monday 14 September 2026, 3 days before" in top
    assert "A later run, started 15 Sep 2026, 00:00 UTC, failed: interactions: no rows. What you see" in top
    assert "The customer's own items again on this page" in page.text and "14 Sep 47 39 fallback" in page.text


def test_the_files_beside_it_hold_all_items_and_the_sample(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    paths = files(warehouse, tmp_path, notes=["Regions are guessed."])
    names = ["html", "xlsx"]
    assert [path.name for path in paths] == [f"merchandising.{end}" for end in names] + [
        f"merchandising-{part}.csv" for part in ("items", "lists", "histories")
    ]
    items, lists, histories = (list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in paths[2:])
    assert [row["item_id"] for row in items] == ["cap", "bow", "fez", "wig", "tie"]
    assert items[0]["lists"] == "3" and float(items[0]["shown"]) == pytest.approx(0.6)
    assert items[3]["withheld"] == "out of stock"
    assert [(row["entity_id"], row["rank"], row["item_id"], row["title"]) for row in lists] == [
        ("c1", "1", "cap", "Cap"), ("c1", "2", "bow", "Bow"), ("c3", "1", "bow", "Bow"), ("s1", "1", "cap", "Cap"),
    ]  # fmt: skip
    assert [row["entity_id"] for row in histories] == ["c1"] * 2 + ["s1"] * 9
    assert histories[0]["occurred_at"] == "2026-09-13T00:00:00Z" and histories[0]["kind"] == "purchase"
    book = openpyxl.load_workbook(paths[1])
    assert book.sheetnames == ["Items", "Sample, what is shown", "Sample, what they did", "Trials", "About"]
    cells = list(book["Items"].iter_rows(values_only=True))
    assert [row[0] for row in cells[1:]] == [row["item_id"] for row in items]
    assert cells[1][cells[0].index("Lists it is on")] == 3
    assert [row[1] for row in list(book["Trials"].iter_rows(values_only=True))[1:]] == [0.47, 0.47]
    about = dict(row[:2] for row in book["About"].iter_rows(values_only=True))
    assert about["Please note"] == "Regions are guessed." and "Forecast from" not in about
    assert {path.name for path in paths[1:]} <= {link["href"] for link in Page(paths[0]).all("a")}


def test_hostile_names_stay_text(warehouse: Warehouse, tmp_path: Path) -> None:
    evil, formula = "<script>alert('x')</script>", "=cmd|'/C calc'!A0"
    clients = [
        Client('"><img src=x>', [evil, formula], [formula], region="<b>", reason="<i>because</i>"),
        Client("+1-2", [formula], kind="session", reason=formula),
    ]
    items = [thing(evil, title=None, category='"><u>'), thing(formula, 3, title="<em>", category=evil)]
    publish(warehouse, Boutique(items, clients, tried=({"baseline:<b>": {"recall@20": 0.1, "ndcg_loss": 0.9}},) * 2))
    paths = files(warehouse, tmp_path, notes=[evil])
    page = Page(paths[0])
    assert len(page.all("script")) == 1
    assert not page.all("img") and not page.all("em") and not page.all("u")
    assert evil in page.text and '"><img src=x>' in page.text and "<i>because</i>" in page.text
    sound(page, "merchandising")
    for path in paths[2:]:
        cells = [cell for row in csv.reader(path.open(encoding="utf-8", newline="")) for cell in row]
        assert cells and not [cell for cell in cells if cell.startswith(("=", "+"))]
    book = openpyxl.load_workbook(paths[1])
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize(
    ("items", "clients", "said"),
    [
        ([], [], "Nobody is shown anything. There is no list in what was published last. The shop has no items yet."),
        ([thing("fez", withheld="out of stock")], [Client("c1", [], ["fez"])], "Nobody is shown anything."),
        ([thing("fez")], [Client("c1", ["fez"])], "1 of 1 item is shown to somebody. 1 customer gets a list"),
    ],
)
def test_hardly_anything(
    warehouse: Warehouse, tmp_path: Path, items: Sequence[dict[str, Any]], clients: Sequence[Client], said: str
) -> None:
    publish(warehouse, Boutique(items, clients))
    page = draw(warehouse, tmp_path)
    assert said in page.text
    sound(page, "merchandising")


def test_it_is_labelled_and_needs_nothing_from_outside(warehouse: Warehouse, tmp_path: Path) -> None:
    more = [Client(f"c{number}", ["cap"], ["fez"]) for number in range(10, 40)]
    publish(warehouse, Boutique(ITEMS, [*CLIENTS, *more]))
    page = draw(warehouse, tmp_path, notes=["n"], extra={"tables": [ExtraTable("T", ["a"], [["x"]])]})
    sound(page, "merchandising")
    assert not re.search(r'\sstyle="|\son\w+="', page.source)
    assert "23 more of them" in page.text


def test_nothing_published_is_a_clear_error(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(ForecastingError, match="has published nothing yet"):
        draw(warehouse, tmp_path)

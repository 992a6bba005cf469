"""CRM's report from real warehouses: whom to call first and why, how warnings turned out, whether to trust it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from html_page import Page, sound
from small_clientele import AS_OF, FIGURES, Clientele, alert, bought, customer, publish

from db.engines import Warehouse
from db.tables import RUNS
from forecasting.schema import ForecastingError, Report
from reports import ExtraTable, render
from reports.risks import customers

RETENTION = Report("retention", "Customers at risk")
MORNING = AS_OF + timedelta(hours=8)

CUSTOMERS = [
    customer("calm", 0.1, 2, value=5000.0, region="Kent"),
    customer("big", 0.5, 40, value=4000.0, region="Kent"),
    customer("gone", 0.9, 64, value=1000.0, expected_next_purchase_date=None, usual_gap_days=20.6, orders=12),
    customer("once", 0.8, 120, value=200.0, orders=1, usual_gap_days=None),
    customer("seen", 0.7, 30, value=300.0),
]
ALERTS = [
    alert("once"),
    alert("gone", "delivered", 2),
    alert("seen", "acknowledged", 9, acknowledged_at=bought(8), acknowledged_by="Ann"),
    alert("calm", "closed", 12, closed_because="settled"),
    alert("left", "closed", 20, closed_because="lapsed"),
    alert("gone", "closed", 25, closed_because="superseded"),
    alert("big", "closed", 45, closed_because="settled"),
]
SHOP = Clientele(CUSTOMERS, ALERTS)


def files(warehouse: Warehouse, directory: Path, **options: Any) -> list[Path]:
    settings: dict[str, Any] = {"now": MORNING, "extra": {"gate_metric": "log_loss", "currency": "£"}}
    return render(warehouse, RETENTION, "churn", directory, **(settings | options))


def draw(warehouse: Warehouse, directory: Path, **options: Any) -> Page:
    return Page(files(warehouse, directory, **options)[0])


def test_whom_to_call_first(warehouse: Warehouse) -> None:
    """Warnings that nobody has seen to, then risk, each by value at risk; the calm come last, however rich."""
    publish(warehouse, SHOP)
    publish(warehouse, Clientele([customer("other")], [alert("big", alert_id="theirs")], task="churn-b"))
    with warehouse.reading() as connection:
        found = list(customers(warehouse, connection, "churn"))
        two = list(customers(warehouse, connection, "churn", limit=2))
    assert [one.customer_id for one in found] == ["gone", "once", "big", "seen", "calm"]
    assert [one.state for one in found] == ["high waiting", "high waiting", "medium", "high seen", "low"]
    assert two == found[:2]
    assert found[0].warning is not None and found[0].warning.state == "delivered"
    assert found[2].warning is None  # the other task's is none of ours


def test_the_page_says_whom_to_call_and_why(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path, extra={"shop": "Chapeau", "currency": "£"})
    assert (
        "Call 2 customers today. 5 customers who bought in the last 180 days are watched. 3 of them are at" in page.text
    )
    assert "at high risk of buying nothing in the next 90 days. £3,770 of yearly sales is at risk." in page.text
    assert "Warnings to see to 2 1 seen to" in page.text and "£3,770 of £10,500" in page.text
    assert (
        "1 gone 12 orders warning of 12 Sep Value at risk £900 of £1,000 last order 64 days ago +12 "
        "Last order 64 days ago usually every 21 days Next one expected not in sight Chance of leaving 90%"
    ) in page.text
    assert "2 once 1 order new warning" in page.text and "120 days ago the only one" in page.text
    assert "seen 3 orders seen to by Ann, 6 Sep" in page.text
    assert "big Kent · 3 orders Value at risk £2,000" in page.text and "24 Oct in 40 days" in page.text
    assert "High: 65% or more. Medium: 35% or more." in page.text
    assert {row["data-state"] for row in page.all("tr") if row.get("data-state")} == {
        "high waiting", "high seen", "medium", "low",
    }  # fmt: skip
    assert 'class="notice' not in page.source


def test_last_months_warnings(warehouse: Warehouse, tmp_path: Path) -> None:
    """The one replaced by a worse one does not count twice, the one of 45 days ago not at all."""
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path)
    assert (
        "Of 5 customers warned about since 15 Aug 2026, 1 has bought since, 1 has been seen to, 2 wait for somebody to "
        "see to them and 1 left without buying."
    ) in page.text


def test_an_earlier_run_beside_what_customers_did_since(warehouse: Warehouse, tmp_path: Path) -> None:
    now = [customer(f"c{number}", quiet=10 if number % 4 else 60) for number in range(40)]
    earlier = [customer(f"c{number}", 0.8 if number < 20 else 0.2) for number in range(50)]  # ten are watched no more
    publish(warehouse, Clientele(now, earlier={31: earlier, 12: earlier, 3: earlier, 200: earlier}))
    page = draw(warehouse, tmp_path)
    assert "14 Aug 2026, 31 days of 90 over" in page.text and "2 Sep 2026" not in page.text
    assert "High risk 20 15 25% 80% Low risk 30 15 50% 20% Together 50 30 40% 44%" in page.text
    assert "Of the 20 at high risk then, 25% have bought nothing in the 31 days since; of those at low" in page.text
    assert "so more of them will still buy." in page.text and "too high" not in page.text


def test_days_without_data_are_no_silence(warehouse: Warehouse, tmp_path: Path) -> None:
    """The data ends 28 days ago: a run of 31 days ago has been watched for three."""
    run = {"data_until": bought(28) - timedelta(hours=1)}
    publish(warehouse, Clientele(CUSTOMERS, earlier={31: CUSTOMERS, 60: CUSTOMERS}, run=run))
    page = draw(warehouse, tmp_path)
    assert "16 Jul 2026, 32 days of 90 over" in page.text and "14 Aug 2026" not in page.text


@pytest.mark.parametrize(
    ("active_days", "earlier", "shown"),
    [
        (180, {3: CUSTOMERS}, []),  # too young to say anything
        (30, {31: CUSTOMERS}, []),  # who is watched no more may have bought
        (180, {92: CUSTOMERS}, ["14 Jun 2026, all 90 days over"]),
        (180, {110: CUSTOMERS}, []),  # the last purchase hides whether there was one within the horizon
        (180, {31: CUSTOMERS, 92: CUSTOMERS}, ["14 Aug 2026, 31 days of 90 over", "14 Jun 2026, all 90 days over"]),
    ],
)
def test_which_earlier_runs_can_be_looked_back_at(
    warehouse: Warehouse, tmp_path: Path, active_days: int, earlier: Mapping[int, Any], shown: list[str]
) -> None:
    run = {"config": {"options": {"active_days": active_days}}}
    publish(warehouse, Clientele(CUSTOMERS, earlier=earlier, run=run))
    page = draw(warehouse, tmp_path)
    assert re.findall(r"\d+ \w+ 2026, (?:all \d+|\d+) days (?:of \d+ )?over", page.text) == shown
    assert ("There is no earlier page to look back at yet." in page.text) == (not shown)


def test_chances_and_gains_come_from_the_trials(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, SHOP)
    page = draw(warehouse, tmp_path)
    assert (
        "In trials 40% were expected to leave and 38% did. Group by group the chances were off by 2.0 points"
        in page.text
    )
    assert "Who calls the 10% most at risk reaches 19% of all who leave, 1.9 times as many as by calling" in page.text
    assert "10% called, 19% found; 20% called, 36% found; 30% called, 50% found; 50% called, 74% found." in page.text
    assert "in 75.0 of 100 such pairs the trained model" in page.text
    assert (
        "With the best simple rule, last order, number of orders and money spent, it is 74.2. Tried on 6,000"
        in page.text
    )
    assert "The trained model on this page 0.568 75.0 3.1 points 2.1 times 0.196" in page.text
    assert "of it, the network alone 0.580 74.5 4.0 points" in page.text
    assert page.text.index("Last order, number of orders and money spent 0.583") < page.text.index("How long ago they")
    assert "14 Sep 40% 40% 75.0 74.2 model 13 Sep" in page.text


def test_the_published_rules_own_chances_are_shown(warehouse: Warehouse, tmp_path: Path) -> None:
    rule = {"predicted@d1": 0.1, "observed@d1": 0.2, "predicted@d2": 0.5, "observed@d2": 0.6, "samples": 500.0}
    figures = FIGURES | {"baseline:rfm_logistic": FIGURES["baseline:rfm_logistic"] | rule}
    run = {"subject": "baseline:rfm_logistic", "fallback": True}
    publish(warehouse, Clientele(CUSTOMERS, run=run, tried=(figures,)))
    page = draw(warehouse, tmp_path)
    assert (
        "In trials 30% were expected to leave and 40% did. Group by group the chances were off by 10 points"
        in page.text
    )
    assert "Attention The trained model did worse than a simpler rule" in page.text
    assert "Chances by a simple rule (last order, number of orders and money spent) fallback" in page.text


def test_the_latest_window_is_warned_of_where_it_disagrees(warehouse: Warehouse, tmp_path: Path) -> None:
    figures = {"mean_probability": 0.47, "samples": 2787.0, "churn_rate": 0.38}
    slices = {"evaluate:2026-06-16": figures, "evaluate:2026-05-25": figures | {"churn_rate": 0.9}}
    publish(warehouse, Clientele(CUSTOMERS, slices=slices))
    page = draw(warehouse, tmp_path)
    assert "90 days from 16 Jun 2026, 38% of customers left where 47% were expected to." in page.text
    assert "may be too high" in page.text and "90%" not in page.text[: page.text.index("Whom to call")]


def test_without_trials_values_or_warnings_it_says_so(warehouse: Warehouse, tmp_path: Path) -> None:
    one = customer("c1", 0.2, 3, value=None, reasons=[], orders=1, usual_gap_days=None)
    publish(warehouse, Clientele([one], tried=(), run={"subject": "baseline:recency", "fallback": True}))
    page = draw(warehouse, tmp_path)
    assert (
        "No customer is at high risk today. 1 customer who bought in the last 180 days is watched, and is not"
        in page.text
    )
    assert "Value at risk £" not in page.text and "No trials yet." in page.text
    assert "No warning has been raised since 15 Aug 2026." in page.text
    assert "Attention No trained model could be tried on the past" in page.text
    sound(page, "retention")


def test_customers_without_a_value_stand_behind_those_with_one(warehouse: Warehouse) -> None:
    everyone = [customer("a", 0.9, value=None), customer("b", 0.7, value=10.0), customer("c", 0.95, value=None)]
    publish(warehouse, Clientele(everyone))
    with warehouse.reading() as connection:
        assert [one.customer_id for one in customers(warehouse, connection, "churn")] == ["b", "c", "a"]


def test_a_warehouse_without_a_ledger_of_alerts(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Clientele(CUSTOMERS))
    with warehouse.writing() as connection:
        connection.execute(sa.DDL("drop view current_churn_alerts"))
        connection.execute(sa.DDL("drop table churn_alerts"))
    page = draw(warehouse, tmp_path)
    assert "3 customers are at high risk." in page.text and "warned about" not in page.text


def test_old_data_and_failed_runs_are_warned_of(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Clientele(CUSTOMERS, run={"data_until": AS_OF - timedelta(days=10)}))
    with warehouse.writing() as connection:
        connection.execute(
            sa.insert(RUNS).values(
                run_id="broken", task="churn", slot=MORNING, as_of=AS_OF + timedelta(days=1), state="failed",
                fence=2, trigger="command", started_at=AS_OF + timedelta(days=1), error="orders: no rows.",
            )
        )  # fmt: skip
    page = draw(warehouse, tmp_path, notes=["Values are guessed."], now=AS_OF + timedelta(days=3))
    top = page.text[: page.text.index("3 customers are at high risk")]
    assert "Please note Values are guessed." in top and "10 days before" in top and "3 days before" in top
    assert "failed: orders: no rows. What you see" in top


def test_the_files_beside_it_hold_everybody(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, Clientele(CUSTOMERS, ALERTS, earlier={31: CUSTOMERS}))
    paths = files(warehouse, tmp_path, extra={"rows": 2})
    assert [path.name for path in paths] == [
        "retention.html", "retention.xlsx", "retention-customers.csv", "retention-warnings.csv",
    ]  # fmt: skip
    every, warned = (list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in paths[2:])
    assert [row["customer_id"] for row in every] == ["gone", "once", "big", "seen", "calm"]
    assert [row["customer_id"] for row in warned] == ["gone", "once", "seen"]
    assert every[0]["reasons"] == "last order 64 days ago (+12)" and every[0]["probability"] == "0.9"
    assert every[0]["expected_next_purchase_date"] == "" and every[0]["last_purchase_at"] == "2026-07-12T00:00:00Z"
    assert (every[3]["alert_state"], every[3]["acknowledged_by"]) == ("acknowledged", "Ann")
    book = openpyxl.load_workbook(paths[1])
    assert book.sheetnames == [
        "Customers", "How it turned out", "Do chances come true", "Trials", "Trials of the last runs", "About",
    ]  # fmt: skip
    assert [cell.value for cell in book["Customers"]["A"]] == ["Customer", "gone", "once", "big", "seen", "calm"]
    assert [cell.value for cell in book["How it turned out"]["E"]] == ["Customers", 3, 1, 1]
    page = Page(paths[0])
    assert "2 of 5; all of them in the files." in page.text and "seen to by Ann" not in page.text


def test_hostile_names_stay_text(warehouse: Warehouse, tmp_path: Path) -> None:
    evil, formula = "<script>alert('x')</script>", "=cmd|'/C calc'!A0"
    reasons = [{"text": evil, "effect": 0.1}, {"text": formula}, {"fact": "no text"}, evil, {"text": 3}]
    everyone = [
        customer('"><img src=x>', 0.9, region=formula, reasons=reasons),
        customer(formula, 0.8, region='"><u>', reasons={"not": "a list"}),
    ]
    alerts = [alert(formula, "acknowledged", acknowledged_at=AS_OF, acknowledged_by="<em>+1-2</em>")]
    tried = ({"baseline:<b>": {"auc": 0.6, "log_loss": 0.9}, "model": {"auc": 0.5}},) * 2
    publish(warehouse, Clientele(everyone, alerts, tried=tried))
    paths = files(warehouse, tmp_path, notes=[evil])
    page = Page(paths[0])
    assert len(page.all("script")) == 1
    assert not page.all("img") and not page.all("em") and not page.all("u")
    assert evil in page.text and '"><img src=x>' in page.text and "<em>+1-2</em>" in page.text
    sound(page, "retention")
    for path in paths[2:]:
        cells = [cell for row in csv.reader(path.open(encoding="utf-8", newline="")) for cell in row]
        assert cells and not [cell for cell in cells if cell.startswith(("=", "+"))]
    book = openpyxl.load_workbook(paths[1])
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_it_is_labelled_and_needs_nothing_from_outside(warehouse: Warehouse, tmp_path: Path) -> None:
    earlier = {31: CUSTOMERS, 92: CUSTOMERS}
    publish(warehouse, Clientele(CUSTOMERS, ALERTS, earlier=earlier))
    page = draw(warehouse, tmp_path, notes=["n"], extra={"tables": [ExtraTable("T", ["a"], [["x"]])]})
    sound(page, "retention")
    assert not re.search(r'\sstyle="|\son\w+="', page.source)
    notes = {attributes["href"] for attributes in page.all("a") if (attributes.get("href") or "").startswith("#n")}
    assert notes == {f"#n{number}" for number in range(1, 10)}


def test_nothing_published_is_a_clear_error(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(ForecastingError, match="has published nothing yet"):
        draw(warehouse, tmp_path)

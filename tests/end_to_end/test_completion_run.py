"""Open orders as customer service meets them, on both databases: from files to promised times and what came of them."""

from __future__ import annotations

import open_orders
import pandas as pd
import pytest
from open_orders import DAY, END
from program import Program
from shell import Shell


class Completion(Shell):
    """What logistics does with it."""

    task = "completion"

    def load(self, tables: dict[str, pd.DataFrame], options: str = open_orders.FAST) -> None:
        """From files into the warehouse."""
        for source, file in open_orders.write(self.program.directory, tables, options).items():
            self("load", source, str(file))

    def page(self) -> str:
        """The report as it stands."""
        return (self.program.directory / "var/reports/completion/fulfilment.html").read_text()


@pytest.fixture
def shell(program: Program, monkeypatch: pytest.MonkeyPatch) -> Completion:
    monkeypatch.chdir(program.directory)
    return Completion(program)


def test_nights_of_a_shop(shell: Completion) -> None:
    shop = open_orders.shop()
    shell.load(shop.known(END))
    checked = shell.document("check")
    assert checked["tasks"][0]["ready"]

    said = shell.night(END)
    first = shell.view("current_order_completions")
    kept(first, shop, END, shell.view("current_stalled_orders"))
    assert said["published"] and said["rows"]["order_completions"] == len(first)
    outcome = shell.view("current_completed_orders")
    recent = shop.orders[shop.orders["completed_at"].between(END - 35 * DAY, END, inclusive="left")]
    assert set(outcome["order_id"]) == set(recent["order_id"].astype(str))
    routes = shell.view("current_route_times")
    assert routes["open"].sum() >= len(first) and routes["median_days"].notna().any()
    assert "north" in shell.page() or "South" in shell.page().title()

    # Nine nights later: what arrived is gone, what was placed since is there, and the page looks back.
    later = END + 9 * DAY
    shell.load(shop.known(later))
    shell.night(later)
    second = shell.view("current_order_completions")
    kept(second, shop, later, shell.view("current_stalled_orders"))
    gone = set(first["order_id"]) - set(second["order_id"])
    arrived = shop.orders[shop.orders["completed_at"].between(END, later)]["order_id"].astype(str)
    assert gone and gone <= set(arrived) | set(shell.view("current_stalled_orders")["order_id"])
    shell("run", "completion", "--as-of", str(later.date()), "--slot", str(later.date()), code=5)


def kept(rows: pd.DataFrame, shop: open_orders.Shop, until: pd.Timestamp, stalled: pd.DataFrame) -> None:
    """What every row promises its reader; what is stalled has none."""
    open_ids = set(shop.open(until)["order_id"].astype(str))
    assert set(rows["order_id"]) | set(stalled["order_id"]) == open_ids
    assert not set(rows["order_id"]) & set(stalled["order_id"]) and len(rows) > len(stalled)
    assert rows["order_id"].is_unique and (rows["as_of"] == until).all()
    assert (rows["completes_p10"] > until).all() and (rows["completes_p10"] <= rows["completes_p50"]).all()
    assert (rows["completes_p50"] <= rows["completes_p90"]).all() and rows["late_probability"].between(0, 1).all()
    events = shop.known(until)["order_events"].assign(order_id=lambda frame: frame["order_id"].astype(str))
    latest = events.groupby("order_id")["status"].last()
    assert (rows["stage"] == rows["order_id"].map(latest).fillna("placed")).all()
    orders = shop.orders.assign(order_id=shop.orders["order_id"].astype(str)).set_index("order_id")
    assert (rows["promised_at"].to_numpy() == orders.loc[rows["order_id"], "promised_at"].to_numpy()).all()
    overdue = rows["promised_at"] + DAY < until  # the promise of a day is kept until its end
    assert (rows.loc[overdue, "late_probability"] == 1).all()


def test_backtest_has_a_row_for_every_status_event(shell: Completion) -> None:
    shop = open_orders.shop()
    shell.load(shop.known(END + 12 * DAY))
    span = ("--from", "2024-05-01", "--to", "2024-05-20", "--refit", "10", "--out", "said")
    outcome = shell.document("backtest", "completion", *span, code=(0, 3))
    said = pd.read_parquet(shell.program.directory / "said" / "order_completions.parquet")
    placed = shop.orders[shop.orders["placed_at"].between(pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-20"))]
    stages = pd.concat(
        [
            placed[["order_id", "placed_at"]].rename(columns={"placed_at": "at"}).assign(stage="placed"),
            shop.order_events[shop.order_events["order_id"].isin(placed["order_id"])].rename(
                columns={"occurred_at": "at", "status": "stage"}
            ),
        ]
    ).astype({"order_id": str})
    merged = said.assign(at=said["as_of"].dt.tz_localize(None)).merge(stages, on=["order_id", "stage", "at"])
    assert len(merged) == len(said) == len(stages), "each once, at its own time"
    assert (said["cutoff"] > said["as_of"]).all() and (said["cutoff"] - said["as_of"] < pd.Timedelta("1s")).all()
    assert outcome["cases"] == len(said) and {"model", "baseline:route", "baseline:promise"} <= {
        row["subject"] for row in outcome["metrics"]
    }
    assert shell.view("runs").empty, "nothing is published"


def test_too_little_to_learn_from_publishes_a_baseline(shell: Completion) -> None:
    shop = open_orders.shop(orders=150)
    shell.load(shop.known(END))
    run = shell.night(END, code=3)
    assert run["published"] and run["fallback"] and run["subject"] == "baseline:route"
    assert run["reason"].startswith("not_enough_data: ")
    kept(shell.view("current_order_completions"), shop, END, shell.view("current_stalled_orders"))


def test_one_order_alone_and_none(shell: Completion) -> None:
    orders = pd.DataFrame({"order_id": [1], "placed_at": ["2024-05-31 10:00"]})
    shell.load({"orders": orders[:0]}, "[tasks.completion]\n")
    checked = shell.document("check", code=4)
    assert not checked["tasks"][0]["ready"] and "there are no rows" in checked["tasks"][0]["problem"]
    shell.load({"orders": orders}, "[tasks.completion]\n")
    run = shell.night(END, code=3)
    (row,) = shell.view("current_order_completions").to_dict("records")
    assert run["published"] and row["order_id"] == "1" and row["stage"] == "placed"
    assert pd.isna(row["late_probability"]) and row["completes_p10"] > END
    assert "1" in shell.page()


def test_nothing_open_and_still_what_was_completed(shell: Completion) -> None:
    shop = open_orders.shop(orders=150)
    tables = shop.known(END)
    tables["orders"] = tables["orders"][tables["orders"]["completed_at"].notna()]
    shell.load(tables)
    run = shell.night(END, code=3)
    assert run["published"] and shell.view("current_order_completions").empty
    since = tables["orders"]["completed_at"] >= END - 35 * DAY
    outcome = shell.view("current_completed_orders")
    assert set(outcome["order_id"]) == set(tables["orders"][since]["order_id"].astype(str)) and len(outcome)
    assert run["rows"]["completed_orders"] == len(outcome) and not shell.view("current_route_times").empty
    shell.page()

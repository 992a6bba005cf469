"""The demo's data: every line lands, rules are kept, and the simulated warehouse sees nothing of the future."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import Result

from forecasting.app import invoices, simulated_fulfilment, simulated_supply
from forecasting.app.acts import AS_OF
from forecasting.app.demo import ROWS


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    return invoices.read_lines()


@pytest.fixture(scope="module")
def tables(lines: pd.DataFrame) -> dict[str, pa.Table]:
    return invoices.canonical_tables(lines, invoices.read_titles())


def test_every_line_lands_and_every_table_has_the_rows_that_the_demo_expects(
    lines: pd.DataFrame, tables: dict[str, pa.Table]
) -> None:
    everything = tables | simulated_supply.simulate(lines, AS_OF)
    everything |= simulated_fulfilment.simulate(tables["orders"], tables["order_lines"])
    assert {name: table.num_rows for name, table in everything.items()} == ROWS
    assert ROWS["order_lines"] == 541_909
    assert pc.sum(tables["order_lines"]["quantity"]).as_py() == 5_176_450
    assert pc.sum(pc.less(tables["order_lines"]["quantity"], 0)).as_py() == 10_624
    assert tables["orders"]["customer_id"].null_count == 3_710


def test_postage_and_vouchers_are_lines_but_no_items(tables: dict[str, pa.Table]) -> None:
    items = set(tables["items"]["item_id"].to_pylist())
    sold = set(tables["order_lines"]["item_id"].to_pylist())
    assert {"POST", "DOT", "M", "D", "S", "B", "AMAZONFEE", "GIFT_0001_20"} <= sold - items
    assert {"85123A", "DCGS0003", "PADS"} <= items
    assert set(tables["order_lines"]["order_id"].to_pylist()) == set(tables["orders"]["order_id"].to_pylist())


def test_an_order_taken_back_whole_within_a_day_counts_as_cancelled() -> None:
    def line(invoice: str, item: str, quantity: float, time: str, customer: str | None = "1") -> dict[str, object]:
        return {
            "invoice_id": invoice,
            "item_id": item,
            "quantity": quantity,
            "timestamp": pd.Timestamp(time),
            "unit_price": 1.0,
            "customer_id": customer,
            "country": "X",
            "is_cancel": int(invoice.startswith("C")),
        }

    frame = pd.DataFrame(
        [
            line("1", "10001", 5, "2011-01-03 09:00"),
            line("1", "10002", 2, "2011-01-03 09:00"),
            line("C2", "10001", -5, "2011-01-03 10:00"),
            line("C3", "10002", -2, "2011-01-03 11:00"),
            line("4", "10001", 7, "2011-01-04 09:00"),  # half of it comes back
            line("4", "10002", 7, "2011-01-04 09:00"),
            line("C5", "10001", -7, "2011-01-04 10:00"),
            line("6", "10003", 1, "2011-01-05 09:00"),  # comes back a week later: a return
            line("C7", "10003", -1, "2011-01-12 09:00"),
            line("8", "10004", 1, "2011-01-05 09:00", None),  # nobody knows whose
            line("C9", "10004", -1, "2011-01-05 10:00", None),
        ]
    )
    titles = pd.DataFrame({"item_id": ["10001"], "description": ["BIRD"]})
    orders = invoices.canonical_tables(frame, titles)["orders"].to_pandas().set_index("order_id")
    cancelled = orders["cancelled_at"].dropna()
    assert list(cancelled.index) == ["1"]
    assert cancelled["1"] == pd.Timestamp("2011-01-03 11:00", tz="UTC")


def test_the_birds_are_cancelled(tables: dict[str, pa.Table]) -> None:
    orders = tables["orders"].to_pandas().set_index("order_id")
    assert orders.loc["581483", "cancelled_at"] == pd.Timestamp("2011-12-09 09:27", tz="UTC")
    assert orders.loc["541431", "cancelled_at"] > orders.loc["541431", "placed_at"]


def test_the_simulated_warehouse_sees_nothing_of_the_future_and_is_always_the_same(lines: pd.DataFrame) -> None:
    altered = lines.copy()
    later = altered["timestamp"] >= pd.Timestamp(AS_OF)
    altered.loc[later, "quantity"] = 1e6
    altered.loc[later, "unit_price"] = 1e3
    once, again = simulated_supply.simulate(lines, AS_OF), simulated_supply.simulate(altered, AS_OF)
    assert all(once[name].equals(again[name]) for name in once)
    stock, supply = once["stock"], once["supply"]
    counted = stock["observed_at"].unique().to_pylist()
    assert len(counted) == 1 and np.datetime64(counted[0].replace(tzinfo=None)) < AS_OF
    assert pc.min(stock["on_hand"]).as_py() >= 0 and pc.min(stock["on_order"]).as_py() >= 0
    packs = supply["order_multiple"].to_numpy()
    assert np.all(stock["on_order"].to_numpy() % packs == 0)
    short = pc.mean(pc.equal(stock["on_hand"], 0).cast(pa.float64())).as_py()
    assert 0.01 < short < 0.25, "some shelves are empty, most are not"


def test_simulated_parcels_go_through_their_stages_in_order(tables: dict[str, pa.Table]) -> None:
    made = simulated_fulfilment.simulate(tables["orders"], tables["order_lines"])
    orders = made["orders"].to_pandas().set_index("order_id")
    events = made["order_events"].to_pandas()
    at = {status: group.set_index("order_id")["occurred_at"] for status, group in events.groupby("status")}
    assert set(at) == {"packed", "shipped"} and not events.duplicated(["order_id", "status"]).any()
    parcels = orders.loc[at["shipped"].index]
    arrived = parcels[parcels["completed_at"].notna()]
    assert (at["packed"] > orders.loc[at["packed"].index, "placed_at"]).all()
    assert (at["shipped"] >= at["packed"].reindex(at["shipped"].index)).all()
    assert (arrived["completed_at"] > at["shipped"].reindex(arrived.index)).all()
    assert (arrived["completed_at"].dt.dayofweek != 6).all() and arrived["completed_at"].dt.hour.between(8, 18).all()
    assert 0.002 < 1 - len(arrived) / len(parcels) < 0.006, "one in 250 is lost"
    late = arrived["completed_at"] > arrived["promised_at"]
    assert 0.02 < late.mean() < 0.15
    cancelled = orders[orders["cancelled_at"].notna() & orders["promised_at"].notna()]
    assert cancelled["completed_at"].isna().all() and not set(cancelled.index) & set(at["shipped"].index)
    assert (orders.loc[orders.index.str.startswith("C"), "completed_at"].notna()).all()
    again = simulated_fulfilment.simulate(tables["orders"], tables["order_lines"])
    assert all(made[name].equals(again[name]) for name in made)


def test_the_demo_leaves_a_warehouse_with_other_data_alone(shop: Path, forecasting: Callable[..., Result]) -> None:
    (shop / "items.csv").write_text("item_id,title\n1,Mine\n", encoding="utf-8")
    assert forecasting("load", "items", "items.csv").exit_code == 0
    result = forecasting("demo")
    assert result.exit_code == 2 and "items" in result.stderr and "--warehouse sqlite:///var/demo.db" in result.stderr

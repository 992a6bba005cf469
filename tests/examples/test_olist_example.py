"""examples/olist: raw tables under their own names, read as they stand on both databases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import olist_tables
import pandas as pd
import pytest
from foreign_warehouse import EXAMPLES, Foreign, create, fill, source_url
from made_up_orders import instants, made_up

ZONE = "America/Sao_Paulo"
TODAY = pd.Timestamp.now(tz="UTC").tz_localize(None).floor("D")
DAY = pd.Timedelta("1D")
FEATURES = ("origin_region", "freight", "seller_count", "volume_cm3")


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    """Up to the evening before yesterday: all of it past, wherever the test runs."""
    return made_up(420, TODAY - DAY)


def opened(url: str, directory: Path) -> Foreign:
    config = EXAMPLES / "olist" / "forecasting.toml"
    return Foreign(config, "OLIST_URL", source_url(url, directory), url, directory)


@pytest.fixture
def olist(warehouse_url: str, tmp_path: Path, orders: pd.DataFrame) -> Foreign:
    """The tables as Kaggle's files have them, and the views over them."""
    shop = opened(warehouse_url, tmp_path)
    fill(shop.source, (EXAMPLES / "olist" / "tables.sql").read_text(), olist_tables.tables(orders))
    return shop


def test_orders_and_events_are_read_as_they_were_meant(olist: Foreign, orders: pd.DataFrame) -> None:
    expected = orders.set_index("o" + orders["number"].astype(str))
    read = olist.read("orders", *FEATURES).set_index("order_id").loc[expected.index]
    for column, local in (("placed_at", "placed"), ("completed_at", "arrived"), ("promised_at", "promised")):
        pd.testing.assert_series_equal(read[column], instants(expected[local], ZONE), check_names=False)
    assert list(read["customer_id"]) == list("u" + expected["customer"].astype(str))
    assert list(read["destination_region"]) == list(olist_tables.STATES[expected["region"]])

    bare = read.loc["o1003"]
    assert bare[["origin_id", "origin_region", "value", "freight", "seller_count", "volume_cm3"]].isna().all()
    rest = read.drop(index="o1003")
    made = expected.drop(index="o1003")
    assert list(rest["origin_id"]) == list("s" + made["origin"].astype(str))
    np.testing.assert_allclose(rest["value"], made["price"] * made["units"])
    np.testing.assert_allclose(rest["freight"], 7.5 * made["units"])
    assert list(rest["seller_count"]) == list(1 + (made["units"] == 3))
    unknown = made["number"] % 8 == 7
    assert list(rest["volume_cm3"].isna()) == list(unknown)
    assert (rest["volume_cm3"][~unknown] == 6000 * made["units"][~unknown]).all()

    events = olist.read("order_events").set_index(["status", "order_id"])["occurred_at"].sort_index()
    for status, local in (("approved", "accepted"), ("shipped", "sent")):
        there = expected[local].dropna().sort_index()
        pd.testing.assert_series_equal(events[status], instants(there, ZONE), check_names=False)
    assert set(events.index.get_level_values(0)) == {"approved", "shipped"}


def test_coordinates_come_from_the_map_of_zip_codes(olist: Foreign) -> None:
    places = olist_tables.PLACES
    read = olist.read("orders").groupby("destination_region")[["destination_latitude", "destination_longitude"]].mean()
    assert read.loc["AM"].isna().all()
    for state in ("SP", "RJ", "BA"):
        assert tuple(read.loc[state]) == pytest.approx(places[state]), "the point abroad is left out"
    people = olist.read("customers").set_index("customer_id")
    assert people.index.is_unique and len(people) == 60


def test_tables_with_coordinates_of_their_own_need_no_views(
    olist: Foreign, warehouse_url: str, tmp_path: Path, orders: pd.DataFrame
) -> None:
    """The promise is a date there, not a midnight."""
    kaggle = olist.read("orders", *FEATURES)
    olist_tables.drop(olist.source)
    create(olist.source, olist_tables.with_coordinates(olist_tables.tables(orders)))
    plain = olist.read("orders", *FEATURES)
    on_map = ["destination_latitude", "destination_longitude", "origin_latitude", "origin_longitude"]
    for read in (plain, kaggle):
        read.sort_values("order_id", ignore_index=True, inplace=True)
        read[on_map] = read[on_map].round(9)
    pd.testing.assert_frame_equal(plain, kaggle)


def test_what_is_cancelled_by_now_was_not_known_of_before(olist: Foreign, orders: pd.DataFrame) -> None:
    read = olist.read("orders").set_index("order_id")["cancelled_at"]
    cancelled = set("o" + orders["number"][orders["cancelled"] & orders["arrived"].isna()].astype(str))
    assert len(cancelled) > 3 and set(read.dropna().index) == cancelled
    assert (read.dropna() < TODAY.tz_localize("UTC")).all(), "tonight's cutoff sees it"
    assert (read.dropna() > (TODAY - DAY).tz_localize("UTC")).all(), "no earlier one does"


def test_check_says_what_there_is_and_what_is_missing(olist: Foreign) -> None:
    found = olist.document("check")
    sources = {source["source"]: source for source in found["sources"]}
    assert {name for name, source in sources.items() if source["state"] == "absent"} == {"calendar", "weather"}
    assert not any(source["bad"] or source["problems"] for source in sources.values())
    assert sources["orders"]["timezone"] == sources["order_events"]["timezone"] == ZONE
    assert set(sources["order_events"]["values"]["status"]) == {"approved", "shipped"}
    assert 0.8 < sources["orders"]["filled"]["completed_at"] < 1 and "placed_at" not in sources["orders"]["filled"]
    (task,) = found["tasks"]
    assert task["ready"], task["problem"]
    said = " ".join(task["notes"])
    assert "runs without weather" in said and "promised_at" not in said and "coordinates" not in said
    assert "America/Sao_Paulo" in olist("check")


def test_a_night(olist: Foreign, orders: pd.DataFrame) -> None:
    run = olist.document("run", "completion", code=(0, 3))["runs"][0]
    assert run["published"]
    rows = olist.view("current_order_completions").set_index("order_id")
    alive = orders[orders["arrived"].isna() & ~orders["cancelled"]]
    young = alive["placed"] > TODAY - 20 * DAY
    keys = "o" + alive["number"].astype(str)
    assert set(keys[young]) <= set(rows.index) <= set(keys), "open orders, the lost and the cancelled aside"
    assert set(rows["stage"]) <= {"placed", "approved", "shipped"}
    assert (rows["as_of"] <= rows["completes_p10"]).all() and rows["late_probability"].between(0, 1).all()
    past = rows["promised_at"] + DAY <= rows["as_of"]
    assert past.any() and (rows["late_probability"][past] == 1).all()

    # what was cancelled since is expected to arrive by a forecast of the past
    before = TODAY - 3 * DAY
    olist("run", "completion", "--as-of", str(before.date()), "--force", code=(0, 3))
    then = set(olist.view("current_order_completions")["order_id"])
    fresh = orders["cancelled"] & orders["placed"].between(before - 20 * DAY, before - DAY)
    assert set("o" + orders["number"][fresh].astype(str)) <= then

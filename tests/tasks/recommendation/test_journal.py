"""Journals from sources: who did what in which order, whatever the tables look like."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from recommendation_shops import (
    DAY,
    HOUR,
    MINUTE,
    START,
    as_table,
    ids,
    interactions_table,
    items_table,
    journal_of_orders,
    journal_of_sessions,
    orders_tables,
    random_interactions,
    random_orders,
    stamps,
)

from forecasting.clock import visible
from forecasting.schema import ConfigurationError, DataError
from tasks.recommendation.assemble import assemble, needs
from tasks.recommendation.journal import CART, CUSTOMER, PURCHASE, SESSION, VIEW
from tasks.recommendation.options import RecommendationOptions

OPTIONS = RecommendationOptions()
US = np.timedelta64(1, "us")


def of(rows, **sources):
    return assemble({"interactions": interactions_table(rows), **sources}, OPTIONS)


def entity(journal, kind, name):
    return int(np.flatnonzero((journal.kind == kind) & (journal.ids == name))[0])


def rows_of(journal, who, cutoff=None):
    begin = journal.events.offsets[who]
    end = journal.events.offsets[who + 1]
    if cutoff is not None:
        end = journal.events.stop(np.array([who]), np.array([cutoff]))[0]
    return slice(int(begin), int(end))


def items_of(journal, who, cutoff=None):
    return journal.catalogue.ids[journal.events.columns["item"][rows_of(journal, who, cutoff)]].tolist()


def test_sessions_in_order():
    journal = journal_of_sessions([["b", "a"], ["a", "c", "a"]], kinds=[["view", "cart"], ["view", "purchase", "view"]])
    assert journal.ids.tolist() == ["s0000", "s0001"] and journal.kind.tolist() == [SESSION, SESSION]
    assert journal.catalogue.ids.tolist() == ["a", "b", "c"] and journal.catalogue.listed.all()
    columns = journal.events.columns
    assert columns["item"].tolist() == [1, 0, 0, 2, 0]
    assert columns["kind"].tolist() == [VIEW, CART, VIEW, PURCHASE, VIEW]
    assert columns["seen"].tolist() == [0, 1, 0, 1, 2]
    assert columns["step"].tolist() == [0, 1, 2, 3, 4] and journal.step_row.tolist() == [0, 1, 2, 3, 4, 5]
    assert journal.catalogue.known_from[0] == START + HOUR


def test_an_order_is_one_step_and_seen_counts_orders():
    journal = journal_of_orders({"x": [["a", "b"], ["a"]], "y": [["c", "c", "b"]]})
    assert journal.kind.tolist() == [CUSTOMER, CUSTOMER]
    assert journal.step_row.tolist() == [0, 2, 3, 6]
    assert journal.events.columns["seen"].tolist() == [0, 0, 1, 0, 0, 0]
    assert set(journal.events.columns["session"].tolist()) == {-1}
    assert set(journal.events.columns["kind"].tolist()) == {PURCHASE}


def test_equal_instants_keep_the_order_of_the_source_a_microsecond_apart():
    journal = of([("x", "s", item, START) for item in "dbca"] + [("x", "s", "e", START + 2 * US)])
    assert items_of(journal, 0) == ["d", "b", "c", "a", "e"]
    assert (np.diff(journal.events.occurred_at) == US).all()
    assert items_of(journal, 0, START + US) == ["d"]


def test_events_of_a_customer_without_sessions_at_one_instant_are_one_step():
    rows = [("x", None, item, START) for item in "ab"] + [("x", None, "c", START + HOUR)]
    journal = of(rows)
    assert journal.step_row.tolist() == [0, 2, 3]
    assert journal.events.columns["seen"].tolist() == [0, 1, 2]  # source rows, as there are no orders
    assert journal.events.columns["session"].tolist() == [-1, -1, -1]


def test_duplicates_stay():
    journal = of([("x", "s", "a", START)] * 3 + [("x", "s", "a", START + DAY)])
    assert journal.events.columns["seen"].tolist() == [0, 1, 2, 3]
    assert journal.step_row.tolist() == [0, 1, 2, 3, 4]


def test_ids_that_look_alike_are_different_entities_and_sessions():
    rows = [("7", "7", "a", START), (None, "7", "b", START), ("8", "7", "c", START), ("7", "7", "7", START + HOUR)]
    journal = of(rows)
    assert list(zip(journal.kind.tolist(), journal.ids.tolist(), strict=True)) == [
        (CUSTOMER, "7"),
        (CUSTOMER, "8"),
        (SESSION, "7"),
    ]
    assert items_of(journal, 0) == ["a", "7"] and items_of(journal, 2) == ["b"]
    session = journal.events.columns["session"]
    assert len({int(session[0]), int(session[2]), int(session[3])}) == 3 and session[0] == session[1]
    assert journal.events.columns["seen"].tolist() == [0, 1, 0, 0]


def test_rows_of_neither_customer_nor_session_are_nobody_known():
    journal = of([(None, None, "a", START), (None, None, "a", START), ("x", None, "b", START)])
    assert journal.kind.tolist() == [CUSTOMER, SESSION, SESSION]
    assert journal.ids.tolist() == ["x", "", ""]
    assert journal.events.lengths.tolist() == [1, 1, 1]


def test_sessions_of_one_customer_may_interleave():
    rows = [("x", "ab"[n % 2], "item", START + n * MINUTE) for n in range(6)]
    journal = of(rows)
    assert journal.events.columns["seen"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_customer_with_50000_events():
    many = [("x", "s", f"i{n % 7}", START + (n // 3) * US) for n in range(50_000)]
    journal = of([*many, ("y", "t", "i0", START)])
    assert journal.events.lengths.tolist() == [50_000, 1]
    assert (np.diff(journal.events.occurred_at[:50_000]) >= US).all()
    assert journal.events.columns["seen"][49_999] == 49_999


@pytest.mark.parametrize("orders", [False, True])
def test_an_empty_shop(orders):
    sources = orders_tables([]) if orders else {"interactions": interactions_table([])}
    journal = assemble(sources, OPTIONS)
    assert (len(journal), len(journal.catalogue), len(journal.events.occurred_at)) == (0, 0, 0)
    assert journal.step_row.tolist() == [0]


def test_a_catalogue_that_nobody_touched():
    items = items_table(["b", "a"], introduced_at=stamps([START + DAY, "NaT"]), title=["B", None])
    journal = of([("x", "s", "c", START + 5 * DAY)], items=items)
    catalogue = journal.catalogue
    assert catalogue.ids.tolist() == ["a", "b", "c"] and catalogue.listed.tolist() == [True, True, False]
    assert catalogue.known(START + 2 * DAY).tolist() == [False, True, False]
    assert catalogue.known(START + 5 * DAY + US).tolist() == [True, True, True]
    assert catalogue.title.tolist() == [None, "B", None]


def test_an_item_touched_before_it_was_announced_exists_from_then_on():
    items = items_table(["a"], introduced_at=stamps([START + 9 * DAY]))
    catalogue = of([("x", "s", "a", START)], items=items).catalogue
    assert catalogue.known(START).tolist() == [False] and catalogue.known(START + US).tolist() == [True]


def test_what_nobody_touched_and_nothing_dates_is_old_stock():
    journal = of([("x", "s", "a", START), ("x", "s", "b", START + DAY)], items=items_table(["a", "b", "c"]))
    assert journal.catalogue.known_from.tolist() == [START, START + DAY, START]


def test_the_first_known_version_of_an_item_counts():
    items = items_table(
        ["a", "a", "b"],
        category=["new", "old", "old"],
        known_at=stamps([START + 9 * DAY, START, "NaT"]),
        price=[2.0, 1.0, 3.0],
    )
    catalogue = of([("x", "s", "b", START + DAY)], items=items).catalogue
    assert catalogue.price.tolist() == [1.0, 3.0]
    assert catalogue.categories["category"].tolist() == ["old"] and catalogue.labels["category"].tolist() == [0, 0]
    assert catalogue.labels["brand"].tolist() == [-1, -1]
    assert catalogue.known(START).tolist() == [True, False]  # known_at <= cutoff


def test_returns_and_unknown_orders_make_no_step():
    tables = orders_tables([("1", "x", START, ["a", ("b", -1.0, 2.0)]), ("2", "x", START + DAY, [("a", -1.0, 2.0)])])
    lines = pa.concat_tables(
        [tables["order_lines"], orders_tables([("9", "x", START, ["z"])])["order_lines"]]
    ).unify_dictionaries()
    journal = assemble({**tables, "order_lines": lines}, OPTIONS)
    assert items_of(journal, 0) == ["a"] and journal.step_row.tolist() == [0, 1]
    assert journal.catalogue.ids.tolist() == ["a"]


def test_an_order_of_nobody_is_a_session_of_one_step():
    journal = assemble(orders_tables([("1", None, START, ["a", "b"]), ("2", "x", START, ["a"])]), OPTIONS)
    assert journal.kind.tolist() == [CUSTOMER, SESSION] and journal.ids.tolist() == ["x", "1"]
    assert journal.step_row.tolist() == [0, 1, 3]


def test_several_orders_at_one_instant_are_several_steps():
    journal = assemble(orders_tables([("2", "x", START, ["a", "b"]), ("1", "x", START, ["c", "d"])]), OPTIONS)
    assert journal.step_row.tolist() == [0, 2, 4]
    assert journal.events.columns["seen"].tolist() == [0, 0, 1, 1]
    at = journal.events.occurred_at
    assert at[0] == at[1] and at[2] == at[3] == at[0] + US


def test_late_rows_count_from_when_they_became_known():
    known = stamps([START + 3 * DAY] * 3 + [START + DAY])
    rows = [("x", "s", item, START + (2 - n) * HOUR) for n, item in enumerate("cba")] + [("x", "s", "d", START + DAY)]
    journal = assemble({"interactions": interactions_table(rows, known_at=known)}, OPTIONS)
    assert items_of(journal, 0) == ["d", "a", "b", "c"]  # the late ones in the order in which they happened
    assert items_of(journal, 0, START + 3 * DAY - np.timedelta64(1, "s")) == ["d"]
    assert items_of(journal, 0, START + 3 * DAY) == ["d", "a", "b", "c"]


def test_a_late_line_is_a_step_of_its_own_after_its_order():
    tables = orders_tables([("1", "x", START, ["a", "b"]), ("2", "x", START + DAY, ["c"])])
    lines = tables["order_lines"].append_column("known_at", stamps([START, START + 2 * DAY, "NaT"]))
    journal = assemble({**tables, "order_lines": lines}, OPTIONS)
    assert items_of(journal, 0) == ["a", "c", "b"]
    assert journal.events.columns["seen"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_what_a_cutoff_sees_is_what_the_clock_says(seed):
    random = np.random.default_rng(seed)
    columns = random_interactions(random)
    journal = assemble({"interactions": as_table(columns)}, OPTIONS)
    cutoff = START + int(random.integers(1, 25)) * DAY - seed % 3 * HOUR
    seen = visible(columns["occurred_at"], columns["known_at"], cutoff)
    kinds = {None: SESSION}
    expected: dict[tuple, list] = {}
    for customer, session, item, row in zip(
        columns["customer_id"], columns["session_id"], columns["item_id"], np.arange(len(seen)), strict=True
    ):
        if seen[row] and not (customer is None and session is None):
            who = (kinds.get(customer, CUSTOMER), str(session if customer is None else customer))
            at = (
                max(columns["occurred_at"][row], columns["known_at"][row] - US)
                if (columns["known_at"][row] > columns["occurred_at"][row])
                else columns["occurred_at"][row]
            )
            expected.setdefault(who, []).append((at, columns["occurred_at"][row], row, str(item)))
    found = {}
    for who in range(len(journal)):
        own = items_of(journal, who, cutoff)
        if own and journal.ids[who]:
            found[(int(journal.kind[who]), journal.ids[who])] = own
    assert found == {who: [item for *_, item in sorted(rows)] for who, rows in expected.items()}


@pytest.mark.parametrize("seed", range(10))
def test_orders_are_steps_as_the_clock_says(seed):
    random = np.random.default_rng(seed)
    columns = random_orders(random)
    journal = assemble({name: as_table(own) for name, own in columns.items()}, OPTIONS)
    cutoff = START + int(random.integers(1, 25)) * DAY
    orders, lines = columns["orders"], columns["order_lines"]
    expected: dict[str, set] = {}
    for order, item, quantity, known in zip(
        *(lines[n] for n in ("order_id", "item_id", "quantity", "known_at")), strict=True
    ):
        if order >= len(orders["order_id"]) or quantity <= 0:
            continue
        placed = orders["placed_at"][order]
        if placed < cutoff and max(known, orders["known_at"][order]) <= cutoff:
            customer = orders["customer_id"][order]
            who = f"order {order}" if customer is None else f"customer {customer}"
            expected.setdefault(who, []).append(str(item))
    found = {}
    for who in range(len(journal)):
        own = items_of(journal, who, cutoff)
        if own:
            found[f"{('customer', 'order')[journal.kind[who]]} {journal.ids[who]}"] = own
    assert {who: sorted(own) for who, own in found.items()} == {who: sorted(own) for who, own in expected.items()}
    step = journal.events.columns["step"]
    assert (np.diff(step) >= 0).all() and (journal.step_row[:-1] == np.searchsorted(step, np.unique(step))).all()
    assert len(set(zip(journal.events.occurred_at.tolist(), step.tolist(), strict=True))) == len(journal.step_row) - 1


def test_customers_without_events_and_their_regions():
    customers = pa.table(
        {
            "customer_id": ids(["z", "x", "x"]),
            "signed_up_at": stamps([START + DAY, START, START]),
            "region": ids(["north", "south", "east"]),
            "known_at": stamps([START + 2 * DAY, START, START + DAY]),
        }
    )
    journal = of([("x", "s", "a", START + HOUR), ("y", "t", "a", START)], customers=customers)
    assert journal.ids.tolist() == ["x", "y", "z"] and journal.kind.tolist() == [CUSTOMER] * 3
    assert journal.regions[journal.region_at(np.array([0]), START + HOUR)].tolist() == ["south"]
    assert journal.region_at(np.array([1, 2]), START + DAY).tolist() == [-1, -1]
    assert journal.regions[journal.region_at(np.array([2]), START + 2 * DAY)].tolist() == ["north"]
    assert (journal.known_from < START + 2 * DAY).tolist() == [True, True, True]
    assert (journal.known_from < START + DAY).tolist() == [True, True, False]


def test_orders_say_where_their_customers_are_from_the_first_one_on():
    columns = {
        "destination_region": ids(["north", "south"]),
        "destination_latitude": pa.array([50.0, 10.0]),
        "destination_longitude": pa.array([8.0, 8.0]),
        "origin_id": ids(["shop", None]),
    }
    tables = orders_tables([("1", "x", START, ["a"]), ("2", "x", START + DAY, ["a"])], **columns)
    locations = pa.table({"location_id": ids(["shop"]), "latitude": pa.array([51.0]), "longitude": pa.array([8.0])})
    journal = assemble({**tables, "locations": locations}, OPTIONS)
    assert journal.region_at(np.array([0]), START).tolist() == [-1]
    assert journal.regions[journal.region_at(np.array([0]), START + US)].tolist() == ["north"]
    assert (journal.latitude[0], journal.longitude[0]) == (50.0, 8.0)
    distance = journal.events.columns["distance"]
    assert distance[0] == pytest.approx(111.2, abs=0.1) and np.isnan(distance[1])


def test_weather_of_the_day_in_the_region_as_known_at_the_event():
    customers = pa.table({"customer_id": ids(["x"]), "region": ids(["north"])})
    weather = pa.table(
        {
            "date": pa.array(np.array([START, START, START + DAY]).astype("datetime64[D]"), pa.date32()),
            "region": ids(["north", "north", "south"]),
            "temperature": pa.array([5.0, 7.0, 9.0]),
            "known_at": stamps([START, START + 6 * HOUR, START + DAY]),
        }
    )
    rows = [("x", "s", "a", START + hours * HOUR) for hours in (0, 5, 7, 25)]
    journal = of(rows, customers=customers, weather=weather)
    found = journal.events.columns["weather:temperature"]
    assert found.dtype == np.float32 and found[:3].tolist() == [5.0, 5.0, 7.0] and np.isnan(found[3])


def test_no_event_has_the_weather_of_a_region_learnt_later():
    customers = pa.table({"customer_id": ids(["x"]), "region": ids(["north"]), "known_at": stamps([START + DAY])})
    days = np.array([START, START + DAY]).astype("datetime64[D]")
    weather = pa.table({"date": pa.array(days), "region": ids(["north"] * 2), "temperature": pa.array([5.0, 7.0])})
    rows = [("x", "s", "a", START + hours * HOUR) for hours in (5, 25)]
    found = of(rows, customers=customers, weather=weather).events.columns["weather:temperature"]
    assert np.isnan(found[0]) and found[1] == 7.0


def test_features_are_numbers_flags_or_texts():
    table = interactions_table(
        [("x", "s", "a", START), ("x", "s", "b", START + HOUR)],
        dwell=pa.array([1.5, None]),
        mobile=pa.array([True, False]),
        page=ids(["home", None]),
        price=pa.array([2.0, 3.0]),
    )
    options = RecommendationOptions(features=("dwell", "mobile", "page", "price"))
    events = assemble({"interactions": table}, options).events
    assert events.columns["dwell"][0] == 1.5 and np.isnan(events.columns["dwell"][1])
    assert events.columns["mobile"].tolist() == [1.0, 0.0]
    assert events.columns["page"].tolist() == [0, -1] and events.categories["page"].tolist() == ["home"]
    assert events.columns["price"].tolist() == [2.0, 3.0]


def test_what_cannot_be_used_is_said():
    with pytest.raises(DataError, match="no interactions"):
        assemble({}, OPTIONS)
    table = interactions_table([("x", "s", "a", START)])
    with pytest.raises(ConfigurationError, match="no column 'dwell'"):
        assemble({"interactions": table}, RecommendationOptions(features=("dwell",)))
    with pytest.raises(ConfigurationError, match="name of the task's own"):
        named = table.append_column("seen", pa.array([1.0]))
        assemble({"interactions": named}, RecommendationOptions(features=("seen",)))
    with pytest.raises(DataError, match="item_id"):
        assemble({"interactions": interactions_table([("x", "s", None, START)])}, OPTIONS)


def test_stock_of_known_items():
    stock = pa.table(
        {
            "item_id": ids(["a", "unknown", "b"]),
            "location_id": ids(["l", "l", "m"]),
            "observed_at": stamps([START, START, START]),
            "on_hand": pa.array([0.0, 4.0, 2.0]),
        }
    )
    journal = of([("x", "s", "a", START), ("x", "s", "b", START)], stock=stock)
    assert journal.stock.item.tolist() == [0, 1] and journal.stock.on_hand.tolist() == [0.0, 2.0]


def test_needs_name_interactions_or_orders():
    main = next(need for need in needs(RecommendationOptions(features=("dwell",))) if need.main)
    assert (main.source, main.extra, main.instead) == ("interactions", ("dwell",), ("orders", "order_lines"))

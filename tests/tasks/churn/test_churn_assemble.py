"""Customers from orders, lines and visits: what counts as what, and from when on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from churn_shops import TICK, Row, Shop, at, customers_of, line, order, seen_of
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.schema import ConfigurationError, DataError
from tasks.churn.assemble import assemble, needs
from tasks.churn.customers import PURCHASE, RETURN, VISIT
from tasks.churn.options import ChurnOptions

LATER = np.datetime64("2030-01-01", "us")


def events_of(shop: Shop, cutoff: np.datetime64 = LATER) -> list[tuple]:
    """(kind, value, units, items, category) of what a cutoff sees, in order."""
    return [event[2:] for event in seen_of(customers_of(shop), cutoff)]


def one(lines: list[Row], value: float | None = None, items: list[Row] | None = None) -> tuple:
    """What becomes of a single order with some lines."""
    (event,) = events_of(Shop([order("a", "x", 1, value)], lines, items or []))
    return event


def test_an_order_without_lines_is_a_purchase() -> None:
    assert events_of(Shop([order("a", "x", 1, 12.0)])) == [(PURCHASE, 12.0, None, None, None)]


def test_an_order_of_negative_value_is_a_return_of_positive_value() -> None:
    assert events_of(Shop([order("a", "x", 1, -12.0)])) == [(RETURN, 12.0, None, None, None)]


def test_an_order_with_nothing_sold_is_a_return() -> None:
    assert one([line("a", "i", -2, 3.0)]) == (RETURN, 6.0, 2.0, 1.0, None)
    assert one([line("a", "i", -2), line("a", "j", 0)], 5.0) == (RETURN, 5.0, 2.0, 1.0, None)


def test_an_order_that_sells_more_than_it_takes_back_is_a_purchase_of_what_it_sells() -> None:
    assert one([line("a", "i", 3, 4.0), line("a", "j", -1, 2.0), line("a", "i", 1, 4.0)]) == (
        PURCHASE,
        14.0,
        4.0,
        1.0,
        None,
    )


def test_a_source_that_knows_the_value_of_an_order_is_believed() -> None:
    assert one([line("a", "i", 3, 4.0)], 9.0)[:2] == (PURCHASE, 9.0)
    assert one([line("a", "i", 3, 4.0)])[:2] == (PURCHASE, 12.0)
    assert one([line("a", "i", 3)])[:2] == (PURCHASE, None)
    assert one([line("a", "i", 3, 4.0), line("a", "gift", 1)])[:2] == (PURCHASE, 12.0)


def test_the_category_is_that_of_most_money_or_of_most_units() -> None:
    items = [{"item_id": "i", "category": "zinc"}, {"item_id": "j", "category": "acid"}, {"item_id": "k"}]
    assert one([line("a", "i", 1, 9.0), line("a", "j", 2, 4.0)], items=items)[-1] == "zinc"
    assert one([line("a", "i", 1), line("a", "j", 2)], items=items)[-1] == "acid"
    assert one([line("a", "i", 1, 8.0), line("a", "j", 2, 4.0)], items=items)[-1] == "acid"  # a tie: the first by name
    assert one([line("a", "k", 1, 8.0), line("a", "unlisted", 2, 4.0)], items=items)[-1] is None


def test_an_item_that_the_catalogue_lists_later_has_no_category_yet() -> None:
    items = [{"item_id": "i", "category": "zinc", "known_at": 30}]
    shop = Shop([order("a", "x", 1), order("b", "x", 31)], [line("a", "i"), line("b", "i")], items)
    assert [event[-1] for event in events_of(shop)] == [None, "zinc"]


def test_an_order_counts_from_when_it_is_known() -> None:
    shop = Shop([order("a", "x", 1, known_at=5)])
    assert not events_of(shop, at(5) - TICK)
    assert events_of(shop, at(5))


def test_lines_that_come_in_later_replace_what_was_known_of_their_order() -> None:
    shop = Shop(
        [order("a", "x", 1, None)],
        [line("a", "i", -1, 5.0, known=1), line("a", "j", 2, 10.0, known=9), line("a", "k", 1, 1.0, known=20)],
    )
    assert not events_of(shop, at(1))
    assert events_of(shop, at(2)) == events_of(shop, at(9) - TICK) == [(RETURN, 5.0, 1.0, 1.0, None)]
    assert events_of(shop, at(9)) == [(PURCHASE, 15.0, 2.0, 1.0, None)]
    assert events_of(shop, at(20)) == [(PURCHASE, 16.0, 3.0, 2.0, None)]


def test_a_cancelled_order_counts_until_then() -> None:
    shop = Shop([order("a", "x", 1, cancelled_at=5)], [line("a", "i", 1, known=3)])
    assert len(events_of(shop, at(2))) == len(events_of(shop, at(5))) == 1
    assert not events_of(shop, at(5) + TICK)


def test_a_cancellation_that_a_later_version_tells_of_counts_from_then() -> None:
    shop = Shop([order("a", "x", 1), order("a", "x", 1, 99.0, cancelled_at=2, known_at=8)])
    assert events_of(shop, at(8) - TICK)[0][1] == 10.0
    assert not events_of(shop, at(8))


def test_an_order_counts_by_the_version_that_became_known_first() -> None:
    shop = Shop([order("a", "y", 1, 99.0, known_at=8), order("a", "x", 1, 7.0)])
    assert [event[:1] + event[2:4] for event in seen_of(customers_of(shop), LATER)] == [("x", PURCHASE, 7.0)]


def test_orders_of_nobody_known_are_left_out_and_so_are_lines_of_no_order() -> None:
    customers = customers_of(Shop([order("a", None, 1), order("b", "x", 1)], [line("a", "i"), line("c", "i")]))
    assert list(customers.events.entities) == ["x"] and len(customers.purchases.occurred_at) == 1
    assert not len(customers_of([order("a", None, 1)]))
    assert not len(assemble({"orders": customers_of_no_column()}, ChurnOptions()))


def customers_of_no_column() -> pa.Table:
    return Shop([order("a", "x", 1)]).tables()["orders"].drop_columns(["customer_id"])


def test_views_and_carts_are_one_visit_a_day_and_purchases_are_none() -> None:
    def touch(customer: str | None, kind: str, hour: float, known: float | None = None) -> Row:
        return {"customer_id": customer, "item_id": "i", "kind": kind, "occurred_at": hour, "known_at": known}

    shop = Shop(
        [order("a", "x", 1)],
        interactions=[
            touch("x", "cart", 30),
            touch("x", "view", 26),
            touch("x", "purchase", 25),
            touch("x", "view", 49, known=80),
            touch("x", "view", 55),
            touch("stranger", "view", 2),
            touch(None, "view", 2),
        ],
    )
    seen = [event for event in seen_of(customers_of(shop), LATER) if event[2] == VISIT]
    assert [event[1] for event in seen] == [at(26), at(55)]  # of the second day the 55th hour was known first
    assert [event[0] for event in seen] == ["x", "x"]


def test_same_instant_orders_stay_apart() -> None:
    customers = customers_of([order(str(number), "x", 5, float(number)) for number in range(4)])
    assert list(customers.purchases.columns["value"]) == [0.0, 1.0, 2.0, 3.0]


def test_a_customer_is_where_the_source_says_or_else_where_the_first_order_went() -> None:
    orders = [
        order("a", "x", 9, destination_region="later"),
        order("b", "x", 1, destination_region="first"),
        order("c", "y", 1, destination_region="first"),
        order("d", "z", 1),
        order("e", "z", 2, destination_region="later"),
    ]
    customers = customers_of(Shop(orders, customers=[{"customer_id": "y", "region": "home"}, {"customer_id": "q"}]))
    assert [None if code < 0 else customers.regions[code] for code in customers.region] == ["first", "home", None]
    assert list(customers.regions) == ["first", "home"]


def test_what_the_source_of_customers_says_too_late_is_not_heard() -> None:
    orders = [order("a", "x", 5, destination_region="first"), order("b", "y", 5, destination_region="first")]
    people = [
        {"customer_id": "x", "region": "moved", "known_at": 6},
        {"customer_id": "y", "region": "moved", "known_at": 9},
        {"customer_id": "y", "region": "home", "known_at": 5},
    ]
    customers = customers_of(Shop(orders, customers=people))
    assert [customers.regions[code] for code in customers.region] == ["first", "home"]


def test_features_are_columns_of_orders() -> None:
    table = Shop([order("a", "x", 1, tip=2.5, known_at=3), order("b", "x", 2)]).tables()["orders"]
    table = table.append_column("channel", pa.array(["web", None]))
    table = table.append_column("gift", pa.array([None, True]))
    interactions = [{"customer_id": "x", "item_id": "i", "kind": "view", "occurred_at": 50}]
    sources = Shop(interactions=interactions).tables() | {"orders": table}
    events = assemble(sources, ChurnOptions(features=("tip", "channel", "gift"))).events
    np.testing.assert_array_equal(events.columns["tip"], [2.5, np.nan, np.nan])
    np.testing.assert_array_equal(events.columns["gift"], [np.nan, 1.0, np.nan])
    assert [None if code < 0 else events.categories["channel"][code] for code in events.columns["channel"]] == [
        "web",
        None,
        None,
    ]
    (need,) = [need for need in needs(ChurnOptions(features=("tip",))) if need.main]
    assert (need.source, need.extra) == ("orders", ("tip",))


@pytest.mark.parametrize("name", ["absent", "value", "recency", "year_sin", "rhythm", "cancelled_at"])
def test_a_feature_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        customers_of([order("a", "x", 1, cancelled_at=3)], ChurnOptions(features=(name,)))


@pytest.mark.parametrize("broken", [order(None, "x", 1), order("a", "x", None)])  # type: ignore[arg-type]
def test_a_missing_id_or_instant_is_an_error_that_names_its_place(broken: Row) -> None:
    with pytest.raises(DataError, match=r"source 'orders', column '(order_id|placed_at)', row 1"):
        customers_of([order("b", "x", 2), broken])


def test_without_orders_the_error_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"\[sources\]"):
        assemble({}, ChurnOptions())


HOURS = st.integers(0, 60)
MAYBE_HOURS = st.none() | HOURS
ORDERS = st.lists(
    st.fixed_dictionaries(
        {
            "order_id": st.sampled_from("abcde"),
            "customer_id": st.none() | st.sampled_from("xy"),
            "placed_at": HOURS,
            "known_at": MAYBE_HOURS,
            "cancelled_at": MAYBE_HOURS,
            "value": st.none() | st.sampled_from([-4.0, 0.0, 8.0]),
        }
    ),
    min_size=1,
    max_size=8,
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "order_id": st.sampled_from("abcde"),
            "item_id": st.sampled_from("ij"),
            "quantity": st.sampled_from([-2.0, 0.0, 1.0, 3.0]),
            "unit_price": st.none() | st.sampled_from([2.0, 5.0]),
            "known_at": MAYBE_HOURS,
        }
    ),
    max_size=10,
)
CATALOGUE: list[Row] = [{"item_id": "i", "category": "zinc"}, {"item_id": "j", "category": "acid", "known_at": 30}]


def oracle(orders: list[Row], lines: list[Row], cutoff: float) -> list[tuple]:
    """What a cutoff (in hours) sees, by looking at one order and one line at a time."""
    found = []
    for order_id in dict.fromkeys(row["order_id"] for row in orders):
        versions = [row for row in orders if row["order_id"] == order_id]
        known = [row | {"known_at": max(row["placed_at"], row["known_at"] or 0)} for row in versions]
        shown = [row for row in known if row["placed_at"] < cutoff and row["known_at"] <= cutoff]
        if not shown or any(row["cancelled_at"] is not None and row["cancelled_at"] < cutoff for row in shown):
            continue
        first = min(shown, key=lambda row: max(row["placed_at"], row["known_at"] - 1e-9))
        if first["customer_id"] is None:
            continue
        of_it = [row for row in lines if row["order_id"] == order_id and (row["known_at"] or 0) <= cutoff]
        found.append((first["customer_id"], at(first["placed_at"]), *figures(first, of_it, cutoff)))
    return sorted(found, key=str)


def figures(first: Row, lines: list[Row], cutoff: float) -> tuple[Any, ...]:
    priced = [row for row in lines if row["unit_price"] is not None]
    value = first["value"]
    if value is None and priced:
        value = sum(row["quantity"] * row["unit_price"] for row in priced)
    sold = [row for row in lines if row["quantity"] > 0]
    back = (value is not None and value < 0) or bool(lines and not sold)
    content = [row for row in lines if row["quantity"]] if back else sold
    weights: dict[str, float] = {}
    known = max([first["known_at"], *((row["known_at"] or 0) for row in lines)])  # since when all this is known
    for row in content:
        if row["item_id"] == "i" or known >= 30:
            category = {"i": "zinc", "j": "acid"}[row["item_id"]]
            price = (row["unit_price"] or 0.0) if priced else 1.0
            weights[category] = weights.get(category, 0.0) + abs(row["quantity"]) * price
    return (
        RETURN if back else PURCHASE,
        None if value is None else abs(value),
        sum(abs(row["quantity"]) for row in content) if lines else None,
        float(len({row["item_id"] for row in content})) if lines else None,
        min(weights, key=lambda name: (-weights[name], name)) if weights else None,
    )


@settings(max_examples=150, deadline=None)
@given(ORDERS, LINES, st.integers(0, 61))
def test_every_cutoff_sees_what_looking_at_each_order_alone_finds(
    orders: list[Row], lines: list[Row], cutoff: int
) -> None:
    customers = customers_of(Shop(orders, lines, CATALOGUE))
    assert seen_of(customers, at(cutoff)) == oracle(orders, lines, cutoff)
    rows = np.arange(len(customers.purchases.occurred_at))
    purchases = sum(event[2] == PURCHASE for event in oracle(orders, lines, cutoff))
    assert customers.purchases.visible(rows, at(cutoff)).sum() == purchases

"""Reasons in words: true of the customer, well-formed whatever a shop calls its things, strongest first."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from telling_shops import everyone, fitted, shop

from tasks.churn.customers import Customers
from tasks.churn.facts import facts
from tasks.churn.options import ChurnOptions
from tasks.churn.reasons import LEAST, reasons
from tasks.churn.words import in_words

ORDERS = {
    "regular": [(148, 80), (127, 90), (106, 80), (85, 100), (64, 20)],
    "once": [(120.3, 33.333)],
    "twice on a day": [(1.2, None), (1.1, None)],
    "daily": [(3, 10), (2, 10), (1, 40)],
    "old": [(1500, 7.5), (5, 7.25)],
    "returner": [(40, 50), (12, -20), (30, -10)],
}


def said(customers: Customers, fact: str, raises: bool, options: ChurnOptions | None = None) -> dict[str, str]:
    """The words about a fact by customer."""
    told = facts(customers, everyone(customers), options or ChurnOptions())
    words = in_words(fact, told, np.full(len(told), raises)).to_pylist()
    return dict(zip(customers.events.entities, words, strict=True))


@pytest.mark.parametrize(
    ("fact", "raises", "customer", "words"),
    [
        ("recency", True, "regular", "usually buys every 21 days, last order 64 days ago"),
        ("recency", True, "once", "bought once, 121 days ago"),
        ("recency", False, "twice on a day", "last order 2 days ago"),
        ("recency", False, "daily", "usually buys every day, last order yesterday"),
        ("rhythm", True, "regular", "usually 21 days between orders"),
        ("rhythm", True, "once", "no second order yet"),
        ("rhythm", True, "twice on a day", "all orders on one day"),
        ("frequency", True, "once", "only 1 order so far"),
        ("frequency", False, "once", "1 order so far"),
        ("frequency", True, "regular", "5 orders so far"),
        ("trend", True, "regular", "only 2 orders in the last 90 days, 3 in the 90 before"),
        ("trend", False, "regular", "2 orders in the last 90 days, 3 in the 90 before"),
        ("trend", True, "once", "no order in the last 90 days, 1 in the 90 before"),
        ("trend", False, "daily", "3 orders in the last 90 days"),
        ("trend", False, "old", "1 order in the last 90 days, none in the 90 before"),
        ("tenure", True, "returner", "first order 40 days ago, none since"),
        ("tenure", True, "regular", "customer for 5 months"),
        ("tenure", True, "once", "first order 121 days ago, none since"),
        ("tenure", False, "once", "first order 121 days ago"),
        ("tenure", False, "old", "customer for 4 years"),
        ("value", True, "regular", "spends less than before: last order 20, usually 85"),
        ("value", False, "regular", "spent 370 in the last 365 days"),
        ("value", False, "daily", "spends more than before: last order 40, usually 10"),
        ("value", True, "once", "last order 33"),
        ("value", True, "old", "spent 7.25 in the last 365 days"),
        ("value", True, "twice on a day", "value of orders unknown"),
        ("basket", True, "once", "contents of orders unknown"),
        ("returns", True, "returner", "2 returns in the last 365 days, the last 12 days ago"),
        ("returns", False, "once", "nothing returned"),
        ("visits", True, "once", "no visit known"),
        ("region", True, "once", "region unknown"),
    ],
)
def test_what_is_said_of_a_fact(fact: str, raises: bool, customer: str, words: str) -> None:
    assert said(shop(ORDERS), fact, raises)[customer] == words


def test_what_is_said_of_visits_places_baskets_and_the_shops_own_columns() -> None:
    options = ChurnOptions(features=("payment", "discount"))
    customers = shop(
        {"a": [(50, 1), (20, -1), (10, 1)], "b": [(9, 1)]},
        regions={"a": 'Land "of" Ä', "b": None},  # type: ignore[dict-item]
        visits={"a": [4, 2], "b": [44]},
        lines=[("a", 0, "x", 2), ("a", 0, "y", 3), ("a", 2, "y", 1), ("a", 2, "z", 1), ("b", 0, "x", 7)],
        extra={"payment": {"a": "card"}, "discount": {"a": 0.125, "b": 20.0}},
        options=options,
    )
    assert said(customers, "visits", False) == {
        "a": "2 visits in the last 30 days, the last 2 days ago",
        "b": "last visit 44 days ago",
    }
    assert said(customers, "region", False) == {"a": 'region: Land "of" Ä', "b": "region unknown"}
    assert said(customers, "basket", False) == {"a": "usually 2 items an order", "b": "1 item an order"}
    assert said(customers, "returns", True)["a"] == "returned something 20 days ago"
    assert said(customers, "category", True)["b"] == "last bought: category of x"
    assert said(customers, "payment", True, options) == {"a": "payment: card", "b": "payment unknown"}
    assert said(customers, "discount", True, options) == {"a": "discount: 0.12", "b": "discount: 20"}


def told_of(effects: list[list[float]], most: int = 3, at_risk: bool = True) -> list[list[dict[str, Any]]]:
    customers = shop(ORDERS)
    told = facts(customers, everyone(customers), ChurnOptions()).take(np.zeros(len(effects), np.int64))
    found = reasons(
        told, ("recency", "frequency", "returns", "visits"), np.array(effects), np.full(len(effects), at_risk), most
    )
    return [json.loads(text) for text in found.to_pylist()]


def test_what_agrees_comes_first_and_what_hardly_matters_is_left_out() -> None:
    effects = [[-0.004, 0.02, 0.1, -0.3]]
    (leaving,), (staying,) = told_of(effects), told_of(effects, at_risk=False)
    assert [(one["fact"], one["effect"]) for one in leaving] == [
        ("returns", 0.1),
        ("frequency", 0.02),
        ("visits", -0.3),
    ]
    assert [one["text"].startswith("although ") for one in leaving] == [False, False, True]
    assert [one["fact"] for one in staying] == ["visits", "returns", "frequency"]
    assert [one["text"].startswith("although ") for one in staying] == [False, True, True]


def test_a_reason_to_leave_is_told_of_whoever_may_leave_though_others_are_stronger() -> None:
    (found,) = told_of([[0.02, -0.3, -0.2, -0.1]], most=2)
    assert [one["fact"] for one in found] == ["recency", "frequency"]


def test_the_strongest_is_told_however_weak_or_against() -> None:
    found = told_of([[0.0, 0.0, 0.0, 0.0], [0.001, 0.0, -0.004, 0.0], [-0.2, 0.0, 0.0, -0.1]])
    assert [[one["fact"] for one in case] for case in found] == [["recency"], ["returns"], ["recency", "visits"]]
    assert not any(one["text"].startswith("although") for case in found for one in case)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (4, 4), elements=st.floats(-1, 1), unique=True), st.integers(1, 5), st.booleans())
def test_reasons_against_an_oracle(effects: np.ndarray, most: int, at_risk: bool) -> None:
    names = ("recency", "frequency", "returns", "visits")
    for row, found in zip(effects, told_of(effects.tolist(), most, at_risk), strict=True):
        towards = row if at_risk else -row
        places = sorted(range(4), key=lambda place: -abs(row[place]))
        lead = max(places, key=lambda place: towards[place])
        if towards[lead] >= LEAST:
            places = [lead, *(place for place in places if place != lead)]
        kept = [place for rank, place in enumerate(places[:most]) if rank == 0 or abs(row[place]) >= LEAST]
        expected = sorted(kept, key=lambda place: (towards[place] <= 0, -abs(row[place])))
        assert [one["fact"] for one in found] == [names[place] for place in expected]
        assert [one["effect"] for one in found] == pytest.approx([row[place] for place in expected], abs=5.1e-5)
        against = [towards[expected[0]] > 0 and towards[place] <= 0 for place in expected]
        assert [one["text"].startswith("although ") for one in found] == against


def test_nobody_and_nothing_known() -> None:
    customers = shop(ORDERS)
    told = facts(customers, everyone(customers), ChurnOptions())
    assert reasons(told, (), np.zeros((len(told), 0)), np.zeros(len(told), bool), 3).to_pylist() == ["[]"] * len(told)
    assert reasons(told.take(np.arange(0)), ("recency",), np.zeros((0, 1)), np.zeros(0, bool), 3).to_pylist() == []


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text))
def test_names_of_a_shop_break_nothing(name: str) -> None:
    customers = shop({"a": [(3, 1)]}, regions={"a": name})
    told = facts(customers, everyone(customers), ChurnOptions())
    (found,) = reasons(told, ("region",), np.array([[0.2]]), np.array([True]), 3).to_pylist()
    assert json.loads(found) == [{"fact": "region", "text": f"region: {name}", "effect": 0.2}]


def test_every_fact_has_words() -> None:
    options = ChurnOptions(features=("payment", "discount"))
    extra = {"payment": {"daily": "card"}, "discount": {"daily": 0.1}}
    lines = [("daily", 0, "x", 2.0)]
    customers = shop(ORDERS, {"once": "A"}, {"once": [3]}, lines, extra, options)
    forecast = fitted(customers, options).predict(customers, everyone(customers))
    assert len(forecast.facts) == 13
    for fact in forecast.facts:
        assert all(said(customers, fact, True, options).values())

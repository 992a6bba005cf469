"""Who is watched when, and where a recipe is judged."""

from __future__ import annotations

import numpy as np
import pytest
from churn_shops import HOUR, START, TICK, Row, at, customers_of, days, order, regulars, seen_of
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.schema import NotEnoughData
from tasks.churn.customers import PURCHASE, Customers
from tasks.churn.folds import backtest_cases, cases_at, closed_cutoffs, eligible, folds
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.training_cases import training_cases

OPTIONS = ChurnOptions(horizon_days=30, active_days=60)


def day(number: float) -> np.datetime64:
    return days(number)[0]


@pytest.fixture(scope="module")
def shop() -> Customers:
    """250 customers who buy every 20 days up to day 150."""
    return customers_of(regulars(250, 20, 150))


def test_eligible_is_who_bought_in_the_days_before() -> None:
    customers = customers_of([order("a", "x", 0), order("b", "y", 24)])

    def who(cutoff: np.datetime64, active: int = 10) -> list[str]:
        return list(customers.events.entities[eligible(customers, np.array([cutoff]), active).entity])

    assert who(day(0)) == []  # a purchase at the cutoff is not before it
    assert who(day(0) + TICK) == ["x"]
    assert who(day(10)) == ["x", "y"]  # half-open: one exactly so many days before it is
    assert who(day(10) + TICK) == who(day(11)) == ["y"]


MAYBE = st.none() | st.integers(0, 200)
PURCHASES = st.lists(st.tuples(st.sampled_from("vwxyz"), st.integers(0, 200), MAYBE, MAYBE), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(PURCHASES, st.lists(st.integers(0, 220), min_size=1, max_size=4), st.integers(1, 4))
def test_at_each_cutoff_eligible_is_who_is_seen_to_have_bought(
    rows: list[tuple], cutoffs: list[int], active: int
) -> None:
    customers = customers_of(
        [
            order(str(number), who, hour, known_at=known, cancelled_at=cancelled)
            for number, (who, hour, known, cancelled) in enumerate(rows)
        ]
    )
    expected = []
    for cutoff in cutoffs:
        seen = seen_of(customers, at(cutoff))
        lately = {one[0] for one in seen if one[2] == PURCHASE and one[1] >= at(cutoff) - 24 * active * HOUR}
        expected += [(who, at(cutoff)) for who in sorted(lately)]
    cases = eligible(customers, np.array([at(cutoff) for cutoff in cutoffs]), active)
    assert list(zip(customers.events.entities[cases.entity], cases.cutoff, strict=True)) == expected


def test_a_backtest_goes_on_every_so_many_days(shop: Customers) -> None:
    cases = backtest_cases(shop, OPTIONS, day(40), day(61), 10)
    assert np.unique(cases.cutoff).tolist() == days(40, 50, 60).tolist()
    assert len(cases) == 3 * 250 and (np.diff(cases.cutoff) >= np.timedelta64(0)).all()
    once = backtest_cases(shop, OPTIONS, day(40), day(61), None)
    assert np.unique(once.cutoff).tolist() == days(40).tolist()
    assert not len(backtest_cases(shop, OPTIONS, day(40), day(40), None))


def test_the_gate_judges_where_label_windows_have_closed(shop: Customers) -> None:
    found = folds(shop, OPTIONS, day(120))
    assert [fold.cases.cutoff[0] for fold in found] == list(days(76, 83, 90))  # a quarter of the horizon apart
    assert {fold.fit_until for fold in found} == {day(76)}
    for fold in found:
        assert len(np.unique(fold.cases.cutoff)) == 1
        assert outcomes(shop, fold.cases, day(120)).closed(30).all()
    later = folds(shop, OPTIONS, day(120) + 13 * HOUR)
    assert later[-1].cases.cutoff[0] == day(90)  # cutoffs are beginnings of days


def test_a_warehouse_that_was_not_filled_for_a_while_closes_no_windows(shop: Customers) -> None:
    assert folds(shop, OPTIONS, day(155))[-1].cases.cutoff[0] == day(120)
    np.testing.assert_array_equal(closed_cutoffs(shop, OPTIONS, day(155)), closed_cutoffs(shop, OPTIONS, day(170)))


def test_where_history_is_short_there_are_fewer_folds(shop: Customers) -> None:
    assert [fold.cases.cutoff[0] for fold in folds(shop, OPTIONS, day(72))] == list(days(42))
    assert len(folds(shop, OPTIONS, day(79))) == 2


def test_few_customers_are_too_few(shop: Customers) -> None:
    with pytest.raises(
        NotEnoughData, match=r"^199 customers bought in the 60 days before 2024-04-30, and 200 are needed"
    ):
        folds(customers_of(regulars(199, 20, 150)), OPTIONS, day(120))


def test_customers_of_today_are_no_customers_of_then() -> None:
    grown = regulars(20, 20, 150) + [
        row | {"order_id": f"new{n}", "customer_id": f"n{n}"} for n, row in enumerate(late())
    ]
    with pytest.raises(NotEnoughData, match=r"20 customers were eligible at 2024-03-31 or before"):
        folds(customers_of(grown), OPTIONS, day(120))


def late() -> list[Row]:
    return [order(str(number), f"n{number}", 24 * 110.0) for number in range(300)]


def test_a_horizon_that_has_not_passed_is_too_little(shop: Customers) -> None:
    with pytest.raises(NotEnoughData, match=r"no label window of 30 days has closed .* from 2024-01-01 to 2024-01-30"):
        folds(shop, OPTIONS, day(30))


def test_a_model_needs_something_to_learn_from(shop: Customers) -> None:
    with pytest.raises(NotEnoughData, match=r"judged from 2024-01-29 on has nothing to learn from.*28 days .* 14 days"):
        folds(shop, OPTIONS, day(58))


def test_an_empty_shop_is_too_small() -> None:
    empty = customers_of([order("a", None, 1)])
    assert not len(cases_at(empty, OPTIONS, START)) and not len(closed_cutoffs(empty, OPTIONS, START))
    with pytest.raises(NotEnoughData, match=r"^no customer is known to have bought before 2024-01-01, and 200 are"):
        folds(empty, OPTIONS, START)


def test_where_there_is_a_fold_there_is_something_to_learn_from(shop: Customers) -> None:
    """The gate never asks for a model that cannot be fitted."""
    judged = 0
    for as_of in days(*range(60, 90)):
        try:
            found = folds(shop, OPTIONS, as_of)
        except NotEnoughData:
            continue
        judged += 1
        assert len(training_cases(shop, OPTIONS, found[0].fit_until)) >= 200
    assert judged == 90 - 72

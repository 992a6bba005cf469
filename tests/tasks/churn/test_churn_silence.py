"""A warehouse that was not filled is told from a shop that is quiet."""

from __future__ import annotations

import pytest
from churn_shops import customers_of, days, order, regulars

from tasks.churn.options import ChurnOptions
from tasks.churn.silence import silence
from tasks.churn.task import ChurnTask


@pytest.mark.parametrize(("gone", "told"), [(0, False), (2, False), (3, True), (21, True)])
def test_days_without_any_purchase_are_told(gone: int, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    customers = customers_of(regulars(60, 20, 120))  # somebody buys each day
    (as_of,) = days(120 + gone)
    found = silence(customers, as_of)
    assert (found is not None) == told
    assert len(ChurnTask(ChurnOptions()).cases(customers, as_of)) == 60
    assert (found in caplog.text) if found else not caplog.text
    if found:
        assert f"of the {gone} days before" in found and "never silent for more than 0." in found


def test_a_shop_that_closes_for_a_fortnight_may_do_so_again() -> None:
    again = [row | {"order_id": f"again-{row['order_id']}"} for row in regulars(60, 20, 120, first=54)]
    shop = customers_of([*regulars(60, 20, 40), *again])
    assert silence(shop, days(134)[0]) is None
    assert "more than 14." in (silence(shop, days(135)[0]) or "")


def test_what_comes_in_later_is_not_known_yet() -> None:
    late = [row | {"known_at": row["placed_at"] + 24 * 30} for row in regulars(60, 20, 120)]
    early = [order("a", "x", 24 * 100.0), order("b", "x", 24 * 101.0)]
    assert "of the 18 days before" in (silence(customers_of([*early, *late]), days(120)[0]) or "")
    assert silence(customers_of([*early, *regulars(60, 20, 120)]), days(120)[0]) is None


def test_an_empty_shop_is_not_silent() -> None:
    assert silence(customers_of([order("a", "x", 24 * 500.0)]), days(120)[0]) is None

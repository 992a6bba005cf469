"""Times to the next purchase, and how long there was none to be seen, against looking at one case at a time."""

from __future__ import annotations

import numpy as np
from churn_shops import DAY, at, customers_of, days, order, seen_of
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.task import Cases
from tasks.churn.customers import PURCHASE
from tasks.churn.outcomes import outcomes

HOURS = st.integers(0, 200)
PURCHASES = st.lists(st.tuples(st.sampled_from("xyz"), HOURS, st.none() | HOURS, st.none() | HOURS), max_size=12)


@settings(max_examples=60, deadline=None)
@given(PURCHASES, HOURS, HOURS)
def test_what_became_of_a_case_as_known_at_an_instant(rows: list[tuple], cutoff: int, until: int) -> None:
    everyone = [order(f"first {who}", who, 0) for who in "xyz"]
    later = [
        order(str(number), who, hour, known_at=known, cancelled_at=cancelled)
        for number, (who, hour, known, cancelled) in enumerate(rows)
    ]
    customers = customers_of(everyone + later)
    bought = [(who, when) for who, when, kind, *_ in seen_of(customers, at(until)) if kind == PURCHASE]
    became = outcomes(customers, Cases(np.arange(3), np.repeat(at(cutoff), 3)), at(until))
    if not bought:
        assert not became.watched.any() and not became.bought.any()
        return
    end = min(max(when for _, when in bought).astype("datetime64[D]") + 1, at(until))
    for number, who in enumerate("xyz"):
        after = [when for name, when in bought if name == who and when >= at(cutoff)]
        watched = max((end - at(cutoff)) / DAY, 0.0)
        assert became.bought[number] == bool(after)
        assert became.days[number] == ((min(after) - at(cutoff)) / DAY if after else watched)
        assert became.watched[number] == watched


def test_a_window_closes_by_the_clock_for_buyers_and_others_alike() -> None:
    customers = customers_of([order("1", "x", 0), order("2", "x", 30 * 24 + 1), order("3", "y", 0)])
    became = outcomes(customers, Cases(np.array([0, 1]), days(10, 10)))  # known to the end of day 30
    assert became.closed(21).tolist() == [True, True] and became.closed(21.5).tolist() == [False, False]
    assert became.churned(20).tolist() == [True, True] and became.churned(21).tolist() == [False, True]

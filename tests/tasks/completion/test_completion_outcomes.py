"""Times to completion, and how long orders were watched without one, against looking at one case at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from order_shops import DAY, LATER, TICK, Shop, at, day, event, order, orders_of, steady

from forecasting.task import Cases
from tasks.completion.lost import LEAST_COMPLETED, limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.outcomes import Outcomes, outcomes

HOURS = st.integers(0, 200)
MAYBE = st.none() | HOURS
ORDERS = st.lists(st.tuples(HOURS, MAYBE, MAYBE, MAYBE, MAYBE), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(ORDERS, HOURS, HOURS, st.sampled_from([np.inf, 2.0, 5.25]))
def test_what_became_of_a_case_as_known_at_an_instant(rows: list[tuple], cutoff: int, until: int, limit: float) -> None:
    """`rows`: (placed, completed, when that is told of, cancelled, when it was shipped)."""
    told = [order(f"o{number}", placed, cancelled_at=gone) for number, (placed, _, _, gone, _) in enumerate(rows)]
    told += [
        order(f"o{number}", placed, done, known_at=known)
        for number, (placed, done, known, _, _) in enumerate(rows)
        if done is not None
    ]
    events = [event(f"o{number}", "shipped", row[-1]) for number, row in enumerate(rows) if row[-1] is not None]
    orders = orders_of(Shop(told, events))
    became = outcomes(orders, Cases(np.arange(len(rows)), np.repeat(at(cutoff), len(rows))), at(until), limit)

    last = -1.0
    for placed, done, known, gone, shipped in rows:
        done = None if done is None else max(done, placed)
        seen = [placed, None if shipped is None else max(shipped, placed)]
        last = max([last, *(hour for hour in seen if hour is not None and hour < until)])
        if done is not None and _sees(placed, done, known, gone, until) == "completed":
            last = max(last, done)
    end = min(24 * (last // 24 + 1), until)
    for number, (placed, done, known, gone, _) in enumerate(rows):
        done = None if done is None else max(done, placed)
        if last < 0:
            expected = (0.0, False)
        else:
            state = _sees(placed, done, known, gone, until)
            stop = end if state != "cancelled" else min(end, max(gone, placed))
            stop = min(stop, placed + 24 * limit)
            completed = state == "completed" and done <= stop
            expected = (max((done if completed else stop) - cutoff, 0) / 24, completed)
        assert (became.days[number], became.completed[number]) == expected


def _sees(placed: int, done: int | None, known: int | None, gone: int | None, until: int) -> str:
    """What an instant sees of an order whose completion is told of by a second version."""
    heard = np.inf if done is None else max(done, (known if known is not None else placed) - 1e-9)
    gone_at = np.inf if gone is None else max(gone, placed)
    if heard <= gone_at:
        return "completed" if heard < until else "open"
    return "cancelled" if gone_at < until else "open"


def test_a_completion_told_of_after_the_cutoff_came_at_once() -> None:
    orders = orders_of([order("a", 0), order("a", 0, 30, known_at=90)])
    became = outcomes(orders, Cases(np.array([0, 0]), np.array([at(40), at(20)])))
    assert became.days.tolist() == [0.0, 10 / 24] and became.completed.all()


def test_some_of_the_outcomes() -> None:
    became = Outcomes(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    assert became.take(np.array([2, 0])).days.tolist() == [3.0, 1.0]
    assert became.take(became.completed).completed.all()


def test_nothing_is_watched_where_nothing_is_known() -> None:
    orders = orders_of([order("a", 50, 60)])
    became = outcomes(orders, Cases(np.zeros(1, np.int64), np.array([at(51)])), at(10))
    assert became.days.tolist() == [0.0] and not became.completed.any()


def test_orders_are_lost_half_as_late_again_as_nearly_all_completions() -> None:
    orders = orders_of(steady(200, 100, 5.0))  # they take three to seven days
    assert limit_days(orders, CompletionOptions(), LATER) == 1.5 * 7.0
    assert limit_days(orders, CompletionOptions(), day(3)) == np.inf  # nothing is complete yet
    assert limit_days(orders, CompletionOptions(lost_after_days=30), day(3)) == 30


def test_a_limit_takes_fifty_completions_and_none_at_once() -> None:
    shop = steady(LEAST_COMPLETED, 10, 5.0)
    at_once = [order(f"q{number}", 24, 24) for number in range(500)]
    orders = orders_of(Shop([*shop.orders, *at_once]))
    done = np.sort(orders.completed_at[orders.completed_at > orders.placed_at])
    assert limit_days(orders, CompletionOptions(), done[-1]) == np.inf
    assert 10 < limit_days(orders, CompletionOptions(), done[-1] + TICK) < 10.6
    assert done[-1] - orders.placed_at[0] < 20 * DAY

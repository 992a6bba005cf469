"""Which events came before each, against looking at one after the other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from order_shops import TICK, Shop, event, order, orders_of

from tasks.completion.earlier import known_before

HOURS = st.integers(1, 9)
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), HOURS, st.none() | HOURS), max_size=8)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_an_event_comes_after_those_that_were_known_by_then(told: list[tuple]) -> None:
    events = [event(owner, "scan", occurred, known) for owner, occurred, known in told]
    orders = orders_of(Shop([order("a", 0), order("b", 0, known_at=2)], events))
    row, count = known_before(orders)
    history = orders.events
    seen = [max(at + TICK, known) for at, known in zip(history.occurred_at, history.known_at, strict=True)]
    for begin, end in zip(history.offsets[:-1], history.offsets[1:], strict=True):
        for number in range(begin, end):
            before = [other for other in range(begin, number) if seen[other] <= seen[number]]
            assert row[number] == max(before, default=-1) and count[number] == len(before)

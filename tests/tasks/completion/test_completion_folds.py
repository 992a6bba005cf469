"""Which orders are forecast when, and where a recipe is judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from order_shops import DAY, HOUR, LATER, START, TICK, Row, Shop, at, day, event, order, orders_of, steady

from forecasting.schema import NotEnoughData
from forecasting.task import Cases
from tasks.completion import folds as folds_module
from tasks.completion.folds import (
    LEAST_JUDGED,
    LEAST_TAUGHT,
    MOST_CASES,
    backtest_cases,
    cases_at,
    folds,
    settled_days,
    stalled_at,
)
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import PLACED, Orders
from tasks.completion.outcomes import outcomes

OPTIONS = CompletionOptions()


def shown(orders: Orders, cases: Cases) -> list[tuple[str, str, float]]:
    """(order, stage, hours after START to the cutoff, to the minute) of each case."""
    stage = orders.statuses[orders.events.columns["status"][cases.columns["event"]]]
    hours = np.round((cases.cutoff - START) / HOUR, 2)
    return list(zip(orders.events.entities[cases.entity], stage, hours.tolist(), strict=True))


def test_open_orders_at_an_instant_stand_at_their_latest_stage() -> None:
    shop = Shop(
        [order("a", 1), order("b", 2, 30), order("c", 3, cancelled_at=20), order("d", 26), order("e", 4, known_at=27)],
        [
            event("a", "shipped", 10),
            event("a", "approved", 5),
            event("a", "returned", 12, known=40),
            event("b", "shipped", 10),
            event("d", "approved", 26),
        ],
    )
    orders = orders_of(shop)
    assert shown(orders, cases_at(orders, OPTIONS, at(1))) == []
    assert [case[:2] for case in shown(orders, cases_at(orders, OPTIONS, at(4)))] == [
        ("a", PLACED),
        ("b", PLACED),
        ("c", PLACED),
    ]
    assert shown(orders, cases_at(orders, OPTIONS, at(26))) == [("a", "shipped", 26), ("b", "shipped", 26)]
    late = cases_at(orders, OPTIONS, at(40))
    assert [case[:2] for case in shown(orders, late)] == [("a", "returned"), ("d", "approved"), ("e", PLACED)]
    assert (late.columns["as_of"] == at(40)).all()


def test_orders_are_forecast_at_the_stages_of_the_options_alone() -> None:
    shop = Shop(
        [order("a", 1), order("b", 2)], [event("a", "packed", 5), event("a", "shipped", 9), event("a", "scan", 12)]
    )
    orders = orders_of(shop, CompletionOptions(stages=("packed", "shipped")))
    assert shown(orders, cases_at(orders, OPTIONS, at(20))) == [("a", "shipped", 20)]
    cases = backtest_cases(orders, OPTIONS, at(0), at(20))
    assert shown(orders, cases) == [("a", "packed", 5), ("a", "shipped", 9)]


def test_an_order_open_for_too_long_is_lost() -> None:
    shop = steady(200, 60, 5.0)
    orders = orders_of(shop.with_rows(orders=[*shop.orders, order("lost", 24), order("slow", 24 * 52)]))
    as_of = day(60)
    names = orders.events.entities
    open_now = set(names[cases_at(orders, OPTIONS, as_of).entity])
    assert "slow" in open_now and "lost" not in open_now
    assert list(names[stalled_at(orders, OPTIONS, as_of).entity]) == ["lost"]
    patient = CompletionOptions(lost_after_days=59)
    assert "lost" in names[cases_at(orders, patient, as_of).entity]
    assert "lost" not in names[cases_at(orders, patient, as_of + TICK).entity]


def test_a_backtest_has_every_event_of_every_order_placed_meanwhile() -> None:
    shop = Shop(
        [order("a", 1, 50), order("b", 5, 9), order("c", 30), order("d", 8, cancelled_at=11), order("e", 3, 2)],
        [
            event("a", "shipped", 20),
            event("a", "shipped", 20),
            event("a", "shipped", 45),
            event("a", "scan", 50),  # complete by then
            event("a", "scan", 60),
            event("b", "shipped", 7, known=12),  # told of after the completion
            event("c", "shipped", 31),
            event("d", "shipped", 11),  # cancelled by then
        ],
    )
    orders = orders_of(shop)
    cases = backtest_cases(orders, OPTIONS, at(1), at(30))
    assert shown(orders, cases) == [
        ("a", PLACED, 1),
        ("b", PLACED, 5),
        ("d", PLACED, 8),
        ("a", "shipped", 20),
        ("a", "shipped", 20),
        ("a", "shipped", 45),
    ]
    assert (np.diff(cases.cutoff) > np.timedelta64(0)).all()
    assert (cases.cutoff - cases.columns["as_of"] <= 3 * TICK).all()
    assert (orders.events.visible(cases.columns["event"], cases.cutoff)).all()
    impatient = backtest_cases(orders, CompletionOptions(lost_after_days=1), at(1), at(30))
    assert [case[2] for case in shown(orders, impatient)] == [1, 5, 8, 20, 20]


HOURS = st.integers(0, 60)
MAYBE = st.none() | HOURS


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(HOURS, MAYBE, MAYBE, MAYBE), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("xy"), HOURS, MAYBE), max_size=8),
    st.integers(0, 70),
)
def test_open_orders_against_looking_at_each(rows: list[tuple], told: list[tuple], now: int) -> None:
    moments = [(owner, max(hour, rows[owner][0])) for owner, _, hour, _ in told if owner < len(rows)]
    assume(len(set(moments)) == len(moments))  # which of several at one instant is the last is told elsewhere
    orders = orders_of(
        Shop(
            [
                order(f"o{number}", placed, done, known_at=known, cancelled_at=gone)
                for number, (placed, done, known, gone) in enumerate(rows)
            ],
            [event(f"o{number}", status, occurred, known) for number, status, occurred, known in told],
        )
    )
    expected = []
    for number, (placed, done, known, gone) in enumerate(rows):
        since = max(placed, known or 0)

        def before(hour: int | None, since: int = since) -> bool:
            return hour is not None and hour < now and since <= now

        if not before(placed) or before(done) or before(gone):
            continue
        stage, latest = PLACED, (placed, -1)
        for place, (owner, status, occurred, late) in enumerate(told):
            key = (max(occurred, placed), place)
            if owner == number and before(key[0], max(since, late or 0)) and key > latest:
                stage, latest = status, key
        expected.append((f"o{number}", stage, float(now)))
    assert shown(orders, cases_at(orders, OPTIONS, at(now))) == expected


def test_nearly_all_orders_are_settled_after_some_days() -> None:
    orders = orders_of(steady(300, 100, 5.0))
    assert 6 < settled_days(orders, LATER) <= 7
    assert np.isnan(settled_days(orders, day(2)))
    lost = [order(f"lost{number}", 24 * number) for number in range(90)]
    patient = orders_of(Shop([*steady(300, 100, 5.0).orders, *lost]))
    assert 6 < settled_days(patient, day(100)) <= 7  # those never completed are no reason to wait


def slower(days: float = 120) -> Shop:
    """Orders that take ever longer."""
    rows = []
    for number in range(1200):
        placed = 24 * days * number / 1200
        rows.append(order(f"s{number:05d}", placed, placed + 24 * (2 + placed / 24 / 12 + number % 5)))
    return Shop(rows)


@pytest.mark.parametrize(("shop", "count"), [(steady(700, 120), 3), (slower(), 2)], ids=["steady", "slower"])
def test_folds_are_stretches_of_completed_orders(shop: Shop, count: int) -> None:
    orders, as_of = orders_of(shop), day(110.5)
    found = folds(orders, OPTIONS, as_of)
    assert len(found) == count and len({fold.fit_until for fold in found}) == 1
    begin = found[0].fit_until
    placed = [orders.placed_at[fold.cases.entity] for fold in found]
    assert begin == begin.astype("datetime64[D]") and all(len(fold.cases) >= LEAST_JUDGED for fold in found)
    assert orders.completed(slice(None), begin).sum() >= LEAST_TAUGHT
    for number, fold in enumerate(found):
        assert (fold.cases.cutoff > begin).all() and (fold.cases.cutoff < as_of).all()
        assert outcomes(orders, fold.cases, as_of).completed.all()
        assert placed[number].min() >= begin and (number == 0 or placed[number].min() > placed[number - 1].max())
    last = placed[-1].max()
    mine = (orders.placed_at >= begin) & (orders.placed_at <= last)
    assert orders.completed(mine, as_of).mean() >= 0.95
    assert last > as_of - 25 * DAY


def test_a_busy_shop_is_judged_on_fewer_days_and_a_sample_of_whole_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = orders_of(steady(3000, 120))
    monkeypatch.setattr(folds_module, "MOST_CASES", 600)
    found = folds(orders, OPTIONS, day(115))
    cases = np.concatenate([fold.cases.entity for fold in found])
    span = orders.placed_at[cases].max() - orders.placed_at[cases].min()
    assert span < 22 * DAY and 450 < len(cases) < 750 < MOST_CASES
    counts = np.unique(cases, return_counts=True)[1]
    assert (counts == 2).all()


def test_folds_know_what_is_known_as_of_the_instant() -> None:
    """Orders completed later do not count as completed, though the dataset knows that they were."""
    shop = slower()
    orders, as_of = orders_of(shop), day(80)
    gone = [row | {"completed_at": None} if row["completed_at"] >= 24 * 80 else row for row in shop.orders]
    other = orders_of(Shop([row for row in gone if row["placed_at"] < 24 * 80]))
    for mine, theirs in zip(folds(orders, OPTIONS, as_of), folds(other, OPTIONS, as_of), strict=True):
        assert mine.fit_until == theirs.fit_until and mine.cases.cutoff.tolist() == theirs.cases.cutoff.tolist()


def few(count: int) -> list[Row]:
    return steady(count, 100).orders


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([order("a", 1)], "0 orders are known to be complete as of 2024-04-10"),
        ([order("a", 1, 5)], "1 order is known to be complete"),
        (few(LEAST_TAUGHT - 1), f"{LEAST_TAUGHT - 1} orders are known to be complete"),
        (few(LEAST_TAUGHT + 30), f"{LEAST_JUDGED} events of orders"),
    ],
)
def test_too_little_is_said_in_words(rows: list[Row], words: str) -> None:
    with pytest.raises(NotEnoughData, match=words):
        folds(orders_of(rows), OPTIONS, day(100) if len(rows) < 3 else day(120))


def test_a_shop_with_nothing_known_yet() -> None:
    orders = orders_of(few(10))
    with pytest.raises(NotEnoughData, match="0 orders"):
        folds(orders, OPTIONS, START)
    assert not len(cases_at(orders, OPTIONS, START)) and not len(backtest_cases(orders, OPTIONS, LATER, LATER + DAY))

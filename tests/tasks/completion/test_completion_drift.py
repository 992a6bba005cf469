"""Completions against what was expected of open orders, against counting order by order; and what a strike does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_shops import Shop, event, order, orders_of
from random_orders import event_cases, random_orders

from tasks.completion import usual_pace
from tasks.completion.drift import EVERYBODY, PRIOR, ended_over_expected
from tasks.completion.heard import DAY, NEVER, Heard, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.spells import Spells
from tasks.completion.usual_pace import Pace

HOUR = DAY // 24
HOURS = st.integers(1, 9)
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), HOURS, st.none() | HOURS), max_size=8)


def completions(orders: Orders) -> Pace:
    """The pace of completions."""
    past = Past.of(orders)
    spells = Spells.of(past.heard)
    status, expected = past.status[spells.event], past.expected.at_event[spells.event]
    return Pace.of(spells, spells.completed, status, expected, len(orders.statuses))


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.none() | HOURS, st.none() | HOURS)
def test_a_spell_lasts_as_long_as_its_event_is_the_latest_known(
    told: list[tuple], completed: int | None, cancelled: int | None
) -> None:
    events = [event(owner, "scan", occurred, known) for owner, occurred, known in told]
    orders = orders_of(Shop([order("a", 0, completed, cancelled_at=cancelled), order("b", 0, known_at=2)], events))
    spells = Spells.of(Heard.of(orders))
    history = orders.events
    row = np.arange(len(history.occurred_at))
    owner = np.repeat(np.arange(len(orders)), history.lengths)
    for number in range(len(orders)):
        gone = None
        for at in range(1, 12 * HOUR, HOUR // 2):
            cutoff = microseconds(orders.placed_at[:1])[0] + at
            moment = np.array([cutoff]).astype("datetime64[us]")
            if orders.completed(number, moment) or orders.cancelled(number, moment):
                gone = gone or at  # complete first, or cancelled first: either way it is open no more
            seen = row[(owner == number) & history.visible(row, moment) & orders.placed(number, moment)]
            wanted = [seen.max()] if len(seen) and gone is None else []
            found = spells.event[(spells.order == number) & (spells.begin <= cutoff) & (cutoff < spells.end)]
            assert found.tolist() == wanted


def test_spells_end_with_the_completion_or_otherwise() -> None:
    shop = Shop([order("a", 0, 9), order("b", 0, cancelled_at=5), order("c", 0)], [event("a", "shipped", 4)])
    spells = Spells.of(Heard.of(orders_of(shop)))
    assert spells.completed.tolist() == [False, True, False, False]
    assert (spells.end == NEVER).tolist() == [False, False, False, True]


def plain_pace(pace: Pace, status: np.ndarray, spell: int) -> list[float]:
    """The cumulative hazards at the edges of the bins that a spell is held against, counted one by one."""
    spells, week, bins = pace.spells, 7 * DAY, usual_pace._BINS
    learnt = int((spells.begin[spell] - usual_pace._MONDAY) // week * week + usual_pace._MONDAY)
    died, left = np.zeros((2, 3, bins))
    for other in np.flatnonzero(spells.begin <= learnt):
        age = max(min(int(spells.end[other]), learnt) - int(spells.origin[other]), 1) / pace.unit[other]
        place = min(max((np.log(age) - usual_pace._LOWEST) / usual_pace._WIDTH, 0.0), bins - 1)
        over = spells.end[other] <= learnt and pace.ended[other]
        weight = 0.5 ** ((learnt - int(spells.begin[other])) / DAY / usual_pace.HALF_LIFE_DAYS)
        (died if over else left)[status[other], int(place)] += weight
    gone = died + left
    at_risk = np.array([[gone[s, k:].sum() - gone[s, k] / 2 for k in range(bins)] for s in range(3)])
    pooled = died.sum(axis=0) / np.maximum(at_risk.sum(axis=0), 1.0)
    mine = status[spell]
    hazard = (died[mine] + usual_pace.PRIOR * pooled) / np.maximum(at_risk[mine] + usual_pace.PRIOR, 1.0)
    return np.concatenate([[0.0], np.cumsum(hazard)]).tolist()


def test_the_pace_is_learnt_from_what_was_known_when_a_spell_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_pace, "LEAST", 0)  # so that no spell is left out, and all can be counted
    orders = random_orders(150, seed=1)
    pace = completions(orders)
    status = orders.events.columns["status"][pace.spells.event].astype(np.int64)
    assert len(pace.row) > 150
    for spell in range(0, len(pace.row), 7):
        np.testing.assert_allclose(pace.hazard[pace.row[spell]], plain_pace(pace, status, spell), atol=1e-4)
    assert pace.hazard[pace.row[-1], -1] > 1


@pytest.mark.parametrize(("shape", "most"), [(1.5, 0.2), (9.0, 0.08), (40.0, 0.08)])
def test_where_nothing_changes_nothing_is_said_to(shape: float, most: float) -> None:
    """Durations may scatter much or little: over weeks in which all is as ever, the ratio is 1 on average."""
    random = np.random.default_rng(0)
    placed = np.arange(4500) / 15
    done = placed + random.gamma(shape, 6 / shape, len(placed))
    orders = orders_of([order(f"o{k:04d}", 24 * placed[k], 24 * done[k]) for k in range(len(placed))])
    cutoff = microseconds(orders.placed_at.min()) + np.arange(100, 300, 7) * DAY
    found = ended_over_expected(completions(orders), {}, np.zeros(len(cutoff), np.int64), cutoff, 7)[EVERYBODY]
    assert abs(found.mean()) < most and found.std() < 0.2


def test_a_young_shop_has_no_pace_yet() -> None:
    """What is completed in its first days was fast: no norm for what is still open."""
    rows = [order(f"o{k:04d}", k, k + 24 * (2 + k % 9)) for k in range(1200)]
    orders = orders_of(rows)
    begin = microseconds(orders.placed_at.min())
    pace = completions(orders)
    norm = np.exp(Past.of(orders).expected.at_event[pace.spells.event])
    assert len(pace.row) and (((pace.spells.begin - begin) / DAY) >= usual_pace.MATURE * norm - 0.01).all()


@pytest.mark.parametrize("pairs", [1 << 20, 50])
def test_ends_and_what_was_expected_are_those_of_each_order(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_pace, "_PAIRS", pairs)
    orders = random_orders(400, seed=2)
    cases = event_cases(orders)
    cases = cases.take(np.arange(0, len(cases), 23))
    cutoff = microseconds(cases.cutoff)
    pace = completions(orders)
    labels = {name: orders.labels[name] for name in ("origin", "route")}
    found = ended_over_expected(pace, labels, cases.entity, cutoff, 7)
    spells = pace.spells
    every = np.arange(len(spells.order))
    somewhere = 0
    for case in range(len(cases)):
        until = cutoff[case] // DAY * DAY
        since = until - 7 * DAY
        usual = 1.0
        for name in (EVERYBODY, *labels):
            label = labels.get(name, np.zeros(len(orders), np.int64))
            mine = label[cases.entity[case]]
            group = every[(label[spells.order] == mine) & (mine >= 0)]
            observed = int((pace.ended & (spells.end > since) & (spells.end <= until))[group].sum())
            expected = 0.0
            for spell in group:
                first = max(int(spells.begin[spell]), since)
                last = min(int(spells.end[spell]), until)
                if first < last:
                    gathered = pace.accrued(np.array([spell, spell]), np.array([first, last]))
                    expected += gathered[1] - gathered[0]
            ratio = (observed + PRIOR * usual) / (expected + PRIOR)
            assert found[name][case] == pytest.approx(np.log(ratio), abs=1e-3)
            usual = ratio if name == EVERYBODY else usual
            somewhere += observed > 0
    assert somewhere > 20


def strike(days: int, seed: int = 0) -> tuple[Orders, np.ndarray]:
    """Orders of two regions over 200 days, the last of which the carriers of "south" are on strike: nothing arrives
    there from day 180 on. The cases are of both regions, so many days later."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(3000):
        placed = 200 * number / 3000
        region = ("north", "south")[number % 2]
        done = placed + random.gamma(9.0, 0.7)
        if region == "south" and done >= 180:
            done += 30
        rows.append(order(f"o{number:04d}", 24 * placed, 24 * done, destination_region=region))
    orders = orders_of(rows)
    cutoff = microseconds(np.array(["2024-01-01"], "datetime64[us]")) + (180 + days) * DAY
    return orders, np.repeat(cutoff, 2)


@pytest.mark.parametrize(("days", "north", "south"), [(0, 0.0, 0.0), (3, 0.0, -0.4), (7, 0.0, -1.5)])
def test_a_strike_shows_within_days(days: int, north: float, south: float) -> None:
    orders, cutoff = strike(days)
    labels = {"destination": orders.labels["destination"]}
    found = ended_over_expected(completions(orders), labels, np.array([0, 1]), cutoff, 7)["destination"]
    assert found[0] == pytest.approx(north, abs=0.25)
    assert (found[1] < south + 0.15) if south else (found[1] == pytest.approx(0.0, abs=0.25))


def test_without_history_nothing_is_said() -> None:
    for rows in ([], [order("a", 0)], [order(f"o{k}", k, k + 9.0) for k in range(10)]):
        orders = orders_of(rows) if rows else random_orders(0)
        case = np.zeros(min(len(orders), 1), np.int64)
        cutoff = microseconds(orders.placed_at[case]) + 20 * DAY
        found = ended_over_expected(completions(orders), orders.labels, case, cutoff, 7)
        assert all((values == 0).all() and len(values) == len(case) for values in found.values())


def test_what_nobody_completed_is_not_late_for_ever() -> None:
    """An order of which nobody hears again stops being expected."""
    rows = [order(f"o{k:03d}", 2.0 * k, 2.0 * k + 24 * (2 + k % 5)) for k in range(600)]
    lost = [order(f"lost{k:02d}", 300.0 + k, None) for k in range(40)]
    orders, without = orders_of(rows + lost), orders_of(rows)
    cutoff = microseconds(orders.placed_at[:1]) + 45 * DAY
    mine, other = (
        ended_over_expected(completions(one), {}, np.zeros(1, np.int64), cutoff, 7)[EVERYBODY]
        for one in (orders, without)
    )
    assert mine == pytest.approx(other, abs=0.1)

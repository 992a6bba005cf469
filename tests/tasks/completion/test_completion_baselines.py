"""The gate's rivals: they answer for any shop, see nothing past their fit, and know what they are said to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from order_shops import DAY, Row, Shop, day, event, order, orders_of, steady

from forecasting.task import Cases, Forecaster
from tasks.completion import watched as watching
from tasks.completion.baselines import baselines, guess_days
from tasks.completion.folds import backtest_cases, cases_at
from tasks.completion.forecast import LEVELS, CompletionForecast
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes
from tasks.completion.score import score
from tasks.completion.watched import watched

OPTIONS = CompletionOptions()
OF_REGION = CompletionOptions(features=("origin_region",))
UNTIL = day(120)
NAMES = ["route", "origin_route", "ridge", "activity_mean"]


def made_up(seed: int, count: int = 900, days: int = 160) -> Shop:
    """Origins of their own speed, two destinations, promises of twelve days, and the heavy ones late."""
    random = np.random.default_rng(seed)
    orders: list[Row] = []
    events: list[Row] = []
    for k in range(count):
        placed = float(random.uniform(0, 24 * days))
        origin, far, value = int(random.integers(8)), bool(random.random() < 0.4), float(random.lognormal(3, 1))
        handling = 24 * np.exp(random.normal(0.3 + 0.2 * origin, 0.3))
        taken = handling + 24 * np.exp(random.normal(1.0 + 0.7 * far + 0.25 * (np.log(value) - 3), 0.3))
        orders.append(
            order(
                f"o{k:04d}",
                placed,
                None if random.random() < 0.04 else placed + float(taken),
                promised_at=placed + 288 if random.random() < 0.9 else None,
                origin_id=f"s{origin}",
                origin_region="here",
                destination_region="far" if far else "near",
                value=value,
            )
        )
        events.append(event(f"o{k:04d}", "shipped", placed + float(handling)))
    return Shop(orders, events)


def later_cases(orders: Orders) -> Cases:
    return backtest_cases(orders, OPTIONS, UNTIL, day(140))


def loss(orders: Orders, cases: Cases, forecaster: Forecaster) -> float:
    return score(orders, OPTIONS, cases, forecaster.predict(orders, cases)).metrics["pinball"]


def test_each_knows_more_than_the_one_before() -> None:
    orders = orders_of(made_up(0), OF_REGION)
    found = baselines(orders, OPTIONS, UNTIL)
    assert list(found) == [*NAMES, "promise"]
    cases = later_cases(orders)
    lost = {name: loss(orders, cases, forecaster) for name, forecaster in found.items()}
    assert lost["ridge"] < 0.9 * lost["origin_route"]  # it sees the value
    assert lost["origin_route"] < 0.98 * lost["route"] < 0.95 * lost["activity_mean"] < lost["promise"]
    for name in ("route", "origin_route", "ridge"):
        metrics = score(orders, OPTIONS, cases, found[name].predict(orders, cases)).metrics
        assert 0.72 < metrics["coverage80"] < 0.88, name


def test_nothing_past_the_fit_is_seen() -> None:
    """Orders placed later are others, completions told of later are moved: the same forecasts, bit by bit."""
    shop = made_up(1)
    hours = 120 * 24
    altered = [
        {**row, "completed_at": row["completed_at"] + 77.0}
        if row["completed_at"] is not None and row["completed_at"] >= hours
        else row
        for row in shop.orders
        if row["placed_at"] < hours
    ] + [order(f"x{k}", hours + k, hours + 2 * k + 1, origin_id=f"a{k}", destination_region="afar") for k in range(50)]
    events = [row for row in shop.order_events if row["occurred_at"] < hours]
    events += [event(f"x{k}", "lost and found", hours + k + 0.5) for k in range(50)]
    first, second = orders_of(shop), orders_of(Shop(altered, events))
    answers = []
    for orders in (first, second):
        cases = cases_at(orders, OPTIONS, UNTIL)
        assert len(cases) > 20
        found = baselines(orders, OPTIONS, UNTIL)
        answers.append({name: forecaster.predict(orders, cases).remaining for name, forecaster in found.items()})
    assert answers[0].keys() == answers[1].keys()
    for name, remaining in answers[0].items():
        np.testing.assert_array_equal(remaining, answers[1][name], err_msg=name)


def test_labels_are_known_by_name() -> None:
    """Fitted on one dataset, asked on one where other names have moved all codes."""
    shop = made_up(2, count=400)
    more = [order("a0", 1.0, 50.0, origin_id="a first one", destination_region="a first region")]
    first = orders_of(shop)
    second = orders_of(shop.with_rows(orders=shop.orders + more))
    found = baselines(first, OPTIONS, UNTIL)
    cases, others = later_cases(first), later_cases(second)
    for name, forecaster in found.items():
        answer = forecaster.predict(first, cases).remaining
        np.testing.assert_array_equal(answer, forecaster.predict(second, others).remaining, err_msg=name)


def test_open_orders_are_forecast_given_how_long_they_have_been_open() -> None:
    orders = orders_of(made_up(3))
    found = baselines(orders, OPTIONS, UNTIL)
    cases = cases_at(orders, OPTIONS, UNTIL)
    cases = cases.take(outcomes(orders, cases).completed)  # those that were never completed say nothing
    for name in NAMES[:3]:
        forecast = found[name].predict(orders, cases)
        left = outcomes(orders, cases).days
        inside = (left >= forecast.at(0.05)) & (left <= forecast.at(0.95))
        assert inside.mean() > 0.75, name
    early = replace(cases, cutoff=cases.cutoff)  # the same orders, asked a week later, if they still were open
    later = replace(cases, cutoff=cases.cutoff + 7 * DAY)
    for name in NAMES[:3]:
        now, then = (found[name].predict(orders, one).at(0.99) for one in (early, later))
        assert (then + 7 >= now - 1e-9).mean() > 0.99, name  # what lasts for longer is complete no sooner


def test_slow_orders_still_open_make_forecasts_longer() -> None:
    """In the last fortnight everything takes thrice as long: hardly any of it is complete."""
    usual = steady(300, 86.0, 5.0)
    slow = steady(100, 14.0, 15.0, prefix="t")
    moved = [
        {**row, "placed_at": row["placed_at"] + 24 * 86, "completed_at": row["completed_at"] + 24 * 86}
        for row in slow.orders
    ]
    known = orders_of([*usual.orders, *moved])
    forgotten = orders_of([*usual.orders, *[row for row in moved if row["completed_at"] < 2400]])
    case = Cases(np.array([0]), np.array([day(100)]), {"event": np.array([0]), "as_of": np.array([day(100)])})
    with_open = baselines(known, OPTIONS, day(100))["route"]
    without = baselines(forgotten, OPTIONS, day(100))["route"]
    fresh = replace(case, cutoff=known.events.occurred_at[[0]] + np.timedelta64(1, "us"))
    assert with_open.predict(known, fresh).at(0.9)[0] > 1.2 * without.predict(forgotten, fresh).at(0.9)[0]


def test_origins_levels_are_learnt() -> None:
    orders = orders_of(made_up(4), OF_REGION)
    cases = later_cases(orders)
    forecast = baselines(orders, OPTIONS, UNTIL)["origin_route"].predict(orders, cases)
    at_once = cases.columns["event"] == orders.events.offsets[cases.entity]  # where it is not known yet when it ships
    origin, destination = (orders.labels[name][cases.entity] for name in ("origin", "destination"))
    near = at_once & (destination == 1)
    medians = [np.median(forecast.at(0.5)[near & (origin == code)]) for code in (0, 7)]
    assert medians[1] > 1.5 * medians[0]  # in truth about 8 and 4 days


def test_the_promise_is_the_end_of_the_promised_day_and_routes_stand_in() -> None:
    rows = [*steady(100, 90.0).orders, order("x1", 24 * 100, promised_at=24.0 * 105), order("x2", 24 * 100)]
    orders = orders_of(rows)
    found = baselines(orders, OPTIONS, day(101))
    cases = cases_at(orders, OPTIONS, day(101))
    forecast = found["promise"].predict(orders, cases)
    np.testing.assert_allclose(forecast.remaining[0], 5.0, atol=1e-6)  # the end of day 105 is that of six days
    np.testing.assert_array_equal(forecast.remaining[1], found["route"].predict(orders, cases).remaining[1])
    past = replace(cases, cutoff=cases.cutoff + 30 * DAY)
    assert (found["promise"].predict(orders, past).remaining[0] < 1e-5).all()
    unpromised = orders_of(steady(100, 90.0))
    assert list(baselines(unpromised, OPTIONS, day(80))) == NAMES


def test_the_mean_by_activity_is_the_mean() -> None:
    orders = orders_of(made_up(5))
    seen = watched(orders, OPTIONS, UNTIL)
    cases = later_cases(orders)
    middle = baselines(orders, OPTIONS, UNTIL)["activity_mean"].predict(orders, cases).at(0.5)
    status = orders.events.columns["status"]
    for code in (0, 1):
        expected = seen.days[seen.completed & (status[seen.event] == code)].mean()
        np.testing.assert_allclose(middle[status[cases.columns["event"]] == code], expected, rtol=1e-9)


ODD: dict[str, Sequence[Row] | Shop] = {
    "one open order": [order("a", 2870)],
    "one order that is complete": [order("a", 10, 100), order("b", 2870)],
    "none complete": [order(f"o{k}", 2500 + k) for k in range(40)],
    "all take equally long": [order(f"o{k}", 8.0 * k, 8.0 * k + 48) for k in range(360)],
    "orders of hours": [order(f"o{k}", 8.0 * k, 8.0 * k + 0.1 + 0.01 * (k % 9)) for k in range(360)],
    "orders of months": [order(f"o{k}", 8.0 * k, 8.0 * k + 2000 + 10 * (k % 9)) for k in range(360)],
    "complete at once": [*[order(f"o{k}", 8.0 * k, 8.0 * k) for k in range(100)], order("x", 2870)],
    "promises in the past": [order(f"o{k}", 8.0 * k, 8.0 * k + 90, promised_at=8.0 * k - 48) for k in range(360)],
    "cancelled": [*[order(f"o{k}", 8.0 * k, cancelled_at=8.0 * k + 9) for k in range(100)], order("x", 2870)],
}


@pytest.mark.parametrize("name", ODD)
def test_every_baseline_answers_for_odd_shops(name: str) -> None:
    rows = ODD[name]
    orders = orders_of(rows)
    for until in (day(0), day(120)):  # before anything is known, and after
        found = baselines(orders, OPTIONS, until)
        assert list(found)[:4] == NAMES
        every = [cases_at(orders, OPTIONS, UNTIL), backtest_cases(orders, OPTIONS, day(-1), day(130))]
        assert sum(map(len, every))
        for cases in every:
            for forecaster in found.values():
                forecast = forecaster.predict(orders, cases)
                assert forecast.remaining.shape == (len(cases), len(LEVELS))
                assert np.isfinite(forecast.remaining).all() and (np.diff(forecast.remaining, axis=1) >= 0).all()


def test_orders_of_hours_are_forecast_in_hours_and_of_months_in_months() -> None:
    for name, days in (("orders of hours", 0.14 / 24), ("orders of months", 2040 / 24)):
        orders = orders_of(ODD[name])
        cases = backtest_cases(orders, OPTIONS, day(115), day(120))
        for baseline in NAMES:
            middle = baselines(orders, OPTIONS, UNTIL)[baseline].predict(orders, cases).at(0.5)
            np.testing.assert_allclose(middle, days, rtol=0.35, err_msg=f"{name}: {baseline}")


def test_what_nobody_has_seen_is_answered_from_what_is_alike() -> None:
    shop = made_up(6, count=500)
    strange = order("x", 24 * 125, None, origin_id="nobody", destination_region="nowhere", value=1e9)
    orders = orders_of(Shop([*shop.orders, strange], [*shop.order_events, event("x", "bewitched", 24 * 126)]))
    cases = backtest_cases(orders, OPTIONS, UNTIL, day(130))
    mine = cases.take(orders.events.entities[cases.entity] == "x")
    assert len(mine) == 2
    for name, forecaster in baselines(orders, OPTIONS, UNTIL).items():
        middle = forecaster.predict(orders, mine).at(0.5)
        assert ((middle > 0.3) & (middle < 60)).all(), name


def test_guesses_where_nothing_is_known() -> None:
    assert guess_days(orders_of([order("a", 24)]), day(0)) == 7.0
    assert guess_days(orders_of([order("a", 0)]), day(50)) == pytest.approx(50)
    assert guess_days(orders_of([order("a", 0, promised_at=24 * 3 + 1)]), day(1)) == pytest.approx(3 + 1 / 24)


def test_many_events_are_thinned_by_whole_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = orders_of(made_up(7))
    every = watched(orders, OPTIONS, UNTIL)
    monkeypatch.setattr(watching, "MOST_EVENTS", 400)
    few = watching.lately(orders, every)
    assert 250 < len(few) < 600
    kept = np.isin(every.order, few.order)
    np.testing.assert_array_equal(every.event[kept], few.event)


def test_what_was_watched_against_an_oracle() -> None:
    shop = made_up(8, count=200)
    orders = orders_of(shop)
    seen = watched(orders, CompletionOptions(lost_after_days=60), UNTIL)
    assert 0 < seen.lost < 0.1
    found = {
        (row, round(float(days), 6), bool(done))
        for row, days, done in zip(seen.event, seen.days, seen.completed, strict=True)
    }
    expected = set()
    events = orders.events
    end = orders.observed(UNTIL)
    for number in range(len(orders)):
        done = orders.completed_at[number] < UNTIL
        for row in range(events.offsets[number], events.offsets[number + 1]):
            at = events.occurred_at[row]
            if at < UNTIL and not (done and orders.completed_at[number] <= at):
                stop = min(end, orders.placed_at[number] + 60 * DAY)
                days = ((orders.completed_at[number] if done else stop) - at) / DAY
                if days > 1e-9:
                    expected.add((row, round(float(days), 6), bool(done)))
    assert found == expected and not seen.completed.all()


def test_the_same_twice() -> None:
    orders = orders_of(made_up(9, count=300))
    cases = later_cases(orders)
    for first, second in zip(*(baselines(orders, OPTIONS, UNTIL).values() for _ in range(2)), strict=True):
        a, b = (one.predict(orders, cases) for one in (first, second))
        assert isinstance(a, CompletionForecast)
        np.testing.assert_array_equal(a.remaining, b.remaining)

"""The completion model: what teaches it, how fast its time runs, how wide it forecasts, and that it is stored whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
from order_shops import DAY, Shop, at, event, order, orders_of, steady

from forecasting.schema import ArtifactError, NotEnoughData
from forecasting.task import Cases, Fit
from tasks.completion import CompletionTask
from tasks.completion.alarm import drift_watch
from tasks.completion.calibration import Width, normal_scores
from tasks.completion.model import CompletionModel, restore_completion
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import Outcomes
from tasks.completion.speed import EXPONENT, log_speed
from tasks.completion.training_cases import training_cases
from tasks.completion.view import shown

EXAMPLE = CompletionTask.example()
TASK = CompletionTask(EXAMPLE.options)


@pytest.fixture(scope="module")
def orders() -> Orders:
    return TASK.assemble(EXAMPLE.sources)


@pytest.fixture(scope="module")
def model(orders: Orders) -> CompletionModel:
    fitted = TASK.fit(orders, Fit(EXAMPLE.as_of))
    assert isinstance(fitted, CompletionModel)
    return fitted


def test_quantiles_rise_and_lie_ahead(model: CompletionModel, orders: Orders) -> None:
    cases = TASK.cases(orders, EXAMPLE.as_of)
    remaining = model.predict(orders, cases).remaining
    assert len(remaining) == len(cases) > 0 and np.isfinite(remaining).all()
    assert (remaining > 0).all() and (np.diff(remaining, axis=1) >= 0).all()
    assert len(model.predict(orders, cases.take(np.empty(0, np.int64)))) == 0


def test_a_stored_model_answers_alike(model: CompletionModel, orders: Orders) -> None:
    document = json.loads(json.dumps(model.document()))
    again = restore_completion(model.tensors(), document, EXAMPLE.options)
    cases = TASK.cases(orders, EXAMPLE.as_of)
    np.testing.assert_array_equal(again.predict(orders, cases).remaining, model.predict(orders, cases).remaining)
    assert again.recipe == model.recipe and again.trained_until == model.trained_until
    with pytest.raises(ArtifactError):
        restore_completion(model.tensors(), document | {"format": 0}, EXAMPLE.options)


def test_what_teaches_is_known_and_goes_on(orders: Orders) -> None:
    until = EXAMPLE.as_of
    lessons = training_cases(orders, EXAMPLE.options, until)
    cases, outcome = lessons.cases, lessons.outcome
    assert (cases.cutoff <= until).all() and (outcome.days > 0).all()
    assert 0 < np.count_nonzero(~outcome.completed) < len(cases)  # open orders teach too
    assert not orders.completed(cases.entity, cases.cutoff).any()
    assert (cases.cutoff + np.rint(outcome.days * 86_400e6).astype("timedelta64[us]") <= until).all()
    waited = cases.cutoff > orders.events.columns["cutoff"][cases.columns["event"]]
    assert 0.04 < waited.mean() < 0.3
    # of those that waited, nothing had been heard since
    entity, event_row = cases.entity[waited], cases.columns["event"][waited]
    for one, row, cutoff in zip(entity, event_row, cases.cutoff[waited], strict=True):
        rows = np.arange(orders.events.offsets[one], orders.events.offsets[one + 1])
        assert row == rows[orders.events.visible(rows, cutoff)][-1]


def test_a_sample_of_what_teaches_holds_whole_orders(orders: Orders) -> None:
    every, some = (training_cases(orders, EXAMPLE.options, EXAMPLE.as_of, most).cases for most in (10**6, 600))
    assert 350 < len(some) < 850
    mine = np.isin(every.entity, some.entity)
    assert set(every.columns["event"][mine]) == set(some.columns["event"])


def test_without_a_completion_there_is_nothing_to_learn() -> None:
    shop = orders_of(Shop([order(f"o{number}", 24.0 * number) for number in range(30)]))
    with pytest.raises(NotEnoughData):
        training_cases(shop, CompletionOptions(), at(24.0 * 40))


def struck() -> Orders:
    """Orders to two places, complete after five days; from day 100 on nothing arrives in the south."""
    rows = []
    for number in range(900):
        placed = number * 3.6
        place = "south" if number % 2 else "north"
        done = placed + 24.0 * (4 + number % 5 / 2)
        rows.append(order(f"o{number}", placed, None if place == "south" and done > 2400 else done,
                          destination_region=place))  # fmt: skip
    return orders_of(Shop(rows))


def test_time_runs_slower_where_nothing_arrives() -> None:
    shop = struck()
    place = np.array([str(shop.label_names["destination"][code]) for code in shop.labels["destination"]])
    mine = np.array([np.flatnonzero(place == name)[0] for name in ("north", "south")])
    before, after = (log_speed(shop, Cases(mine, np.full(2, at(24.0 * day), "datetime64[us]"))) for day in (99, 106))
    np.testing.assert_allclose(before, 0.0, atol=0.1)
    assert after[1] < after[0] < 0 and after[1] < EXPONENT * np.log(0.6)


def test_an_alarm_is_raised_when_deliveries_stop() -> None:
    shop = struck()
    assert drift_watch(shop, at(24.0 * 99))["drift_alarm"] == 0
    told = drift_watch(shop, at(24.0 * 107))
    assert told["drift_alarm"] == 1 and told["drift_z"] < -4 and told["drift_log_ratio"] < 0


def test_the_network_is_not_told_which_day_it_is() -> None:
    hidden = ("lately:all_7d", "lately:gap@shipped_all", "origin_came_pace", "lately:route_28d")
    seen = ("age", "origin_open", "lately:route_90d", "distance", "week_sin", "lately:expected")
    assert not any(map(shown, hidden)) and all(map(shown, seen))


def narrow(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts whose standard deviation of log days is two thirds of the truth's."""
    random = np.random.default_rng(seed)
    centre = random.normal(1.0, 0.5, count)
    quantiles = np.exp(centre[:, None] + 0.4 * normal_scores())
    return quantiles, np.exp(centre + 0.6 * random.normal(size=count))


def test_forecasts_too_narrow_are_widened() -> None:
    quantiles, days = narrow(4000)
    width = Width.fit(quantiles, Outcomes(days, np.ones(len(days), bool)))
    half_way = 1.5**0.5
    assert width.below == pytest.approx(half_way, abs=0.05) and width.above == pytest.approx(half_way, abs=0.05)
    assert width.shift == pytest.approx(0.0, abs=0.1)
    new, later = narrow(4000, seed=1)
    covered = {}
    for name, said in {"before": new, "after": width.of(new), "fully": Width(1.5, 1.5).of(new)}.items():
        covered[name] = float(((later >= said[:, 3]) & (later <= said[:, -4])).mean())  # from .1 to .9
        assert (np.diff(said, axis=1) >= 0).all()
    assert covered["before"] + 0.07 < covered["after"] < covered["fully"]
    assert covered["fully"] == pytest.approx(0.8, abs=0.02)
    said = width.of(new)
    middle = new.shape[1] // 2
    np.testing.assert_allclose(said[:, middle], new[:, middle])
    assert Width.restore(json.loads(json.dumps(width.document()))) == width


def test_widths_count_open_orders_as_later() -> None:
    quantiles, days = narrow(6000)
    watched = np.random.default_rng(2).uniform(0.5, 8.0, len(days))
    outcome = Outcomes(np.minimum(days, watched), days <= watched)
    width = Width.fit(quantiles, outcome)
    assert width.above == pytest.approx(1.5**0.5, abs=0.08)
    done = outcome.completed
    blind = Width.fit(quantiles[done], outcome.take(done))
    assert blind.above < width.above - 0.05  # completed ones alone look narrower than they are


def test_few_outcomes_leave_widths_alone() -> None:
    quantiles, days = narrow(50)
    assert Width.fit(quantiles, Outcomes(days, np.ones(50, bool))) == Width()
    assert Width().of(quantiles) is quantiles


def test_a_shop_of_orders_alone_is_forecast() -> None:
    shop = orders_of(steady(400, 60.0))
    task = CompletionTask(CompletionOptions(hidden=4, epochs=1, recent=2))
    until = at(24.0 * 50)
    model = task.fit(shop, Fit(until))
    cases = task.cases(shop, until)
    assert len(cases) and np.isfinite(model.predict(shop, cases).remaining).all()
    late = Cases(cases.entity, cases.cutoff + 2 * DAY, cases.columns)
    assert np.isfinite(model.predict(shop, late).remaining).all()


def test_events_that_come_in_late_do_not_count_as_heard() -> None:
    rows = [order(f"o{number}", 12.0 * number, 12.0 * number + 240.0) for number in range(60)]
    told = [event(f"o{number}", "shipped", 12.0 * number + 24.0, 12.0 * number + 120.0) for number in range(60)]
    shop = orders_of(Shop(rows, told))
    cases = training_cases(shop, CompletionOptions(), at(24.0 * 60)).cases
    status = shop.statuses[shop.events.columns["status"][cases.columns["event"]]]
    hours = (cases.cutoff - shop.placed_at[cases.entity]) / np.timedelta64(1, "h")
    assert (hours[status == "placed"] <= 120.0).all() and (hours[status == "shipped"] >= 120.0).all()

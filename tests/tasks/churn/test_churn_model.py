"""The model: who teaches it, how it is shown the past, what it blends, and that it sees nothing that is to come."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_customers import BEGIN, DAY, customers_at, steady_shop

from forecasting.schema import ArtifactError, NotEnoughData
from forecasting.task import Fit
from tasks.churn.calibrate import blended, level_shift, log_odds
from tasks.churn.customers import Customers
from tasks.churn.folds import LEAST_HISTORY_DAYS, LEAST_WATCHED_DAYS, cases_at
from tasks.churn.forecast import at_each
from tasks.churn.model import ChurnModel, fit_churn, restore_churn
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.snapshot import SEASON, snapshot
from tasks.churn.training_cases import first_purchase, training_cases, training_cutoffs
from tasks.churn.view import BOUGHT_BEFORE_RECORDS, View

UNTIL = BEGIN + 200 * DAY
OPTIONS = ChurnOptions(horizon_days=30, active_days=60, hidden=8, epochs=2)


@pytest.fixture(scope="module")
def customers() -> Customers:
    return steady_shop(1500, 260)


@pytest.fixture(scope="module")
def model(customers: Customers) -> ChurnModel:
    return fit_churn(customers, Fit(UNTIL), OPTIONS)


def up_to(customers: Customers, until: np.datetime64) -> Customers:
    """The same customers, as if nothing came after."""
    entity = np.repeat(np.arange(len(customers)), customers.purchases.lengths)
    kept = customers.purchases.occurred_at < until
    days = (customers.purchases.occurred_at[kept] - BEGIN) / DAY
    return customers_at(entity[kept], days, len(customers))


def test_cutoffs_that_teach(customers: Customers) -> None:
    cutoffs = training_cutoffs(customers, UNTIL)
    assert (np.diff(cutoffs) == 7 * DAY).all()
    assert cutoffs[-1] == UNTIL - LEAST_WATCHED_DAYS * DAY
    early = cutoffs[0] - first_purchase(customers, UNTIL)
    assert LEAST_HISTORY_DAYS * DAY <= early < (LEAST_HISTORY_DAYS + 7) * DAY


def test_a_warehouse_that_was_not_filled_teaches_no_silence(customers: Customers) -> None:
    stale = up_to(customers, UNTIL - 30 * DAY)
    assert training_cutoffs(stale, UNTIL)[-1] <= UNTIL - (30 + LEAST_WATCHED_DAYS) * DAY


def test_cases_are_thinned_the_same_way_whoever_else_there_is(customers: Customers) -> None:
    every = training_cases(customers, OPTIONS, UNTIL)
    some = training_cases(customers, OPTIONS, UNTIL, most=len(every) // 4)
    assert 0.2 * len(every) < len(some) < 0.3 * len(every)
    assert set(np.unique(some.cutoff)) == set(np.unique(every.cutoff))
    pairs = set(zip(every.entity, every.cutoff, strict=True))
    assert all(pair in pairs for pair in zip(some.entity, some.cutoff, strict=True))
    assert len(np.unique(some.entity)) > 0.6 * len(np.unique(every.entity))


def test_too_short_a_history() -> None:
    young = steady_shop(300, 30)
    with pytest.raises(NotEnoughData, match="reach back less"):
        training_cases(young, OPTIONS, BEGIN + 30 * DAY)
    with pytest.raises(NotEnoughData):
        fit_churn(customers_at(np.zeros(0, np.int64), np.zeros(0), 0), Fit(UNTIL), OPTIONS)


def test_the_view_tells_who_may_have_bought_before(customers: Customers) -> None:
    cases = cases_at(customers, OPTIONS, UNTIL)
    seen = snapshot(customers, cases, (), 1)
    shown = View(BEGIN, 20.0).of(seen)
    assert shown.latest is seen.latest
    assert not set(SEASON) & set(shown.names)
    first = customers.purchases.occurred_at[customers.purchases.offsets[cases.entity]]
    np.testing.assert_allclose(shown.column(BOUGHT_BEFORE_RECORDS), 0.5 ** ((first - BEGIN) / DAY / 20), rtol=1e-3)


def test_nothing_to_come_is_seen(customers: Customers, model: ChurnModel) -> None:
    blind = up_to(customers, UNTIL)
    again = fit_churn(blind, Fit(UNTIL), OPTIONS)
    cases = cases_at(customers, OPTIONS, UNTIL)
    np.testing.assert_array_equal(model.predict(customers, cases).survival, again.predict(blind, cases).survival)


def test_it_beats_the_rate_and_is_calibrated(customers: Customers, model: ChurnModel) -> None:
    cases = cases_at(customers, OPTIONS, UNTIL)
    churned = outcomes(customers, cases).churned(30.0)
    answers = {"model": model} | dict(model.parts())
    loss = {}
    for name, forecaster in answers.items():
        p = np.clip(forecaster.predict(customers, cases).at(30.0), 1e-4, 1 - 1e-4)
        loss[name] = -np.mean(np.where(churned, np.log(p), np.log(1 - p)))
    rate = churned.mean()
    assert loss["model"] < -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)) - 0.02
    assert loss["model"] < loss["network"] + 0.01
    assert abs(model.predict(customers, cases).at(30.0).mean() - rate) < 0.08


def test_one_fit_answers_any_horizon(customers: Customers, model: ChurnModel) -> None:
    forecast = model.predict(customers, cases_at(customers, OPTIONS, UNTIL))
    assert (forecast.survival[:, 0] == 1).all()
    assert (np.diff(forecast.survival, axis=1) <= 0).all()
    assert (forecast.at(10.0) >= forecast.at(45.0)).all()


def test_a_recipe_is_repeated(customers: Customers, model: ChurnModel) -> None:
    again = fit_churn(customers, Fit(UNTIL, recipe=model.recipe), OPTIONS)
    assert again.recipe == model.recipe
    cases = cases_at(customers, OPTIONS, UNTIL)
    np.testing.assert_array_equal(again.predict(customers, cases).survival, model.predict(customers, cases).survival)


def test_stored_and_restored(customers: Customers, model: ChurnModel) -> None:
    document = json.loads(json.dumps(model.document()))
    again = restore_churn(model.tensors(), document, OPTIONS)
    cases = cases_at(customers, OPTIONS, UNTIL)
    for one, other in zip((model, *model.parts().values()), (again, *again.parts().values()), strict=True):
        expected, found = one.predict(customers, cases), other.predict(customers, cases)
        np.testing.assert_array_equal(found.survival, expected.survival)
        np.testing.assert_array_equal(found.explain(), expected.explain())
    assert again.recipe == model.recipe and again.trained_until == model.trained_until
    with pytest.raises(ArtifactError):
        restore_churn(model.tensors(), document | {"format": 0}, OPTIONS)


def test_the_blend_has_the_level_of_the_regression() -> None:
    random = np.random.default_rng(1)
    falling = np.cumsum(random.uniform(0.01, 0.3, (2, 500, 4)), axis=2)
    network, regression = (np.exp(-np.concatenate([np.zeros((500, 1)), one], axis=1)) for one in falling)
    shift = level_shift(network**2, regression)
    assert shift[0] == 0
    mixed = blended(network**2, regression, shift, 0.4)
    assert (mixed[:, 0] == 1).all() and (np.diff(mixed, axis=1) <= 0).all()
    np.testing.assert_allclose(log_odds(mixed).mean(axis=0)[1:], log_odds(regression).mean(axis=0)[1:], atol=0.02)
    np.testing.assert_allclose(blended(network, regression, shift, 0.0), regression, atol=1e-9)


def test_curves_at_any_day() -> None:
    edges, survival = np.array([0.0, 10, 30]), np.array([[1, 0.8, 0.6], [1, 0.5, 0.5]])
    found = at_each(edges, survival, np.array([[0.0, 5, 10, 50], [0, 5, 20, 90]]))
    expected = [[1, 0.8**0.5, 0.8, 0.6 * (0.6 / 0.8)], [1, 0.5**0.5, 0.5, 0.5]]
    np.testing.assert_allclose(found, expected)


def test_busy_weeks_to_come_leave_fewer_without_a_purchase(customers: Customers, model: ChurnModel) -> None:
    cases = cases_at(customers, OPTIONS, UNTIL)
    activity = model.setting.activity
    busy = replace(model.setting, activity=replace(activity, ahead=activity.ahead * 1.5))
    changed = replace(
        model, network=replace(model.network, setting=busy), regression=replace(model.regression, setting=busy)
    )
    assert (changed.predict(customers, cases).at(30.0) < model.predict(customers, cases).at(30.0)).all()

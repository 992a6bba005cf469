"""Baselines against arithmetic done by hand, and the Croston family against statsforecast's figures."""

from __future__ import annotations

import numpy as np
import pytest
from demand_shops import START, random_rows, sales_table

from forecasting.task import Cases
from tasks.demand.assemble import assemble
from tasks.demand.baselines import METHODS, baselines, tsb
from tasks.demand.empirical import cumulative_quantiles, exponential_smoothing, masked_quantiles, mixed_quantiles
from tasks.demand.folds import cases_at
from tasks.demand.options import DemandOptions


def shop(quantity, **options):
    rows = {"item": np.ones(len(quantity)), "location": np.ones(len(quantity)), "day": np.arange(len(quantity))}
    grid = assemble({"sales": sales_table({**rows, "quantity": np.asarray(quantity, float)})}, DemandOptions(**options))
    return grid, Cases(np.array([0]), np.array([START + len(quantity)]).astype("datetime64[us]"))


def test_masked_quantiles_are_numpys_over_what_is_observed():
    random = np.random.default_rng(0)
    values, mask = random.random((30, 20)), random.random((30, 20)) < 0.6
    mask[0] = False
    found = masked_quantiles(values, mask, (0.1, 0.5, 0.975))
    assert np.isnan(found[0]).all()
    for row in range(1, 30):
        np.testing.assert_allclose(found[row], np.quantile(values[row, mask[row]], (0.1, 0.5, 0.975)))


def test_cumulative_quantiles_are_those_of_window_sums():
    values = np.random.default_rng(1).poisson(3, (5, 40)).astype(float)
    found = cumulative_quantiles(values, np.ones((5, 40), bool), 6, (0.5, 0.95))
    for step in range(6):
        sums = np.lib.stride_tricks.sliding_window_view(values, step + 1, axis=1).sum(axis=2)
        np.testing.assert_allclose(found[:, step], np.quantile(sums, (0.5, 0.95), axis=1).T, rtol=1e-6)


def test_smoothing_is_the_recursion():
    values = np.random.default_rng(2).random((6, 25))
    mask = np.random.default_rng(3).random((6, 25)) < 0.5
    mask[0] = False
    found = exponential_smoothing(values, mask, 0.1)
    assert np.isnan(found[0])
    for row in range(1, 6):
        level, *rest = values[row, mask[row]]
        for value in rest:
            level = 0.1 * value + 0.9 * level
        assert found[row] == pytest.approx(level)


# statsforecast 2.0, TSB(alpha_d=0.1, alpha_p=0.1).forecast
INTERMITTENT = [
    3.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    2.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    2.0,
    1.0,
    0.0,
    1.0,
    3.0,
    2.0,
    4.0,
    0.0,
    0.0,
    1.0,
    3.0,
    0.0,
    0.0,
    0.0,
    0.0,
    4.0,
    0.0,
    1.0,
    0.0,
    2.0,
    0.0,
    0.0,
    0.0,
    0.0,
]


def test_tsb_is_statsforecasts():
    values = np.array([INTERMITTENT])
    chance, size = tsb(values, np.ones(values.shape, bool))
    assert chance[0] * size[0] == pytest.approx(0.75159538, rel=1e-5)


def test_mixed_quantiles_put_the_chance_of_no_sale_at_zero():
    found = mixed_quantiles(
        np.array([0.2]), np.array([[1.0, 2, 3, 4]]), np.ones((1, 4), bool), (0.5, 0.79, 0.84, 0.95, 0.99)
    )
    np.testing.assert_array_equal(found, [[0, 0, 1, 3, 4]])


def test_seasonal_naive_repeats_the_week():
    grid, cases = shop(np.tile([1.0, 2, 3, 4, 5, 6, 7], 12), horizon=10)
    forecast = baselines(grid, DemandOptions(horizon=10), cases.cutoff[0])["seasonal_naive"].predict(grid, cases)
    np.testing.assert_allclose(forecast.mean[0], [1, 2, 3, 4, 5, 6, 7, 1, 2, 3])
    np.testing.assert_allclose(forecast.quantile(0.95)[0], forecast.mean[0])
    np.testing.assert_allclose(forecast.cumulative_quantile(0.5)[0], forecast.mean[0].cumsum())


def test_empirical_quantiles_know_the_weekday():
    grid, cases = shop(np.tile([0.0, 2, 2, 2, 2, 2, 9], 12), horizon=7)
    forecast = baselines(grid, DemandOptions(horizon=7), cases.cutoff[0])["empirical_quantiles"].predict(grid, cases)
    np.testing.assert_allclose(forecast.mean[0], [0, 2, 2, 2, 2, 2, 9])


@pytest.mark.parametrize("name", list(METHODS))
def test_every_series_gets_a_coherent_forecast(name):
    options = DemandOptions(horizon=9, known_ahead=("promo",), features=("rain",))
    rows = random_rows(np.random.default_rng(4))
    rows = {key: np.append(values, values[-1:]) for key, values in rows.items()}
    rows["item"][-1], rows["day"][-1], rows["quantity"][-1] = 99, 50, np.nan  # announced, never sold
    rows["known_at"][-1] = np.datetime64("2024-01-01", "us")
    grid = assemble({"sales": sales_table(rows)}, options)
    cases = cases_at(grid, np.array([START + 5, START + 48]).astype("datetime64[us]"), options.steps)
    assert "99" in grid.items[grid.item[cases.entity]]
    forecast = baselines(grid, options, cases.cutoff[0])[name].predict(grid, cases)
    assert len(forecast) == len(cases)
    for values in (forecast.mean, forecast.quantiles, forecast.cumulative):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    assert (np.diff(forecast.cumulative, axis=2) >= 0).all()
    assert (np.diff(forecast.cumulative, axis=1) >= 0).all()


def test_a_new_series_leans_on_its_item():
    day = np.arange(40)
    rows = {
        "item": np.repeat(["big", "small", "big"], [40, 40, 1]),
        "location": np.repeat(["a", "a", "b"], [40, 40, 1]),
        "day": np.concatenate([day, day, [39]]),
        "quantity": np.repeat([100.0, 1.0, 90.0], [40, 40, 1]),
    }
    options = DemandOptions(horizon=3)
    grid = assemble({"sales": sales_table(rows)}, options)
    cases = cases_at(grid, np.array([START + 40]).astype("datetime64[us]"), 3)
    forecast = baselines(grid, options, cases.cutoff[0])["moving_average"].predict(grid, cases)
    new = np.flatnonzero((grid.items[grid.item] == "big") & (grid.locations[grid.location] == "b"))[0]
    np.testing.assert_allclose(forecast.mean[new], (90 + 6 * 100) / 7, rtol=1e-6)

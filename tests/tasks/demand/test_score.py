"""Scores against the definitions written out over single numbers, and the windows in which recipes are judged."""

from __future__ import annotations

import numpy as np
import pytest
from demand_shops import START, sales_table

from forecasting.schema import NotEnoughData
from tasks.demand.assemble import assemble
from tasks.demand.baselines import baselines
from tasks.demand.folds import backtest_cases, cases_at, folds
from tasks.demand.options import DemandOptions
from tasks.demand.score import GATE_LEVELS, score

OPTIONS = DemandOptions(horizon=14)


@pytest.fixture(scope="module")
def grid():
    random = np.random.default_rng(0)
    quantity = random.poisson(np.repeat([1.0, 6.0, 20.0], 120)).astype(float)
    rows = {
        "item": np.repeat([1, 2, 3], 120),
        "location": np.ones(360),
        "day": np.tile(np.arange(120), 3),
        "quantity": quantity,
    }
    return assemble({"sales": sales_table(rows)}, OPTIONS)


def instants(*days):
    return np.array([START + day for day in days]).astype("datetime64[us]")


def test_metrics_are_their_definitions(grid):
    cases = cases_at(grid, instants(78, 92), 14)
    forecast = baselines(grid, OPTIONS, cases.cutoff[0])["empirical_quantiles"].predict(grid, cases)
    found = score(grid, OPTIONS, cases, forecast)
    actual = np.stack(
        [
            grid.sales.columns["quantity"][series * 120 + day : series * 120 + day + 14]
            for day in (78, 92)
            for series in range(3)
        ]
    ).astype(float)
    losses = []
    for level in GATE_LEVELS:
        error = actual - forecast.quantile(level)
        losses.append(2 * np.maximum(level * error, (level - 1) * error).sum() / actual.sum())
        assert found.metrics[f"wQL@{level:g}"] == pytest.approx(losses[-1])
    assert found.metrics["wQL"] == pytest.approx(np.mean(losses))
    assert found.loss.sum() == pytest.approx(found.metrics["wQL"])
    assert found.loss.shape == found.entity.shape == (6,)
    assert found.metrics["samples"] == 6
    scaled = []
    for number, (series, day) in enumerate((series, day) for day in (78, 92) for series in range(3)):
        past = grid.sales.columns["quantity"][series * 120 : series * 120 + day]
        past = past[np.flatnonzero(past)[0] :]
        scaled.append(
            np.abs(actual[number] - forecast.quantile(0.5)[number]).mean() / np.abs(past[7:] - past[:-7]).mean()
        )
    assert found.metrics["MASE"] == pytest.approx(np.mean(scaled))
    level = forecast.cumulative_quantile(0.95)[:, 13]
    demand = actual.sum(axis=1)
    assert found.metrics["csl@14"] == pytest.approx((demand <= level).mean())
    cost = 0.95 * np.maximum(demand - level, 0) + 0.05 * np.maximum(level - demand, 0)
    assert found.metrics["cost@14"] == pytest.approx(cost.sum() / demand.sum())
    inside = (actual >= forecast.quantile(0.1)) & (actual <= forecast.quantile(0.9))
    assert found.metrics["coverage80"] == pytest.approx(inside.mean())


def test_periods_without_outcome_do_not_count(grid):
    cases = cases_at(grid, instants(113, 200), 14)
    forecast = baselines(grid, OPTIONS, cases.cutoff[0])["moving_average"].predict(grid, cases)
    found = score(grid, OPTIONS, cases, forecast)
    assert found.metrics["samples"] == 3
    assert (found.loss[cases.cutoff == instants(200)[0]] == 0).all()


def test_folds_are_the_last_closed_horizons(grid):
    found = folds(grid, OPTIONS, instants(120)[0])
    assert [fold.cases.cutoff[0] for fold in found] == list(instants(78, 92, 106))
    assert {fold.fit_until for fold in found} == {instants(78)[0]}
    late_feed = folds(grid, OPTIONS, instants(125)[0])
    assert [fold.cases.cutoff[0] for fold in late_feed] == list(instants(78, 92, 106))


def test_short_history_is_judged_on_fewer_windows(grid):
    assert len(folds(grid, OPTIONS, instants(60)[0])) == 2
    with pytest.raises(NotEnoughData, match="30 periods"):
        folds(grid, OPTIONS, instants(30)[0])


def test_backtest_cases_follow_each_other_by_horizons(grid):
    cases = backtest_cases(grid, OPTIONS, instants(70)[0], instants(112)[0], None)
    assert list(np.unique(cases.cutoff)) == list(instants(70, 84, 98))
    assert len(cases) == 9
    weekly = backtest_cases(grid, OPTIONS, instants(70)[0], instants(112)[0], 21)
    assert list(np.unique(weekly.cutoff)) == list(instants(70, 91))

"""The demand model as a whole: reproducible, restorable, honest about time, and unmoved by hostile series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from demand_shops import START, random_rows, sales_table

from forecasting.schema import ArtifactError, NotEnoughData
from forecasting.task import Cases, Fit
from tasks.demand import model as demand_model
from tasks.demand.assemble import assemble
from tasks.demand.model import DemandModel, Effort, fit_demand, restore_demand
from tasks.demand.options import DemandOptions

OPTIONS = DemandOptions("D", 5, known_ahead=("promo",), features=("rain",), members=2)


@pytest.fixture(autouse=True)
def little_effort(monkeypatch):
    short = Effort(epochs=2, steps=3, size=16)
    monkeypatch.setattr(Effort, "for_windows", staticmethod(lambda windows, members: short))
    monkeypatch.setattr(demand_model, "_SAMPLE", 64)


def instant(day: int) -> np.datetime64:
    return (START + day).astype("datetime64[us]")


def shop(seed: int = 1, days: int = 90, series: int = 5):
    rows = random_rows(np.random.default_rng(seed), days=days, series=series)
    return rows, assemble({"sales": sales_table(rows)}, OPTIONS)


def every_case(grid, day: int) -> Cases:
    return Cases(np.arange(grid.series), np.full(grid.series, instant(day)))


def same(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("mean", "quantiles", "cumulative"))


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_same_seed_same_bytes_and_restored_alike(encoder):
    _, grid = shop()
    options = replace(OPTIONS, encoder=encoder)
    first, again = (fit_demand(grid, Fit(instant(80), seed=3), options) for _ in range(2))
    other = fit_demand(grid, Fit(instant(80), seed=4), options)
    cases = every_case(grid, 80)
    assert same(first.predict(grid, cases), again.predict(grid, cases))
    assert not same(first.predict(grid, cases), other.predict(grid, cases))
    restored = restore_demand(first.tensors(), first.document(), options)
    assert same(first.predict(grid, cases), restored.predict(grid, cases))
    assert restored.trained_until == first.trained_until


def test_nothing_after_the_cutoff_moves_a_forecast():
    rows, grid = shop()
    model = fit_demand(grid, Fit(instant(70)), OPTIONS)
    cases = every_case(grid, 75)
    before = model.predict(grid, cases)
    unseen = np.maximum(rows["known_at"], (START + rows["day"] + 1).astype("datetime64[us]")) > instant(75)
    assert unseen.any()
    rows["quantity"] = np.where(unseen, rows["quantity"] * 3 + 7, rows["quantity"])
    rows["rain"] = np.where(unseen, 99.0, rows["rain"])
    altered = assemble({"sales": sales_table(rows)}, OPTIONS)
    assert same(before, model.predict(altered, cases))
    assert same(before, fit_demand(altered, Fit(instant(70)), OPTIONS).predict(altered, cases))


def test_a_recipe_is_followed():
    _, grid = shop()
    searched = fit_demand(grid, Fit(instant(70)), OPTIONS)
    refitted = fit_demand(grid, Fit(instant(80), recipe=searched.recipe), OPTIONS)
    assert refitted.recipe == searched.recipe
    assert refitted.shares == searched.shares
    np.testing.assert_array_equal(refitted.calibration.periods, searched.calibration.periods)
    assert set(searched.parts()) == {"network"}


def hostile_rows() -> dict[str, np.ndarray]:
    """All zeros, one single sale, returns only, a huge spike, constant demand, a brand-new item."""
    days = 90
    quantity = np.zeros((6, days))
    quantity[0, 0] = 1
    quantity[1, 40] = 2
    quantity[2] = -3
    quantity[2, 5] = 4
    quantity[3], quantity[3, 60] = 1, 1e7
    quantity[4] = 5
    quantity[5, 79] = 3
    item, day = (axis.ravel() for axis in np.meshgrid(np.arange(6), np.arange(days), indexing="ij"))
    promo = np.where(item == 4, 0.0, (day % 9 == 0).astype(float))
    promo[(item == 3) & (day >= 80)] = 1e9
    return {
        "item": item,
        "location": item * 0,
        "day": day,
        "quantity": quantity.ravel(),
        "rain": day * 0.0,
        "promo": promo,
    }


def test_hostile_series_get_finite_ordered_forecasts():
    grid = assemble({"sales": sales_table(hostile_rows())}, OPTIONS)
    model = fit_demand(grid, Fit(instant(80)), OPTIONS)
    forecast = model.predict(grid, every_case(grid, 80))
    for values in (forecast.mean, forecast.quantiles, forecast.cumulative):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
    assert (np.diff(forecast.cumulative, axis=1) >= 0).all()
    assert forecast.quantiles.max() < 1e10


def test_an_unseen_item_is_forecast_from_its_kind():
    _, grid = shop()
    model = fit_demand(grid, Fit(instant(80)), OPTIONS)
    newcomer = assemble({"sales": sales_table({**hostile_rows(), "item": hostile_rows()["item"] + 1000})}, OPTIONS)
    forecast = model.predict(newcomer, every_case(newcomer, 80))
    assert np.isfinite(forecast.mean).all()
    assert len(model.predict(newcomer, every_case(newcomer, 80).take(np.arange(0)))) == 0


def test_too_little_history_is_said_so():
    _, grid = shop(days=8)
    with pytest.raises(NotEnoughData, match="nothing to learn"):
        fit_demand(grid, Fit(instant(3)), OPTIONS)


def test_another_format_is_refused():
    _, grid = shop()
    model = fit_demand(grid, Fit(instant(80)), OPTIONS)
    assert isinstance(model, DemandModel)
    with pytest.raises(ArtifactError, match="format"):
        restore_demand(model.tensors(), {**model.document(), "format": 0}, OPTIONS)

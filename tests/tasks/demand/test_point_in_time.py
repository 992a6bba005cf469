"""A hundred random shops, everything past a cutoff altered, late rows and corrections too: the network's features, its
weights and its forecasts stay the same, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from demand_shops import START, altered, random_rows, sales_table

from forecasting.schema import NotEnoughData
from forecasting.task import Fit
from tasks.demand import model as demand_model
from tasks.demand.assemble import assemble
from tasks.demand.features import WindowReader
from tasks.demand.folds import cases_at
from tasks.demand.model import Effort, fit_demand
from tasks.demand.options import DemandOptions

OPTIONS = DemandOptions("D", 5, known_ahead=("promo",), features=("rain",), members=1)


@pytest.fixture(autouse=True)
def little_effort(monkeypatch):
    monkeypatch.setattr(
        Effort, "for_windows", staticmethod(lambda windows, members: Effort(epochs=1, steps=2, size=16))
    )
    monkeypatch.setattr(demand_model, "_SAMPLE", 32)


@pytest.mark.parametrize("seed", range(100))
def test_nothing_unseen_moves_features_weights_or_forecasts(seed):
    random = np.random.default_rng(seed)
    rows = random_rows(random, days=80, series=4)
    cutoff = (START + int(random.integers(50, 76))).astype("datetime64[us]") + random.integers(0, 24) * np.timedelta64(
        1, "h"
    )
    shops = (rows, altered(rows, cutoff, random))
    mine, other = (_everything(assemble({"sales": sales_table(shop)}, OPTIONS), cutoff) for shop in shops)
    assert mine.keys() == other.keys()
    assert [name for name in mine if mine[name].tobytes() != other[name].tobytes()] == []


def _everything(grid, cutoff) -> dict[str, np.ndarray]:
    cases = cases_at(grid, np.array([cutoff]), OPTIONS.steps)
    try:
        model = fit_demand(grid, Fit(cutoff), OPTIONS)
    except NotEnoughData:
        return {"series": cases.entity}
    windows = WindowReader(model.features, grid).read(cases.entity, grid.period_of(cases.cutoff), cases.cutoff)
    forecast = model.predict(grid, cases)
    features = {name: getattr(windows, name) for name in ("context", "summary", "codes", "steps", "anchors", "scale")}
    return {
        **{name: values.numpy() for name, values in features.items()},
        **model.tensors(),
        "mean": forecast.mean,
        "quantiles": forecast.quantiles,
        "cumulative": forecast.cumulative,
    }

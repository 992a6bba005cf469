"""Windows against slow arithmetic: what the network sees is what was there, in units of the series' level."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from demand_shops import START, ids, sales_table

from forecasting.schema import NotEnoughData
from forecasting.seeds import seeded
from tasks.demand.assemble import assemble
from tasks.demand.blend import blended, find_shares
from tasks.demand.calibrate import DemandCalibration
from tasks.demand.covariates import Covariate
from tasks.demand.features import Features, WindowReader
from tasks.demand.forecast import coherent
from tasks.demand.network import DemandLoss, DemandNetwork, NetworkConfig
from tasks.demand.options import DemandOptions
from tasks.demand.sampling import RandomWindows

OPTIONS = DemandOptions("D", 14, known_ahead=("promo", "price"))
DAYS = 500


def instant(day: int) -> np.datetime64:
    return (START + day).astype("datetime64[us]")


def weekly_shop(items: bool = False):
    """Two items that sell weekday + 1 times their size, three times as much on promotion."""
    day = np.tile(np.arange(DAYS), 2)
    item = np.repeat([0, 1], DAYS)
    promo = (np.random.default_rng(5).random(2 * DAYS) < 0.2).astype(float)
    quantity = (day % 7 + 1.0) * np.where(item == 0, 1, 100) * np.where(promo > 0, 3, 1)
    rows = {
        "item": item,
        "location": item * 0,
        "day": day,
        "quantity": quantity,
        "promo": promo,
        "price": item * 0 + 2.0,
    }
    sources = {"sales": sales_table(rows)}
    if items:
        sources["items"] = pa.table(
            {"item_id": ids(["0", "1", "9"]), "category": ids(["small", "large", "large"]), "price": [1.0, 1.0, 1.0]}
        )
    return rows, assemble(sources, OPTIONS)


def windows_at(grid, day: int):
    features = Features.fit(grid, 14, int(grid.period_of(instant(day))))
    reader = WindowReader(features, grid)
    period = np.full(grid.series, grid.period_of(instant(day)))
    known_by, later = np.full(grid.series, instant(day)), np.full(grid.series, instant(day + 14))
    return features, reader.read(np.arange(grid.series), period, known_by, later)


def test_targets_and_anchors_are_demand_over_level():
    rows, grid = weekly_shop()
    features, windows = windows_at(grid, 450)
    windows.check()
    quantity = rows["quantity"].reshape(2, DAYS)
    np.testing.assert_allclose(windows.scale.numpy(), quantity[:, 394:450].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(windows.target * windows.scale[:, None], quantity[:, 450:464], rtol=1e-5)
    same_weekday = np.stack(
        [quantity[:, [450 + h % 7 - 7 * back for back in (1, 2, 3, 4)]].mean(1) for h in range(14)], 1
    )
    np.testing.assert_allclose(windows.anchors[:, :, 0] * windows.scale[:, None], same_weekday, rtol=1e-5)
    # A season is the same for large and small: what is seen of both differs by what the promotions were.
    assert features.floor > 0


def test_like_conditions_tell_promotions_apart():
    rows, grid = weekly_shop()
    _, windows = windows_at(grid, 450)
    promo = rows["promo"].reshape(2, DAYS)[:, 450:464] > 0
    names = 3 + 4  # weeks, then years: then what happened under like conditions, overall and by weekday
    like = windows.anchors[:, :, names].numpy()
    assert like[promo].mean() / like[~promo].mean() == pytest.approx(3, rel=0.15)


def test_features_survive_json():
    _, grid = weekly_shop(items=True)
    features, windows = windows_at(grid, 450)
    restored = Features.restore(json.loads(json.dumps(features.document())))
    period, known_by = np.full(2, grid.period_of(instant(450))), np.full(2, instant(450))
    again = WindowReader(restored, grid).read(np.arange(2), period, known_by)
    assert torch.equal(again.steps, windows.steps)
    assert torch.equal(again.context, windows.context)


def test_constant_columns_do_not_explode():
    _, grid = weekly_shop()
    features, windows = windows_at(grid, 450)
    price = next(column for column in features.ahead if column.name == "price")
    assert (price.kind, price.own_spread) == ("number", 1.0)
    assert windows.steps.abs().max() < 50
    far = price.against_usual(torch.tensor([[1e12, float("nan"), -1e12]]), torch.tensor([2.0]))
    assert all(part.isfinite().all() and part.abs().max() <= 4 for part in far)


def test_labels_unseen_in_training_have_no_input():
    column = Covariate.fit("weather", np.array([[3.0, 3.0, 8.0, np.nan]], np.float32), label=True)
    assert column.labels == (3.0, 8.0)
    assert [part.tolist() for part in column.against_usual(torch.tensor([[5.0, 8.0]]), torch.zeros(1))] == [
        [[0.0, 0.0]],
        [[0.0, 1.0]],
    ]
    assert column.bin(torch.tensor([[5.0, 3.0, 8.0]]), torch.zeros(1)).tolist() == [[0, 1, 2]]


def test_a_new_item_borrows_the_level_of_its_category():
    rows, grid = weekly_shop(items=True)
    features, _ = windows_at(grid, 450)
    more = {name: np.append(values, values[-1]) for name, values in rows.items()}
    more["item"][-1], more["day"][-1] = 9, DAYS - 1
    sources = {
        "sales": sales_table(more),
        "items": pa.table({"item_id": ids(["0", "1", "9"]), "category": ids(["small", "large", "large"])}),
    }
    level = features.statics.expected_level(assemble(sources, OPTIONS))
    assert features.statics.codes(assemble(sources, OPTIONS))[2, 0] == 0
    assert level[2] == pytest.approx(level[1], rel=1e-6)


def test_random_windows_are_closed_and_repeatable():
    _, grid = weekly_shop()
    features, _ = windows_at(grid, 450)
    reader = WindowReader(features, grid)
    source = RandomWindows.before(reader, instant(450), steps=3, size=8)
    assert source.high.max() + 14 == grid.period_of(instant(450))
    first, again, other = (list(source.batches(epoch, 1)) for epoch in (0, 0, 1))
    assert all(torch.equal(a.context, b.context) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].context, other[0].context)
    assert all((batch.weight == 1).all() for batch in first)
    with pytest.raises(NotEnoughData):
        RandomWindows.before(reader, instant(10), steps=1, size=1)


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_network_learns_and_never_crosses(encoder):
    _, grid = weekly_shop()
    features, windows = windows_at(grid, 450)
    sizes = (windows.context.shape[-1], windows.summary.shape[-1], windows.steps.shape[-1], windows.anchors.shape[-1])
    with seeded(1):
        network = DemandNetwork(NetworkConfig(encoder, *sizes, features.statics.sizes, 7, 56, hidden=8, width=16))
        network.standardise(windows.summary)
        optimiser, losses = torch.optim.Adam(network.parameters(), 1e-2), []
        for _ in range(60):
            loss = DemandLoss()(network, windows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    quantiles, mean, cumulative = network.eval()(windows)
    assert (quantiles.diff(dim=-1) >= 0).all()
    assert (cumulative.diff(dim=-1) >= 0).all()
    assert mean.shape == (2, 14)


def test_nothing_is_learnt_from_what_was_not_observed():
    _, grid = weekly_shop()
    features, windows = windows_at(grid, 450)
    sizes = (windows.context.shape[-1], windows.summary.shape[-1], windows.steps.shape[-1], windows.anchors.shape[-1])
    with seeded(1):
        network = DemandNetwork(NetworkConfig("gru", *sizes, features.statics.sizes, 7, 56, hidden=8, width=16)).eval()
    windows.weight[:, 5:] = 0
    before = DemandLoss()(network, windows).item()
    windows.target[:, 5:] = 1e6
    assert DemandLoss()(network, windows).item() == before


def gaussian_forecast(n: int, steps: int, spread: float):
    z = np.array([-1.96, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645, 1.96])
    k = np.array([-1.96, -1.2816, -0.6745, 0, 0.6745, 0.8416, 1.2816, 1.645, 1.96, 2.3263])
    quantiles = np.full((n, steps, 8), 100.0) + spread * z
    step = np.arange(1, steps + 1)[:, None]
    return coherent(np.full((n, steps), 100.0), quantiles, np.tile(100 * step + spread * np.sqrt(step) * k, (n, 1, 1)))


def test_calibration_widens_what_was_too_sure():
    actual = np.random.default_rng(0).normal(100, 10, (300, 28))
    sure = gaussian_forecast(300, 28, 7.0)
    calibration = DemandCalibration.fit(sure, actual)
    covered = [
        ((actual >= f.quantiles[..., 1]) & (actual <= f.quantiles[..., 5])).mean()
        for f in (sure, calibration.apply(sure))
    ]
    assert covered[0] < 0.66
    assert covered[1] > 0.74  # not all the way: one slice is followed in part
    again = DemandCalibration.restore(json.loads(json.dumps(calibration.document())))
    np.testing.assert_array_equal(again.periods, calibration.periods)


def test_a_baseline_has_a_share_only_where_it_pays():
    actual = np.random.default_rng(0).normal(100, 10, (300, 28))
    good, bad = gaussian_forecast(300, 28, 10.0), gaussian_forecast(300, 28, 40.0)
    assert find_shares(good, {"moving_average": bad}, actual) == {}
    assert find_shares(bad, {"moving_average": good}, actual) == {"moving_average": 0.5}
    mixed = blended(bad, {"moving_average": good}, {"moving_average": 0.3})
    assert (np.diff(mixed.quantiles, axis=-1) >= 0).all()

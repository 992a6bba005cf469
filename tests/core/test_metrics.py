"""Metrics against formulas written out anew, slowly, series by series."""

import numpy as np
import pytest

from forecasting.metrics import (
    bias,
    coverage,
    history_scales,
    hit_rate,
    mase,
    pinball,
    rmsse,
    scaled_pinball,
    stock_score,
    wape,
    weighted_quantile_loss,
)

LEVELS = (0.1, 0.5, 0.9)
HORIZON, SEASON = 14, 7


@pytest.fixture(scope="module")
def world():
    """Ragged intermittent histories, some of them short, without sales, constant or gappy, and forecasts for them."""
    random = np.random.default_rng(0)
    histories = [random.poisson(random.gamma(1, 2), size) * 1.0 for size in (60, 5, 7, 8, 1, 0, 2, 90, 30)]
    histories[0][:10] = 0  # sold from the 11th day on
    histories.append(np.zeros(20))
    histories.append(np.full(20, 3.0))
    histories.append(np.array([0.0, 0, 0, 5]))
    actual = random.poisson(2, (len(histories), HORIZON)) * 1.0
    quantiles = np.sort(random.gamma(2, 1, (len(histories), HORIZON, 3)), axis=2)
    return histories, actual, quantiles, quantiles.mean(2)


def slow_scales(history: np.ndarray):
    """The development scorer's definition: from the first sale; None with fewer than two periods."""
    sold = [k for k, y in enumerate(history) if y != 0]
    z = history[sold[0] if sold else 0 :]
    if len(z) < 2:
        return None
    naive = [z[k] - z[k - 1] for k in range(1, len(z))]
    seasonal = [z[k] - z[k - SEASON] for k in range(SEASON, len(z))] if len(z) > SEASON else naive
    return (
        sum(map(abs, seasonal)) / len(seasonal),
        sum(map(abs, naive)) / len(naive),
        sum(d * d for d in naive) / len(naive),
        sum(z[-28:]),
    )


def ragged(histories):
    return np.concatenate(histories), np.concatenate([[0], np.cumsum([len(h) for h in histories])])


def test_scales_series_by_series(world):
    scales = history_scales(*ragged(world[0]), SEASON)
    fields = (scales.seasonal_mae, scales.naive_mae, scales.naive_mse, scales.volume)
    for s, history in enumerate(world[0]):
        expected = slow_scales(history)
        np.testing.assert_allclose([f[s] for f in fields], np.full(4, np.nan) if expected is None else expected)


def test_scaled_metrics_series_by_series(world):
    histories, actual, quantiles, mean = world
    scales = history_scales(*ragged(histories), SEASON)
    series = np.repeat(np.arange(len(histories)), HORIZON)
    absolute, square, spl, volumes = [], [], [[], [], []], []
    for s, history in enumerate(histories):
        expected = slow_scales(history)
        if expected is None:
            continue
        seasonal, naive, squared, volume = expected
        if seasonal > 0:
            absolute.append(np.mean(np.abs(actual[s] - quantiles[s, :, 1])) / seasonal)
        if squared > 0:
            square.append(np.sqrt(np.mean((actual[s] - mean[s]) ** 2) / squared))
            volumes.append(volume)
        if naive > 0:
            for k, level in enumerate(LEVELS):
                error = actual[s] - quantiles[s, :, k]
                spl[k].append(np.mean([max(level * e, (level - 1) * e) for e in error]) / naive)
    y, q, m = actual.ravel(), quantiles.reshape(-1, 3), mean.ravel()
    assert mase(np.abs(y - q[:, 1]), series, scales) == pytest.approx(np.mean(absolute))
    assert rmsse((y - m) ** 2, series, scales) == pytest.approx(np.mean(square))
    assert rmsse((y - m) ** 2, series, scales, by_volume=True) == pytest.approx(np.average(square, weights=volumes))
    assert scaled_pinball(y, q, LEVELS, series, scales) == pytest.approx(np.mean([np.mean(part) for part in spl]))


def test_unscaled_metrics_by_hand():
    y = np.array([2.0, 0.0, 4.0])
    q = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(pinball(y, q, LEVELS), [[0.1, 0, 0.1], [0, 0.5, 0.2], [0.3, 1, 0.9]])
    np.testing.assert_allclose(weighted_quantile_loss(y, q, LEVELS), 2 * np.array([0.4, 1.5, 1.2]) / 6)
    np.testing.assert_allclose(hit_rate(y, q), [1 / 3, 2 / 3, 2 / 3])
    assert coverage(y, q[:, 0], q[:, 2]) == pytest.approx(2 / 3)
    assert wape(y, q[:, 1]) == pytest.approx(3 / 6) and bias(y, q[:, 1]) == pytest.approx(-1 / 6)


def test_unknown_outcomes_are_left_out(world):
    _, actual, quantiles, mean = world
    y, q, m = actual.ravel().copy(), quantiles.reshape(-1, 3), mean.ravel()
    hidden = np.arange(len(y)) % 3 == 0
    y[hidden] = np.nan
    seen = ~hidden
    np.testing.assert_allclose(weighted_quantile_loss(y, q, LEVELS), weighted_quantile_loss(y[seen], q[seen], LEVELS))
    np.testing.assert_allclose(hit_rate(y, q), hit_rate(y[seen], q[seen]))
    assert wape(y, m) == pytest.approx(wape(y[seen], m[seen]))
    assert bias(y, m) == pytest.approx(bias(y[seen], m[seen]))
    assert coverage(y, q[:, 0], q[:, 2]) == pytest.approx(coverage(y[seen], q[seen, 0], q[seen, 2]))


def test_nothing_sold_gives_no_number_rather_than_infinity():
    zero = np.zeros(3)
    assert np.isnan(wape(zero, zero + 1)) and np.isnan(bias(zero, zero + 1))
    assert np.isnan(weighted_quantile_loss(zero, np.ones((3, 3)), LEVELS)).all()


def test_unobserved_periods_in_a_history_are_skipped():
    scales = history_scales(np.array([1.0, np.nan, 3.0, 4.0]), np.array([0, 4]), 7)
    assert scales.naive_mae[0] == 1 and scales.volume[0] == 8


def test_stock_score_by_hand():
    score = stock_score(np.array([10.0, 10.0, np.nan]), np.array([12.0, 7.0, 3.0]), 0.9)
    assert (score.service, score.fill) == (0.5, pytest.approx(17 / 20))
    assert score.cost == pytest.approx((0.9 * 3 + 0.1 * 2) / 20) and score.stock == pytest.approx(19 / 20)

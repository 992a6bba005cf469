"""Calibration repairs coverage on fresh data, group by group, and never makes quantiles cross."""

import json
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecasting.calibration import QuantileCalibration
from forecasting.schema import ArtifactError, ConfigurationError, NotEnoughData

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
Z = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def overconfident(n: int, seed: int, spread: np.ndarray | float = 2.0):
    """Forecasts that believe in a spread of 1 around the right centre, shifted by a half."""
    random = np.random.default_rng(seed)
    centre = random.normal(20, 3, n)
    return centre[:, None] + 0.5 + Z, centre + spread * random.normal(size=n)


def hits(quantiles, actual):
    return (actual[:, None] <= quantiles).mean(0)


@pytest.mark.parametrize("mode", ["additive", "multiplicative"])
def test_repairs_coverage_on_fresh_data(mode):
    calibration = QuantileCalibration.fit(LEVELS, *overconfident(4000, 0), mode=mode)
    quantiles, actual = overconfident(20000, 1)
    assert np.abs(hits(quantiles, actual) - LEVELS).max() > 0.09
    repaired = calibration.apply(quantiles)
    assert np.abs(hits(repaired, actual) - LEVELS).max() < 0.02
    assert (np.diff(repaired, axis=1) >= 0).all()


def test_finite_sample_intervals_cover_at_least_what_they_say():
    """Averaged over many small calibration sets, the conformal 80% interval covers 80% or a little more."""
    covered = []
    for seed in range(400):
        calibration = QuantileCalibration.fit(LEVELS, *overconfident(19, seed))
        quantiles, actual = overconfident(100, seed + 10_000)
        repaired = calibration.apply(quantiles)
        covered.append(((actual >= repaired[:, 1]) & (actual <= repaired[:, 3])).mean())
    assert 0.79 < np.mean(covered) < 0.87


def test_groups_with_enough_data_have_their_own():
    group = np.repeat([7, 3, -2], [3000, 3000, 50])
    spread = np.where(group == 7, 1.0, 3.0)
    calibration = QuantileCalibration.fit(LEVELS, *overconfident(6050, 0, spread), group=group)
    assert set(calibration.groups) == {3, 7}
    quantiles, actual = overconfident(6050, 1, spread)
    repaired = calibration.apply(quantiles, group=group)
    for name in (7, 3):
        assert np.abs(hits(repaired[group == name], actual[group == name]) - LEVELS).max() < 0.03
    pooled = calibration.apply(quantiles)
    for stranger in (-2, 5, 99):  # too small, never seen, beyond the last
        np.testing.assert_array_equal(calibration.apply(quantiles, group=np.full(6050, stranger)), pooled)


def test_scale_shares_shifts_between_large_and_small():
    random = np.random.default_rng(0)
    scale = np.exp(random.normal(0, 2, 8000))
    quantiles, actual = scale[:, None] * (5 + Z), scale * (5 + 2 * random.normal(size=8000))
    half = slice(0, 4000), slice(4000, None)
    calibration = QuantileCalibration.fit(LEVELS, quantiles[half[0]], actual[half[0]], scale=scale[half[0]])
    repaired = calibration.apply(quantiles[half[1]], scale=scale[half[1]])
    small = scale[half[1]] < 0.2
    assert np.abs(hits(repaired[small], actual[half[1]][small]) - LEVELS).max() < 0.04
    np.testing.assert_allclose(calibration.pooled, Z, atol=0.2)


def test_unknown_outcomes_are_left_out():
    quantiles, actual = overconfident(500, 0)
    hidden = actual.copy()
    hidden[::2] = np.nan
    a = QuantileCalibration.fit(LEVELS, quantiles, hidden)
    b = QuantileCalibration.fit(LEVELS, quantiles[1::2], actual[1::2])
    np.testing.assert_array_equal(a.pooled, b.pooled)
    with pytest.raises(NotEnoughData):
        QuantileCalibration.fit(LEVELS, quantiles, np.full(500, np.nan))


def test_zero_quantiles_do_not_make_factors_explode():
    quantiles = np.array([[0.0, 0.0, 0.0, 1.0, 2.0]] * 300)
    actual = np.random.default_rng(0).poisson(0.5, 300).astype(float)
    calibration = QuantileCalibration.fit(LEVELS, quantiles, actual, mode="multiplicative")
    np.testing.assert_array_equal(calibration.pooled[:3], 1)
    assert np.isfinite(calibration.pooled).all() and calibration.pooled.max() <= actual.max()


def test_quantiles_next_to_zero_do_not_make_factors_overflow():
    quantiles = np.full((300, 5), np.finfo(float).tiny)
    quantiles[0] = 2.0
    calibration = QuantileCalibration.fit(LEVELS, quantiles, np.ones(300), mode="multiplicative")
    np.testing.assert_array_equal(calibration.pooled, 0.5)
    assert np.isfinite(calibration.apply(quantiles)).all()


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(float, (12, 5), elements=st.floats(0, 50)),
    arrays.arrays(float, 12, elements=st.floats(0, 50)),
    st.sampled_from(["additive", "multiplicative"]),
)
def test_never_crosses_and_keeps_the_floor(quantiles, actual, mode):
    quantiles = np.sort(quantiles, axis=1)
    calibration = QuantileCalibration.fit(LEVELS, quantiles, actual, mode=mode, minimum=5, group=np.arange(12) % 2)
    repaired = calibration.apply(quantiles, group=np.arange(12) % 3, floor=0.0)
    assert np.isfinite(repaired).all() and (repaired >= 0).all() and (np.diff(repaired, axis=1) >= 0).all()


def test_json_round_trip_is_exact():
    group = np.arange(600) % 2
    calibration = QuantileCalibration.fit(LEVELS, *overconfident(600, 0), group=group)
    again = QuantileCalibration.from_json(json.loads(json.dumps(calibration.to_json())))
    quantiles, _ = overconfident(600, 1)
    np.testing.assert_array_equal(again.apply(quantiles, group=group), calibration.apply(quantiles, group=group))
    assert again.to_json() == calibration.to_json() and set(again.groups) == {0, 1}


def test_what_cannot_be_used_is_refused():
    quantiles, actual = overconfident(10, 0)
    with pytest.raises(ConfigurationError, match="isotonic"):
        QuantileCalibration.fit(LEVELS, quantiles, actual, mode="isotonic")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not negative"):
        QuantileCalibration.fit(LEVELS, quantiles - 100, actual, mode="multiplicative")
    for document in ({}, {"levels": [0.5], "mode": "additive", "pooled": "x", "groups": {}}, {"levels": 1}):
        with pytest.raises(ArtifactError, match="calibration"):
            QuantileCalibration.from_json(document)

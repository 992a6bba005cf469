"""Scalers: one contract for all, and what each promises."""

import json

import numpy as np
import pytest

from forecasting.scaling import (
    SCALERS,
    Frame,
    MinMax,
    Standard,
    WindowMean,
    fit_scaler,
    restore_scaler,
    scaler_document,
)
from forecasting.schema import ArtifactError, ConfigurationError


def training(seed: int = 0) -> np.ndarray:
    """[50, 20, 4]: a number, a constant price, zeros, and a column without any value."""
    rng = np.random.default_rng(seed)
    values = np.stack([rng.normal(30, 5, (50, 20)), np.full((50, 20), 9.99), np.zeros((50, 20))], axis=-1)
    values[rng.random((50, 20)) < 0.2, 0] = np.nan
    return np.concatenate([values, np.full((50, 20, 1), np.nan)], axis=-1)


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_every_scaler_is_finite_restores_exactly_and_leaves_missing_values_missing(name):
    values = training()
    scaler = fit_scaler(name, values)
    frame = scaler.frame(values)
    scaled = frame.apply(values)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(values))
    assert np.nanmax(np.abs(scaled)) < 20
    np.testing.assert_allclose(frame.undo(scaled), values, rtol=1e-12)
    restored = restore_scaler(json.loads(json.dumps(scaler_document(scaler))))
    assert restored.frame(values).apply(values).tobytes() == scaled.tobytes()


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_a_constant_column_that_moves_at_last_explodes_nowhere(name):
    scaler = fit_scaler(name, np.full((100, 30, 1), 9.99) + np.random.default_rng(0).normal(0, 1e-12, (100, 30, 1)))
    later = np.full((1, 30, 1), 12.99)
    assert 0 < np.abs(scaler.frame(later).apply(later)).max() < 100


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_an_empty_training_part_still_scales(name):
    scaler = fit_scaler(name, np.empty((0, 5, 2)))
    assert np.isfinite(scaler.frame(np.ones((1, 5, 2))).apply(np.ones((1, 5, 2)))).all()


def test_standard_and_minmax_do_what_their_names_say():
    values = training()
    scaled = Standard.fit(values).frame(values).apply(values)[..., 0]
    assert abs(np.nanmean(scaled)) < 1e-12 and abs(np.nanstd(scaled) - 1) < 1e-12
    scaled = MinMax.fit(values).frame(values).apply(values)[..., 0]
    assert np.nanmin(scaled) == 0 and np.nanmax(scaled) == 1


def test_the_window_mean_is_of_each_window_and_ignores_missing_cells():
    windows = np.array([[1.0, 3.0, np.nan], [100.0, 300.0, 200.0], [0.0, 0.0, 0.0], [np.nan] * 3])[..., None]
    frame = WindowMean.fit(windows).frame(windows)
    assert frame.spread.shape == (4, 1, 1)
    np.testing.assert_allclose(frame.spread.ravel(), [2, 200, 1 / 3, 1])
    assert isinstance(frame, Frame)


def test_unknown_names_and_damaged_documents_are_refused():
    with pytest.raises(ConfigurationError, match=r"'robust' is unknown.*minmax, standard, window_mean"):
        fit_scaler("robust", training())
    good = scaler_document(Standard.fit(training()))
    for wrong in (
        {},
        {**good, "name": "robust"},
        {**good, "more": [1.0]},
        {"name": "standard", "mean": [0.0]},
        {**good, "mean": [float("nan")] * 4},
        {**good, "mean": "text"},
    ):
        with pytest.raises(ArtifactError):
            restore_scaler(wrong)

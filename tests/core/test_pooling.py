"""Figures of several folds as one."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.pipeline import _pooled
from forecasting.task import Score


def test_a_metric_is_pooled_over_the_folds_that_have_it_by_their_samples():
    scores = [
        Score({"loss": 1.0, "samples": 10.0}, np.zeros(1), np.zeros(1, int)),
        Score({"loss": 4.0, "rare": 5.0, "samples": 20.0}, np.zeros(1), np.zeros(1, int)),
        Score({"loss": 1.0, "rare": 2.0, "samples": 10.0}, np.zeros(1), np.zeros(1, int)),
    ]
    assert _pooled(scores) == pytest.approx({"loss": 2.5, "rare": 4.0, "samples": 40.0})

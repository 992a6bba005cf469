"""Survival curves: read at any day, and the day by which the next purchase is as likely made as not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.churn.forecast import FAR_DAYS, ChurnForecast


def curve(edges: list[float], hazards: list[list[float]]) -> ChurnForecast:
    """The curves of constant hazards per day between edges."""
    steps = np.array(hazards) * np.diff(edges)
    return ChurnForecast(np.array(edges), np.exp(-np.append(np.zeros((len(steps), 1)), np.cumsum(steps, 1), axis=1)))


def test_a_curve_is_read_between_its_edges_and_beyond_them() -> None:
    forecast = curve([0, 10, 30], [[0.02, 0.01], [0.0, 0.1]])
    assert forecast.at(0) == pytest.approx([1, 1])
    assert forecast.at(5) == pytest.approx(np.exp([-0.1, 0.0]))
    assert forecast.at(30) == pytest.approx(np.exp([-0.4, -2.0]))
    assert forecast.at(40) == pytest.approx(np.exp([-0.5, -3.0]))  # the last hazard goes on


@given(st.lists(st.floats(1e-3, 0.5), min_size=3, max_size=3))
def test_by_the_median_day_the_curve_is_at_one_half(hazards: list[float]) -> None:
    forecast = curve([0, 7, 20, 60], [hazards])
    days = float(forecast.median_days()[0])
    assert forecast.at(days)[0] == pytest.approx(0.5)


def test_a_purchase_that_is_years_away_has_no_date() -> None:
    barely = np.log(2) / FAR_DAYS
    days = curve([0, 30], [[0.0], [barely / 1.01], [barely * 1.01]]).median_days()
    assert np.isnan(days[:2]).all() and days[2] == pytest.approx(FAR_DAYS / 1.01)


def test_nobody_has_no_curve() -> None:
    forecast = ChurnForecast(np.array([0.0, 30.0]), np.zeros((0, 2)))
    assert len(forecast) == len(forecast.at(5)) == len(forecast.median_days()) == 0


def test_a_certain_purchase_and_a_flat_curve_are_no_trouble() -> None:
    forecast = ChurnForecast(np.array([0.0, 10.0, 30.0]), np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.25]]))
    days = forecast.median_days()
    assert 0 < days[0] < 10 and days[1] == pytest.approx(20)

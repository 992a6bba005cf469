"""What a churn forecast was worth: the same figures as the public scorer, and what has no outcome counts nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from churn_shops import customers_of, days, order
from hypothesis import given
from hypothesis import strategies as st

from forecasting.metrics import auc
from forecasting.task import Cases
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.score import average_precision, calibration_slope, judged, lift, log_losses, score

OPTIONS = ChurnOptions(horizon_days=30, active_days=60)

NUMBER = np.arange(300)
PROBABILITY = np.round(0.5 + 0.45 * np.sin(NUMBER * NUMBER * 0.7), 2)
CHURNED = ((NUMBER * 7919) % 100 < 100 * PROBABILITY**1.3).astype(float)

# score/churn.py of the shared folder (scikit-learn 1.9):
#   python -c 'from churn import score; ...; print(score(CHURNED.astype(int), PROBABILITY))'
REFERENCE = {
    "auc": 0.860202084566019,
    "pr_auc": 0.8199453156406937,
    "brier": 0.15772866666666668,
    "ece": 0.09119999999999998,
    "lift@10%": 2.226198997852541,
    "churn_rate": 0.42333333333333334,
    "mean_probability": 0.5066,
}
REFERENCE_LOG_LOSS, REFERENCE_SLOPE = 0.4837075485610822, 1.0001333001618873


def forecast_of(probability: np.ndarray, horizon: float = 30.0) -> ChurnForecast:
    return ChurnForecast(np.array([0.0, horizon]), np.column_stack([np.ones(len(probability)), probability]))


def test_figures_are_those_of_the_public_scorer() -> None:
    found = judged(CHURNED, PROBABILITY)
    assert {name: found[name] for name in REFERENCE} == pytest.approx(REFERENCE, rel=1e-12)
    assert found["calibration_slope"] == pytest.approx(REFERENCE_SLOPE, rel=1e-3)  # theirs stops earlier
    assert log_losses(CHURNED, PROBABILITY).mean() == pytest.approx(REFERENCE_LOG_LOSS, rel=1e-12)


TIED = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30)


@given(TIED)
def test_auc_compares_every_pair(rows: list[tuple[bool, int]]) -> None:
    churned, p = np.array([row[0] for row in rows], float), np.array([row[1] / 5 for row in rows])
    left, stayed = p[churned > 0], p[churned == 0]
    pairs = [(a > b) + 0.5 * (a == b) for a in left for b in stayed]
    assert auc(churned, p) == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


@given(TIED)
def test_average_precision_asks_at_everybody_who_left(rows: list[tuple[bool, int]]) -> None:
    churned, p = np.array([row[0] for row in rows], float), np.array([row[1] / 5 for row in rows])
    precisions = [churned[p >= one].mean() for one in p[churned > 0]]
    assert average_precision(churned, p) == pytest.approx(np.mean(precisions) if precisions else np.nan, nan_ok=True)


def test_lift_shares_ties_at_the_border() -> None:
    churned = np.array([1.0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert lift(churned, np.linspace(1, 0, 10), 0.2) == pytest.approx(0.5 / 0.2)
    assert lift(churned, np.array([0.9, *[0.5] * 9]), 0.2) == pytest.approx((1 + 1 / 9) / 2 / 0.2)


def test_the_slope_says_how_overconfident_a_forecast_is() -> None:
    truth = np.linspace(0.05, 0.95, 19).repeat(200)
    churned = (np.tile(np.arange(200), 19) < 200 * truth).astype(float)
    odds = truth / (1 - truth)
    assert calibration_slope(churned, truth) == pytest.approx(1.0, abs=1e-6)
    assert calibration_slope(churned, odds**2 / (1 + odds**2)) == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(calibration_slope(churned, np.full(len(truth), 0.3)))
    assert np.isnan(calibration_slope(np.array([0.0, 0.0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])))


def shop() -> list:
    """a buys on days 0 and 40, b on day 1 and for the last time on day 55, c on day 2 alone."""
    bought = [("a", 0), ("a", 40), ("b", 1), ("b", 55), ("c", 2)]
    return [order(str(number), who, 24 * day) for number, (who, day) in enumerate(bought)]


def test_loss_is_that_of_the_horizon_and_adds_up() -> None:
    customers = customers_of(shop())
    cases = Cases(np.array([0, 1, 2]), days(12, 12, 12))
    result = score(customers, OPTIONS, cases, forecast_of(np.array([0.2, 0.7, 0.6])))
    # a buys 28 days later, b 43 days, c never
    np.testing.assert_allclose(result.loss, -np.log([0.8, 0.7, 0.6]) / 3)
    assert result.metrics["log_loss"] == pytest.approx(result.loss.sum())
    assert result.metrics["samples"] == 3 and result.metrics["churn_rate"] == pytest.approx(2 / 3)
    np.testing.assert_array_equal(result.entity, cases.entity)
    assert not any("@d" in name for name in result.metrics)  # too few for a curve


def test_a_purchase_at_the_cutoff_counts_and_one_at_the_end_of_the_horizon_does_not() -> None:
    customers = customers_of(shop())
    cases = Cases(np.array([0, 0]), days(40, 10))
    result = score(customers, ChurnOptions(horizon_days=15), cases, forecast_of(np.array([0.1, 0.1]), 15.0))
    np.testing.assert_allclose(result.loss * 2, -np.log([0.9, 0.1]))
    exactly = score(customers, OPTIONS, Cases(np.array([0]), days(10)), forecast_of(np.array([0.1])))
    np.testing.assert_allclose(exactly.loss, -np.log([0.1]))


def test_cases_whose_horizon_is_not_all_known_count_nowhere() -> None:
    customers = customers_of(shop())  # known to the end of day 55
    cases = Cases(np.array([0, 1, 2, 0]), days(26, 27, 50, 12))
    result = score(customers, OPTIONS, cases, forecast_of(np.array([0.5, 0.5, 0.5, 0.5])))
    assert (result.loss > 0).tolist() == [True, False, False, True]
    assert result.metrics["samples"] == 2
    none = score(customers, OPTIONS, cases.take(np.array([1, 2])), forecast_of(np.array([0.5, 0.5])))
    assert none.metrics == {"log_loss": 0.0, "samples": 0.0}


def test_where_nobody_left_there_is_no_ranking_to_judge() -> None:
    result = score(customers_of(shop()), OPTIONS, Cases(np.array([0]), days(12)), forecast_of(np.array([0.0])))
    assert {"auc", "pr_auc", "lift@10%", "calibration_slope"}.isdisjoint(result.metrics)
    assert all(np.isfinite(value) for value in result.metrics.values())


def test_no_probability_is_surer_than_the_clip() -> None:
    np.testing.assert_allclose(log_losses(np.array([1.0, 0.0]), np.array([0.0, 1.0])), -np.log(1e-4))


def test_the_reliability_curve_has_ten_tenths_from_the_least_likely() -> None:
    found = judged(CHURNED, PROBABILITY)
    predicted, observed = ([found[f"{name}@d{k}"] for k in range(1, 11)] for name in ("predicted", "observed"))
    assert predicted == sorted(predicted)
    assert np.mean(predicted) == pytest.approx(PROBABILITY.mean())
    assert np.mean(observed) == pytest.approx(CHURNED.mean())
    assert found["ece"] == pytest.approx(np.abs(np.subtract(predicted, observed)).mean())

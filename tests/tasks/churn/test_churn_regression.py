"""The regression of the hazard: its derivatives, what it learns from censored times, and its stored form."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.churn.hazard_regression import (
    Basis,
    HazardRegression,
    exposure,
    fit_regression,
    restore_regression,
    supported,
)
from tasks.churn.outcomes import Outcomes
from tasks.churn.sequence import STEP_COLUMNS, LatestEvents
from tasks.churn.snapshot import Snapshot
from tasks.churn.view import BOUGHT_BEFORE_RECORDS

EDGES = np.array([0.0, 5, 10, 20, 40])
NAMES = ("recency", "orders", "usual_gap", "constant", "nobody", BOUGHT_BEFORE_RECORDS)
CUTOFF = np.datetime64("2024-06-01", "us")


def lesson(count: int, seed: int = 0) -> tuple[Snapshot, Outcomes, np.ndarray]:
    """Customers whose hazard is exp(-3 - .8 recency + .5 orders), watched for up to 40 days; and these hazards."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, len(NAMES))).astype(np.float32)
    rate = np.exp(-3 - 0.8 * features[:, 0] + 0.5 * features[:, 1].astype(np.float64))
    features[random.random(count) < 0.4, 2] = np.nan
    features[:, 3], features[:, 4] = 7.0, np.nan
    days, watched = random.exponential(1 / rate), random.uniform(2, 40, count)
    bought = days < watched
    nothing = np.zeros((count, 1, len(STEP_COLUMNS)), np.float32)
    events = LatestEvents(nothing, np.full((count, 1), -1, np.int32), np.zeros((count, 1), bool), np.empty(0, object))
    region = np.full(count, -1, np.int32)
    snapshot = Snapshot(features, NAMES, region, events, np.full(count, CUTOFF), np.empty(0, object))
    return snapshot, Outcomes(np.where(bought, days, watched), bought, watched), rate


@pytest.fixture(scope="module")
def fitted() -> HazardRegression:
    snapshot, outcome, _ = lesson(20_000)
    return fit_regression(snapshot, outcome, EDGES)


def test_it_learns_from_times_that_were_watched_in_part(fitted: HazardRegression) -> None:
    snapshot, _, rate = lesson(2000, seed=1)
    edges, survival = fitted.curves(snapshot)
    near = np.abs(snapshot.features[:, :2]).max(axis=1) < 1.5
    truth = np.exp(-rate[:, None] * edges)
    assert np.abs(survival - truth)[near].mean() < 0.03
    assert abs((survival - truth)[:, -1].mean()) < 0.02
    assert (survival[:, 0] == 1).all() and (np.diff(survival, axis=1) <= 0).all()


def test_columns_that_say_nothing_are_left_out(fitted: HazardRegression) -> None:
    assert set(fitted.basis.names) == {"recency", "orders", "usual_gap", BOUGHT_BEFORE_RECORDS}
    assert fitted.basis.unsure.tolist() == [name == "usual_gap" for name in fitted.basis.names]


def test_the_fit_is_a_maximum() -> None:
    """The very likelihood, written down again, falls in every direction from what was found."""
    snapshot, outcome, _ = lesson(3000, seed=2)
    fitted = fit_regression(snapshot, outcome, EDGES)
    watched, bought = exposure(outcome, EDGES)
    scaled = fitted.basis.scaled(snapshot)
    fixed, changing = fitted.basis.columns(scaled).astype(float), fitted.basis.changing(scaled).astype(float)
    moment = np.log((EDGES[1:] + EDGES[:-1]) / 2)
    moment = (moment - moment.mean()) / moment.std()
    ridge = np.where(fitted.basis.of_figure(BOUGHT_BEFORE_RECORDS), 200.0, 1000.0)

    def likelihood(level: np.ndarray, effect: np.ndarray, change: np.ndarray) -> float:
        log = level + (fixed @ effect)[:, None] + (changing @ change)[:, None] * moment
        penalty = 0.5 * (ridge * effect**2).sum() + 500.0 * (change**2).sum()
        return float((bought * log).sum() - (watched * np.exp(log)).sum() - penalty)

    found = [fitted.level, fitted.effect, fitted.change]
    best, random = likelihood(*found), np.random.default_rng(0)
    for _ in range(30):
        assert likelihood(*(values + random.normal(scale=0.02, size=values.shape) for values in found)) < best


def test_rates_agree_with_curves(fitted: HazardRegression) -> None:
    snapshot, _, _ = lesson(50, seed=3)
    edges, survival = fitted.curves(snapshot)
    np.testing.assert_allclose(-np.diff(np.log(survival), axis=1) / np.diff(edges), fitted.rates(snapshot), rtol=1e-6)


def test_a_case_does_not_depend_on_those_beside_it(fitted: HazardRegression) -> None:
    snapshot, _, _ = lesson(40, seed=4)
    np.testing.assert_allclose(fitted.rates(snapshot.take(np.arange(7, 9))), fitted.rates(snapshot)[7:9], rtol=1e-5)


def test_going_on_from_a_fit_changes_little(fitted: HazardRegression) -> None:
    snapshot, outcome, _ = lesson(20_000)
    again = fit_regression(snapshot, outcome, EDGES, fitted)
    np.testing.assert_allclose(again.effect, fitted.effect, atol=2e-3)


def test_exposure_and_the_interval_of_the_purchase() -> None:
    outcome = Outcomes(np.array([7.0, 10.0, 3.0, 50.0]), np.array([True, True, False, True]), np.full(4, 60.0))
    watched, bought = exposure(outcome, EDGES)
    assert watched.tolist() == [[5, 2, 0, 0], [5, 5, 0, 0], [3, 0, 0, 0], [5, 5, 10, 20]]
    assert bought.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_intervals_need_purchases_to_tell_their_level() -> None:
    days = np.append(np.full(60, 3.0), np.full(10, 30.0))
    found = supported(EDGES, Outcomes(days, np.ones(70, bool), days))
    assert found.tolist() == [0, 5]
    nobody = Outcomes(days, np.zeros(70, bool), days)
    assert supported(EDGES, nobody).tolist() == [0, 5]


def test_nobody_buys_and_one_customer() -> None:
    for count in (1, 200):
        snapshot, outcome, _ = lesson(count)
        nobody = Outcomes(outcome.watched, np.zeros(count, bool), outcome.watched)
        _, survival = fit_regression(snapshot, nobody, EDGES[:2]).curves(snapshot)
        assert np.isfinite(survival).all() and survival[:, -1].mean() > 0.6


def test_stored_and_restored(fitted: HazardRegression) -> None:
    snapshot, _, _ = lesson(100, seed=5)
    again = restore_regression(fitted.tensors(), fitted.document())
    np.testing.assert_array_equal(again.rates(snapshot), fitted.rates(snapshot))


def test_a_basis_finds_figures_by_name() -> None:
    snapshot, _, _ = lesson(500)
    basis = Basis.fit(snapshot)
    turned = Snapshot(
        snapshot.features[:, ::-1], NAMES[::-1], snapshot.region, snapshot.latest, snapshot.cutoff, snapshot.regions
    )
    np.testing.assert_array_equal(basis.scaled(snapshot), basis.scaled(turned))

"""The gate's cases, and its error rates on synthetic pairs."""

import numpy as np
import pytest

from forecasting.gate import decide
from forecasting.schema import NotEnoughData

ENTITY = np.repeat(np.arange(50), 3)


def losses(mean: float, seed: int, noise: float = 0.1) -> np.ndarray:
    return mean + noise * np.random.default_rng(seed).normal(size=len(ENTITY))


def test_a_better_model_goes_out():
    verdict = decide({"model": losses(1, 0), "baseline:naive": losses(2, 1), "baseline:mean": losses(1.5, 2)}, ENTITY)
    assert verdict.passed and verdict.subject_to_publish == "model" and verdict.rival == "baseline:mean"
    assert verdict.difference == pytest.approx(-75, rel=0.05) and "at least as good" in verdict.reason


def test_a_worse_model_stays_and_the_best_rival_goes_out():
    verdict = decide({"model": losses(2, 0), "baseline:naive": losses(1.5, 1), "baseline:mean": losses(1, 2)}, ENTITY)
    assert not verdict.passed and verdict.subject_to_publish == "baseline:mean"
    assert "baseline:mean is better" in verdict.reason and "goes out" in verdict.reason


def test_the_champion_competes():
    verdict = decide({"model": losses(2, 0), "champion": losses(1, 1), "baseline:naive": losses(3, 2)}, ENTITY)
    assert not verdict.passed and verdict.subject_to_publish == "champion"


def test_worse_within_one_standard_error_goes_out():
    difference = np.where(np.arange(50) % 2, 1.0, -0.9)[ENTITY]  # sum of one entity: 3 times; total +7.5
    verdict = decide({"model": 5 + difference, "baseline:naive": np.full(len(ENTITY), 5.0)}, ENTITY)
    assert verdict.difference == pytest.approx(7.5)
    assert verdict.standard_error == pytest.approx(np.sqrt(50) * np.std(3 * difference[::3], ddof=1))
    assert verdict.passed and "within one standard error" in verdict.reason


def test_cases_of_one_entity_are_no_independent_evidence():
    """Repeating each case tenfold must not make the gate surer: the ratio of difference and error stays."""
    model, rival = losses(1.01, 0), losses(1, 1)
    once = decide({"model": model, "baseline:b": rival}, ENTITY)
    repeated = decide({"model": np.tile(model, 10), "baseline:b": np.tile(rival, 10)}, np.tile(ENTITY, 10))
    assert repeated.difference / repeated.standard_error == pytest.approx(once.difference / once.standard_error)
    assert repeated.passed == once.passed


def test_a_noisier_leader_is_the_one_that_goes_out():
    """One rival is clearly better than the model, another still better in total but noisily so: the latter goes out."""
    steady = np.full(len(ENTITY), 0.99)
    noisy = np.where(np.arange(50) % 2, 1.9, 0.05)[ENTITY]
    verdict = decide({"model": np.ones(len(ENTITY)), "baseline:steady": steady, "baseline:noisy": noisy}, ENTITY)
    assert verdict.rival == "baseline:steady" and verdict.subject_to_publish == "baseline:noisy"


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_losses_are_out_of_the_running(broken):
    bad = losses(1, 0)
    bad[7] = broken
    verdict = decide({"model": bad, "baseline:naive": losses(9, 1)}, ENTITY)
    assert not verdict.passed and verdict.subject_to_publish == "baseline:naive" and "not finite" in verdict.reason
    verdict = decide({"model": losses(1, 0), "baseline:naive": losses(9, 1), "baseline:bad": bad}, ENTITY)
    assert verdict.passed and verdict.rival == "baseline:naive"


def test_without_model_without_rival_without_anything():
    verdict = decide({"baseline:a": losses(2, 0), "baseline:b": losses(1, 0)}, ENTITY)
    assert not verdict.passed and verdict.subject_to_publish == "baseline:b" and verdict.difference is None
    assert decide({"model": losses(1, 0)}, ENTITY).passed
    with pytest.raises(NotEnoughData):
        decide({}, ENTITY)
    with pytest.raises(NotEnoughData):
        decide({"model": np.empty(0), "baseline:a": np.empty(0)}, np.empty(0, np.int64))


def test_a_single_entity_is_decided_by_the_plain_difference():
    one = np.zeros(3, np.int64)
    assert not decide({"model": np.array([2.0, 1, 1]), "baseline:b": np.ones(3)}, one).passed
    assert decide({"model": np.ones(3), "baseline:b": np.ones(3)}, one).passed


def test_losses_must_match_the_cases():
    with pytest.raises(ValueError, match="shape"):
        decide({"model": np.ones(3)}, np.zeros(2, np.int64))


def test_error_rate_of_equals():
    """A rival of equal quality keeps the model back about as often as a normal draw exceeds one: 16%."""
    random = np.random.default_rng(0)
    passed = [
        decide({"model": random.gamma(2, size=150), "baseline:b": random.gamma(2, size=150)}, ENTITY).passed
        for _ in range(1000)
    ]
    assert 0.80 < np.mean(passed) < 0.88

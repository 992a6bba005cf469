"""Durations by group: the curves of Kaplan and Meier, what is left once time has passed, and coarser groups' help."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.completion.durations import Durations, fit_durations
from tasks.completion.forecast import LEVELS


def fitted(
    days: np.ndarray, completed: np.ndarray | None = None, group: np.ndarray | None = None, **options: float
) -> tuple[Durations, np.ndarray]:
    """Durations of one level of groups, and where each group stands."""
    completed = np.ones(len(days), bool) if completed is None else completed
    levels = [] if group is None else [group]
    durations, positions = fit_durations(np.log(days), completed, levels, guess=np.log(7.0), **options)
    return durations, positions[0] if positions else np.empty(0, np.int64)


def quantiles(durations: Durations, group: int = 0, elapsed: float = 0.0) -> np.ndarray:
    return durations.remaining(np.array([group]), 0.0, np.array([elapsed]))[0]


def made_up(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(2.0, 0.6, count)


def test_without_censoring_quantiles_are_those_of_the_sample() -> None:
    days = made_up(0, 5000)
    inner = slice(2, -2)
    np.testing.assert_allclose(quantiles(fitted(days)[0])[inner], np.quantile(days, LEVELS)[inner], rtol=0.01)


def test_what_is_left_is_that_of_those_still_open() -> None:
    days = made_up(1, 20_000)
    durations, _ = fitted(days)
    for elapsed in (3.0, 8.0, 15.0):
        left = days[days > elapsed] - elapsed
        found = quantiles(durations, elapsed=elapsed)[2:-3]
        np.testing.assert_allclose(found, np.quantile(left, LEVELS)[2:-3], rtol=0.05, atol=0.03)


def test_curve_is_that_of_kaplan_and_meier() -> None:
    """Against the product over every single completion; those who leave in an interval count half in it."""
    random = np.random.default_rng(2)
    days, watched = made_up(2, 3000), random.uniform(1, 30, 3000)
    completed = days <= watched
    seen = np.minimum(days, watched)
    durations, _ = fitted(seen, completed)
    order = np.argsort(seen)
    at_risk = len(seen) - np.arange(len(seen))
    curve = np.cumprod(1 - completed[order] / at_risk)
    edges = durations.edges[10:-10:10]
    before = np.searchsorted(np.log(seen[order]), edges, side="left")
    expected = curve[before - 1]
    np.testing.assert_allclose(durations.survival[0, 10:-10:10], expected, atol=0.01)


def test_open_orders_are_not_forgotten() -> None:
    """Orders watched for a random time: those complete are the fast ones, and the truth is slower."""
    random = np.random.default_rng(3)
    days, watched = made_up(3, 20_000), random.uniform(2, 60, 20_000)
    completed = days <= watched
    truth = float(np.median(days))
    with_open, _ = fitted(np.minimum(days, watched), completed)
    without, _ = fitted(days[completed])
    median = LEVELS.tolist().index(0.5)
    assert quantiles(with_open)[median] == pytest.approx(truth, rel=0.02)
    assert quantiles(without)[median] < 0.95 * truth


def test_orders_never_completed_are_no_slow_ones() -> None:
    days = made_up(4, 4000)
    lost = np.full(200, 90.0)
    completed = np.append(np.ones(4000, bool), np.zeros(200, bool))
    durations, _ = fitted(np.append(days, lost), completed, lost=200 / 4200)
    np.testing.assert_allclose(quantiles(durations)[2:-2], np.quantile(days, LEVELS)[2:-2], rtol=0.03)


def test_small_groups_follow_the_coarser_one_and_large_ones_themselves() -> None:
    slow, fast = made_up(5, 3000) * 3, made_up(6, 3000)
    few = np.full(2, 40.0)
    days = np.concatenate([slow, fast, few])
    group = np.repeat([0, 1, 2], [3000, 3000, 2])
    durations, positions = fitted(days, group=group)
    median = LEVELS.tolist().index(0.5)
    assert quantiles(durations, positions[0])[median] == pytest.approx(np.median(slow), rel=0.03)
    assert quantiles(durations, positions[1])[median] == pytest.approx(np.median(fast), rel=0.03)
    assert quantiles(durations, positions[2])[median] == pytest.approx(np.median(days), rel=0.35)
    own, _ = fitted(days, group=group, prior=0.01)
    assert abs(quantiles(own, positions[2])[median] - 40) < abs(quantiles(durations, positions[2])[median] - 40)


def test_groups_of_the_second_level_are_drawn_to_their_own_group_of_the_first() -> None:
    days = np.concatenate([made_up(7, 2000) * 4, made_up(8, 2000)])
    first = np.repeat([0, 1], 2000)
    second = np.where(np.arange(4000) % 2000 < 3, first, -1)  # three rows each, the others of no known group
    durations, (_, places) = fit_durations(np.log(days), np.ones(4000, bool), [first, second], guess=2.0)
    median = LEVELS.tolist().index(0.5)
    slow, fast = (quantiles(durations, int(place))[median] for place in places)
    assert slow == pytest.approx(np.median(days[:2000]), rel=0.4)
    assert fast == pytest.approx(np.median(days[2000:]), rel=0.4)


def test_beyond_everything_seen_what_is_left_grows_with_what_has_passed() -> None:
    durations, _ = fitted(made_up(9, 500))
    left = np.array([quantiles(durations, elapsed=elapsed) for elapsed in (100.0, 200.0, 400.0)])
    assert (np.diff(left, axis=0) > 0).all() and np.isfinite(left).all()
    np.testing.assert_allclose(left[2, 2:-2], 2 * left[1, 2:-2], rtol=1e-6)


def test_a_location_stretches_time() -> None:
    durations, _ = fitted(made_up(10, 500))
    plain = durations.remaining(np.zeros(1, np.int64), 0.0, np.array([2.0]))
    slower = durations.remaining(np.zeros(1, np.int64), np.log(3.0), np.array([6.0]))
    np.testing.assert_allclose(slower, 3 * plain, rtol=1e-9)


def test_nothing_completed_gives_what_was_guessed() -> None:
    for days in (np.empty(0), np.full(30, 2.0)):
        durations, _ = fitted(days, np.zeros(len(days), bool))
        found = quantiles(durations)
        assert (np.diff(found) >= 0).all() and found[0] > 0
        assert 3 < found[LEVELS.tolist().index(0.5)] < 12


ROWS = st.lists(st.tuples(st.floats(0.001, 400), st.booleans(), st.integers(-1, 2)), min_size=0, max_size=60)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.floats(0, 1000))
def test_quantiles_are_finite_in_order_and_answer_for_any_rows(
    rows: list[tuple[float, bool, int]], elapsed: float
) -> None:
    days = np.array([row[0] for row in rows])
    completed = np.array([row[1] for row in rows], bool)
    durations, positions = fitted(days, completed, np.array([row[2] for row in rows], np.int64))
    for group in [0, *positions]:
        found = quantiles(durations, int(group), elapsed)
        assert np.isfinite(found).all() and (found >= 0).all() and (np.diff(found) >= -1e-9).all()

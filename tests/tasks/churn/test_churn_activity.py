"""The shop's own time: what it makes of days, how it is found, and what it expects of the weeks to come."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_customers import BEGIN, DAY, steady_shop

from forecasting.task import Cases
from tasks.churn.activity import PRIOR_PURCHASES, WEEKS_AHEAD, Activity
from tasks.churn.drift import fit_with_activity, purchases_by_week
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import Outcomes, outcomes
from tasks.churn.season import YEAR_DAYS, usual_season
from tasks.churn.snapshot import snapshot
from tasks.churn.training_cases import first_purchase, training_cases
from tasks.churn.view import View

WEEKLY = np.array([1.0, 2.0, 0.5])
BUSY = Activity(BEGIN, WEEKLY, np.array([1.5, 1.0]))


def lived(activity: Activity, day: float) -> float:
    """Operational days from BEGIN to a day, hour by hour."""
    level = np.concatenate([activity.weekly, activity.ahead])
    hours = np.arange(round(day * 24))
    return float(level[np.minimum(hours // 168, len(level) - 1)].sum() / 24)


@given(st.integers(0, 24 * 60), st.integers(0, 24 * 60))
def test_elapsed_is_the_sum_of_the_levels(start: int, hours: int) -> None:
    cutoff = np.array([BEGIN + np.timedelta64(start, "h")])
    expected = lived(BUSY, (start + hours) / 24) - lived(BUSY, start / 24)
    assert BUSY.elapsed(cutoff, np.array([hours / 24])) == pytest.approx([expected], abs=1e-6)


def test_flat_activity_is_the_calendar() -> None:
    flat = Activity.flat(BEGIN, BEGIN + 100 * DAY)
    assert flat.origin + len(flat.weekly) * 7 * DAY == BEGIN + 100 * DAY
    cutoff = np.array([BEGIN - 3 * DAY, BEGIN + 50 * DAY, BEGIN + 900 * DAY])
    np.testing.assert_allclose(flat.elapsed(cutoff, np.array([1.0, 30.5, 60.0])), [1.0, 30.5, 60.0])


def test_outcomes_in_operational_days() -> None:
    cases = Cases(np.arange(2), np.array([BEGIN, BEGIN + 7 * DAY]))
    outcome = BUSY.operational(cases, Outcomes(np.array([10.0, 7.0]), np.array([True, False]), np.array([14.0, 7.0])))
    np.testing.assert_allclose(outcome.days, [13.0, 14.0])
    np.testing.assert_allclose(outcome.watched, [21.0, 14.0])
    assert outcome.bought.tolist() == [True, False]


def test_stored_and_restored() -> None:
    found = Activity.restore(json.loads(json.dumps(BUSY.document())))
    assert found.origin == BUSY.origin
    np.testing.assert_array_equal(found.weekly, BUSY.weekly)
    np.testing.assert_array_equal(found.ahead, BUSY.ahead)


def test_expected_purchases_of_a_week_case_by_case() -> None:
    random = np.random.default_rng(3)
    edges, count = np.array([0.0, 5.0, 12.0, 40.0]), 30
    cases = Cases(random.integers(0, 4, count), BEGIN + random.integers(0, 15, count) * DAY)
    watched = np.minimum(random.uniform(1, 30, count), (BEGIN + 21 * DAY - cases.cutoff) / DAY)
    bought = random.random(count) < 0.5
    outcome, rates = Outcomes(watched, bought, watched), random.uniform(0.01, 0.1, (count, 3))
    observed, expected, different = purchases_by_week(rates, edges, cases, outcome, BUSY)
    step = 1 / 48  # days
    by_hand = np.zeros(3)
    for case in range(count):
        begin = float((cases.cutoff[case] - BEGIN) / DAY)
        for day in np.arange(begin, begin + watched[case], step) + step / 2:
            interval = int(np.searchsorted(edges, lived(BUSY, day) - lived(BUSY, begin), side="right")) - 1
            week = min(int(day // 7), 2)
            by_hand[week] += rates[case, min(interval, 2)] * WEEKLY[week] * step
    np.testing.assert_allclose(expected, by_hand, rtol=0.03)
    assert observed.sum() == bought.sum()
    pairs = {
        (int(e), c + np.rint(d * 86_400) * np.timedelta64(1, "s"))
        for e, c, d, b in zip(cases.entity, cases.cutoff, watched, bought, strict=True)
        if b
    }
    assert different.sum() == len(pairs)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=3, max_size=3), st.lists(st.floats(0.1, 500), min_size=3, max_size=3))
def test_levels_lie_between_what_was_found_and_the_usual(observed: list[int], expected: list[float]) -> None:
    seen, waited = np.array(observed, float), np.array(expected)
    flat = Activity.flat(BEGIN, BEGIN + 21 * DAY)
    found = flat.adjusted(seen, waited, seen)
    ratio = seen / waited
    assert (found.weekly >= np.minimum(ratio, 1) - 1e-9).all()
    assert (found.weekly <= np.maximum(ratio, 1) + 1e-9).all()
    assert len(found.ahead) == WEEKS_AHEAD and np.isfinite(found.ahead).all() and (found.ahead > 0).all()


def test_a_week_is_worth_what_is_usual_in_it() -> None:
    flat = Activity.flat(BEGIN, BEGIN + 14 * DAY)
    usual = np.array([PRIOR_PURCHASES, 1000 * PRIOR_PURCHASES])
    found = flat.adjusted(2 * usual, usual, 2 * usual).weekly
    assert found[0] == pytest.approx(1.5)
    assert found[1] == pytest.approx(2.0, abs=0.01)


def expected_of(level: np.ndarray) -> np.ndarray:
    """Levels of the weeks to come after weeks of many purchases, without the season that is usual in retail."""
    many, end = np.full(len(level), 1e6), BEGIN + 7 * len(level) * DAY
    activity = Activity.flat(BEGIN, end).adjusted(many * level, many, many * level)
    middles = BEGIN + (np.arange(len(level) + WEEKS_AHEAD) * 7 + 3.5) * np.timedelta64(86_400_000_000, "us")
    return activity.ahead / np.exp(usual_season(middles))[len(level) :]


def test_recent_weeks_set_the_level_and_a_trend_dies_away() -> None:
    assert 1.05 < expected_of(np.where(np.arange(40) < 20, 0.8, 1.2))[0] < 1.3
    ahead = expected_of(np.exp(0.02 * np.arange(40)))
    assert ahead[0] < ahead[5] < ahead[20]
    assert ahead[40] / ahead[39] < ahead[1] / ahead[0]


def test_the_season_of_the_year_before_comes_again() -> None:
    def wave(week: np.ndarray) -> np.ndarray:
        return np.exp(0.4 * np.cos(2 * np.pi * week * 7 / YEAR_DAYS))

    weeks = 130
    ahead = np.log(expected_of(wave(np.arange(weeks)))[:52])
    assert np.corrcoef(ahead, np.log(wave(weeks + np.arange(52))))[0, 1] > 0.95
    assert np.ptp(ahead) > 0.5


def test_no_season_is_seen_in_half_a_year() -> None:
    ahead = expected_of(np.exp(0.4 * np.cos(2 * np.pi * np.arange(26) * 7 / YEAR_DAYS)))
    assert (np.diff(ahead) <= 1e-9).all() or (np.diff(ahead) >= -1e-9).all()


def test_the_last_quarter_is_busier_in_retail() -> None:
    days = np.array(["2024-02-15", "2024-08-15", "2024-11-15", "1969-11-15", "2024-10-01"], "datetime64[us]")
    first, third, fourth, long_ago, between = usual_season(days)
    assert abs(first - third) < 0.01
    assert fourth == long_ago > third + 0.1
    assert abs(between - (third + fourth) / 2) < 0.01
    year = usual_season(np.arange("2023-01-01", "2025-01-01", dtype="datetime64[D]").astype("datetime64[us]"))
    assert np.abs(np.diff(year)).max() < 0.01


def test_the_activity_of_a_shop_is_found() -> None:
    weeks = 40
    truth = np.where((np.arange(weeks) >= 26) & (np.arange(weeks) < 33), 1.7, 0.9)
    customers = steady_shop(3000, 7 * weeks, seed=5, activity=truth)
    options, until = ChurnOptions(horizon_days=42, active_days=90), BEGIN + 7 * weeks * DAY
    cases = training_cases(customers, options, until)
    first = first_purchase(customers, until)
    shown = View(first, 30.0).of(snapshot(customers, cases, (), 1))
    edges = np.array([0.0, 7, 14, 28, 42])
    _, activity = fit_with_activity(shown, cases, outcomes(customers, cases, until), edges, first, until)
    found = activity.weekly[-weeks:]
    # a part of 1.9 is told by the figures themselves: who bought in busy weeks bought more
    assert 1.35 < found[26:33].mean() / found[12:25].mean() < 2.0
    assert activity.ahead[0] < found[26:33].mean() - 0.3

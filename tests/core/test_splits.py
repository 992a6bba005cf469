"""Splits by time, and folds of entities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.schema import NotEnoughData
from forecasting.splits import fold_of, rolling_cutoffs, split_in_time


def test_rolling_cutoffs_have_closed_by_the_end():
    end = np.datetime64("2020-03-31", "us")
    cutoffs = rolling_cutoffs(end, np.timedelta64(28, "D"), 3)
    assert cutoffs.astype("datetime64[D]").astype(str).tolist() == ["2020-01-07", "2020-02-04", "2020-03-03"]
    assert cutoffs.dtype == np.dtype("datetime64[us]")
    early = np.datetime64("2020-02-04", "us")
    assert len(rolling_cutoffs(end, np.timedelta64(28, "D"), 3, earliest=early)) == 2
    assert rolling_cutoffs(100, 10, 4, step=2).tolist() == [84, 86, 88, 90]
    assert len(rolling_cutoffs(100, 10, 4, earliest=95)) == 0
    with pytest.raises(ValueError, match="positive"):
        rolling_cutoffs(100, 10, 3, step=0)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None)
def test_no_part_sees_the_outcomes_of_a_later_one(cutoffs, horizon, calibrate, evaluate):
    cutoffs = np.array(cutoffs)
    try:
        split = split_in_time(cutoffs, horizon, calibrate=calibrate, evaluate=evaluate)
    except NotEnoughData:
        return
    assert len(split.train) and len(split.calibrate) == calibrate and len(split.evaluate) == evaluate
    assert split.train.max() + horizon <= split.calibrate.min()
    assert split.calibrate.max() + horizon <= split.evaluate.min()
    assert split.evaluate.max() == cutoffs.max()
    assert set(np.concatenate([split.train, split.calibrate, split.evaluate])) <= set(cutoffs)


def test_as_much_as_possible_is_kept_for_training():
    split = split_in_time(np.arange(0, 20), 3, calibrate=2, evaluate=2)
    assert split.evaluate.tolist() == [18, 19]
    assert split.calibrate.tolist() == [14, 15]
    assert split.train.tolist() == list(range(12))


@pytest.mark.parametrize("cutoffs", [[], [1], [1, 9], [1, 2, 3]])
def test_too_short_a_history_is_said(cutoffs):
    with pytest.raises(NotEnoughData, match="to train on"):
        split_in_time(np.array(cutoffs, np.int64), 3)


def test_folds_are_even_and_stay_when_entities_come_and_go():
    ids = np.array([f"customer-{number}" for number in range(10_000)], dtype=object)
    folds = fold_of(ids, 5, seed=7)
    counts = np.bincount(folds)
    assert len(counts) == 5 and (np.abs(counts - 2000) < 200).all()
    np.testing.assert_array_equal(fold_of(ids[::-3], 5, seed=7), folds[::-3])
    assert (fold_of(ids, 5, seed=8) != folds).mean() > 0.7
    # A stored figure: a change of the hash would move entities between folds from one release to the next.
    assert fold_of(["a", "b", "c", "d"], 5, seed=0).tolist() == [2, 2, 1, 4]
    with pytest.raises(ValueError, match="two folds"):
        fold_of(ids, 1)

"""How often items are named again, against a count by hand, and the signals that the blend is given."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_journals import DAY, START, cases, catalogue, journal

from tasks.recommendation.memory import SOURCES, memories
from tasks.recommendation.repeats import PRIOR, repeat_rates
from tasks.recommendation.signals import VECTORS, signals
from tasks.recommendation.visits import visits

EVENTS = [
    *[("a", 1, 0), ("a", 1, 1), ("a", 2, 0), ("a", 5, 0), ("a", 5, 2)],
    *[("b", 3, 1), ("b", 3, 1), ("b", 4, 2), ("b", 6, 1)],
    ("s1", 7, 3),
]


def test_rates_by_hand():
    made = journal(catalogue(4), EVENTS)
    rates = np.exp(repeat_rates(visits(made, START + 10 * DAY)))
    again = (2 + 1) / (6 + 100)  # of six pairs of visit and item two repeat: a with 0, b with 1
    following = (2 + 1) / (5 + 100)  # of five mentions that had a next step two were in it: a's first two of 0
    expected = [
        [(1 + PRIOR * again) / (1 + PRIOR), (1 + PRIOR * again) / (2 + PRIOR), PRIOR * again / (2 + PRIOR)],
        [(2 + PRIOR * following) / (2 + PRIOR), PRIOR * following / (2 + PRIOR), PRIOR * following / (1 + PRIOR)],
    ]
    np.testing.assert_allclose(rates[:, :3], expected, rtol=1e-5)
    np.testing.assert_allclose(rates[1, 3], following, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.integers(0, 3)), max_size=30))
def test_rates_against_a_loop(events):
    made = journal(catalogue(4), events)
    known = visits(made, START + 100 * DAY)
    steps = {name: sorted({day for who, day, _ in events if who == name}) for name, _, _ in events}
    pairs, repeats, chances, following = (np.zeros(4) for _ in range(4))
    for name, days in steps.items():
        held = [{item for who, at, item in events if (who, at) == (name, day)} for day in days]
        for item in range(4):
            times = sum(item in step for step in held)
            pairs[item] += times > 0
            repeats[item] += times > 1
            for now, later in pairwise(held):
                chances[item] += item in now
                following[item] += item in now and item in later
    expected = []
    for part, whole in ((repeats, pairs), (following, chances)):
        usual = (part.sum() + 1) / (whole.sum() + 100)
        expected.append(np.log((part + PRIOR * usual) / (whole + PRIOR)))
    np.testing.assert_allclose(repeat_rates(known), expected, rtol=1e-4)


def test_signals_stand_case_by_case_whatever_is_asked_beside():
    made = journal(catalogue(4, known_from=START + np.array([-1, -1, -1, 7]) * DAY), EVENTS)
    asked = cases(made, ("b", 5.5), ("a", 4.2), ("s1", 8.5), ("b", 4.5), ("a", 0.5))
    logits = np.arange(20, dtype=np.float32).reshape(5, 4)
    together = signals(made, asked, logits, START + 5 * DAY)
    assert together.vectors.shape == (len(np.unique(asked.cutoff.astype("M8[D]"))), len(VECTORS), 4)
    assert list(together.steps) == [2, 2, 1, 2, 0]
    assert together.names[0] == "own"
    assert len(together.names) == sum(len(source.names) for source in SOURCES.values())
    new = together.vectors[together.day[0], VECTORS.index("new")]
    assert list(new) == [0, 0, 0, 1]
    assert together.open(np.array([[2], [0]]), np.arange(4)).tolist() == [[True] * 4, [True, True, True, False]]
    for case in range(5):
        alone = signals(made, asked.take(np.array([case])), logits[[case]], START + 5 * DAY)
        found = together.candidates
        span = slice(found.offsets[case], found.offsets[case + 1])
        np.testing.assert_array_equal(found.item[span], alone.candidates.item)
        np.testing.assert_array_equal(found.values[span], alone.candidates.values)
        np.testing.assert_array_equal(together.vectors[together.day[case]], alone.vectors[0])


def test_signals_do_not_see_past_the_cutoff():
    early = journal(catalogue(4), [event for event in EVENTS if event[1] < 4])
    whole = journal(catalogue(4), EVENTS)
    for made in (early, whole):
        assert memories(made) is memories(made)
    known, later = (signals(made, cases(made, ("a", 3.5), ("b", 3.5)), None) for made in (early, whole))
    np.testing.assert_array_equal(known.candidates.values, later.candidates.values)
    np.testing.assert_array_equal(known.candidates.item, later.candidates.item)
    np.testing.assert_array_equal(known.vectors, later.vectors)


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_to_go_by(count):
    made = journal(catalogue(count), [], entities=["a"])
    assert signals(made, cases(made, ("a", 1.0)), None).candidates.values.shape[0] == 0
    assert len(signals(made, cases(made), None)) == 0

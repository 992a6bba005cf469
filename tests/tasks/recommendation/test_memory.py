"""The memory of a day: the same whoever asks with whom, blind to what came later, and gone with its journal."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from crowded_journals import random_events, random_journal
from small_journals import DAY, START, cases, catalogue, journal

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates, concatenate, join, take
from tasks.recommendation.memory import SOURCES, MemoryCache, memories, refresh
from tasks.recommendation.popularity import HALF_LIVES, PRIOR, Popularity


def same(one: Candidates, other: Candidates) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("offsets", "item", "values"))


def asked_of(made, *days: float) -> Cases:
    return cases(made, *[(name, day) for name in made.ids for day in days])


@pytest.mark.parametrize("source", SOURCES)
def test_a_case_hears_the_same_alone_and_among_others(source):
    made = random_journal(2, entities=40)
    asked = asked_of(made, 3.2, 12.5, 12.9, 30.0)
    together = memories(made).candidates(source, asked)
    assert together.values.shape[1] == len(SOURCES[source].names)
    assert together.values.any()
    shuffled = np.random.default_rng(0).permutation(len(asked))
    assert same(take(together, shuffled), memories(made).candidates(source, asked.take(shuffled)))
    for case in range(0, len(asked), 7):
        one = np.array([case])
        assert same(take(together, one), MemoryCache(made).candidates(source, asked.take(one)))
    inside = np.diff(together.item) > 0
    inside[together.offsets[1:-1][(together.offsets[1:-1] > 0) & (together.offsets[1:-1] < len(together.item))] - 1] = (
        True
    )
    assert inside.all(), "items ascend within a case"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_from_beyond_the_cutoff_or_of_others_today_is_heard(source, seed):
    random = np.random.default_rng(seed)
    events = random_events(random, entities=40)
    names = sorted({event[0] for event in events})
    late = [(name, day + 0.0, int(random.integers(12)), 2) for name in names for day in 12.6 + random.random(4) * 5]
    kept = [event for event in events if event[1] < 12.5]
    one = journal(catalogue(12), kept, entities=names, regions={name: "r" + name[-1] for name in names})
    other = journal(catalogue(12), kept + late, entities=names, regions={name: "r" + name[-1] for name in names})
    asked = asked_of(one, 12.5)
    assert same(memories(one).candidates(source, asked), memories(other).candidates(source, asked))
    today = [(name, 12.1, 11, 2) for name in names[1:]]
    other = journal(catalogue(12), kept + today, entities=names, regions={name: "r" + name[-1] for name in names})
    mine = asked.take(np.array([0]))
    assert same(memories(one).candidates(source, mine), memories(other).candidates(source, mine))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "made",
    [
        journal(catalogue(0), [], entities=["c1", "s1"]),
        journal(catalogue(5), [], entities=["c1", "s1"]),
        journal(catalogue(5), [("c2", 0.0, 1)], entities=["c1", "s1"]),
        journal(catalogue(5), [("c2", 0.0, 1), ("c2", 0.0, 1), ("c2", 0.0, 1)], entities=["c1", "s1"]),
    ],
    ids=["no items", "no events", "one event", "one event thrice"],
)
def test_without_history_nothing_is_said(source, made):
    strangers = cases(made, ("c1", 0.0), ("c1", 4.0), ("s1", 4.0))
    found = memories(made).candidates(source, strangers)
    assert len(found) == 3
    assert not len(found.item)
    assert len(memories(made).candidates(source, asked_of(made, 0.0, 4.0))) == 2 * len(made)
    nobody = memories(made).candidates(source, Cases(np.empty(0, np.int64), np.empty(0, "M8[us]")))
    assert len(nobody) == 0
    assert nobody.values.shape[1] == len(SOURCES[source].names)


def test_the_memory_is_of_the_midnight_before():
    assert refresh(np.datetime64("2024-03-05T17:00", "us")) == np.datetime64("2024-03-05", "us")
    assert refresh(np.datetime64("2024-03-05T00:00", "us")) == np.datetime64("2024-03-05", "us")


def test_the_cache_forgets_what_was_asked_longest_ago():
    made = random_journal(0)
    cache = MemoryCache(made, limit=1)
    first = cache.at(START + DAY)
    assert cache.at(START + DAY) is first
    assert first.visits.offsets[-1] > 0
    second = cache.at(START + 2 * DAY)
    assert second.nbytes == 0
    assert second.neighbours.visits is second.visits
    assert second.nbytes > 0
    assert cache.at(START + DAY) is not first


def test_a_cache_does_not_keep_its_journal():
    made = random_journal(0)
    assert memories(made).candidates("neighbours", asked_of(made, 9.0)).values.any()
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None


def test_sources_side_by_side():
    one = Candidates(np.array([0, 2, 2, 3]), np.array([1, 4, 0], np.int32), np.array([[1], [2], [3]], np.float32))
    other = Candidates(np.array([0, 1, 2, 2]), np.array([4, 2], np.int32), np.array([[5, 6], [7, 8]], np.float32))
    both = join([one, other], 5)
    assert both.offsets.tolist() == [0, 2, 3, 4]
    assert both.item.tolist() == [1, 4, 2, 0]
    assert both.values.tolist() == [[1, 0, 0], [2, 5, 6], [0, 7, 8], [3, 0, 0]]
    assert same(take(concatenate([one, one]), np.array([3, 1, 5])), take(one, np.array([0, 1, 2])))


def test_popularity_counts_what_was_wanted_and_forgets():
    made = journal(
        catalogue(3),
        [("c1", 0.0, 0), ("c1", 1.0, 0), ("c2", 7.0, 1), ("c3", 9.0, 2)],
        regions={"c1": "north", "c2": "south"},
    )
    found = Popularity.fit(made, START + 8 * DAY)
    assert found.count.tolist() == [2, 1, 0]
    for row, half_life in zip(found.lately, HALF_LIVES, strict=True):
        np.testing.assert_allclose(row, [0.5 ** (8 / half_life) + 0.5 ** (7 / half_life), 0.5 ** (1 / half_life), 0])
    assert found.features().shape == (len(Popularity.dense_names), 3)
    assert (np.diff(found.features()[0]) < 0).all()
    world = found.shares(7.0)
    north, nowhere = found.regional_shares(np.array([0, -1]), 7.0)
    np.testing.assert_allclose(nowhere, world, rtol=1e-6)
    counts = found.regional.toarray()[0]
    np.testing.assert_allclose(north, (counts + PRIOR * world) / (counts.sum() + PRIOR), rtol=1e-6)


def test_a_region_hears_its_neighbours():
    events = [(f"c{region}{number}", 1.0, region) for region in range(4) for number in range(30)]
    made = journal(catalogue(5), events, regions={event[0]: f"r{event[2]}" for event in events})
    made.latitude[:] = [50.0 + made.region[entity] * 0.1 for entity in range(len(made))]
    made.longitude[:] = 8.0
    found = Popularity.fit(made, START + 2 * DAY)
    around = found.around.toarray()
    assert (around[:, :4] > 0).sum() == 12, "each hears the three others and not itself"
    assert (np.diag(around[:, :4]) == 0).all()
    said = found.candidates(made, cases(made, ("c00", 3.0)))
    lift = dict(zip(said.item.tolist(), said.values[:, 0].tolist(), strict=True))
    assert lift[0] > 0 > lift[1]

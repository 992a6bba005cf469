"""Neighbours of sessions and customers beside the formulas written out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from crowded_journals import random_journal
from small_journals import DAY, START, cases, catalogue, journal

from tasks.recommendation import alike
from tasks.recommendation.alike import Alike
from tasks.recommendation.neighbours import Neighbours, Weighting
from tasks.recommendation.past import past
from tasks.recommendation.visits import LENGTH, visits


def distance_worth(w: Weighting, distance: int) -> float:
    if distance == 0:
        return w.same
    if distance > 0:
        return w.floor + math.exp((1 - distance) / w.after)
    return w.floor + w.earlier * math.exp(distance / w.before)


def expected_scores(made, asked, known, w: Weighting) -> np.ndarray:
    """One case, one neighbour, one item at a time."""
    items, many = len(made.catalogue), len(known)
    visit_items = [known.item[a:b].tolist() for a, b in zip(known.offsets, known.offsets[1:], strict=False)]
    sequences = [v for v in range(many) if known.sequence[v]]
    count = [sum(item in visit_items[v] for v in sequences) for item in range(items)]
    idf = [math.log((many + 1) / (n + 0.5)) for n in count]
    remembered = {item: [v for v in sequences if item in visit_items[v]][: w.sample] for item in range(items)}
    result = np.zeros((len(asked), items))
    own = past(made, asked, w.rows)
    for case in range(len(asked)):
        mine = slice(own.offsets[case], own.offsets[case + 1])
        similarity, common = {}, {}
        if len(own.item[mine]) >= 2 * len(set(own.back[mine])):
            continue  # baskets
        for item, back in zip(own.item[mine], own.back[mine], strict=True):
            for v in remembered[item]:
                if known.entity[v] != asked.entity[case]:
                    similarity[v] = similarity.get(v, 0.0) + math.exp(-back / w.own) * idf[item] ** w.rarity
                    common[v] = item
        for v in similarity:
            similarity[v] *= math.exp(-v / (many * w.recency))
        for v in sorted(similarity, key=lambda v: -similarity[v])[: w.neighbours]:
            at = max(place for place, item in enumerate(visit_items[v]) if item == common[v])
            position = known.position[known.offsets[v] : known.offsets[v + 1]]
            for item, place in zip(visit_items[v], position, strict=True):
                result[case, item] += similarity[v] * distance_worth(w, place - position[at]) * idf[item] ** w.novelty
    return result


@pytest.mark.parametrize("seed", range(10))
def test_session_neighbours_are_those_of_the_formula(seed):
    made = random_journal(seed, items=15, entities=40)
    asked = cases(made, *[(name, day) for name in made.ids for day in (4.0, 9.3, 14.0)])
    known = visits(made, START + 10 * DAY)
    w = replace(Weighting(), sample=6, neighbours=4, rows=5)
    found = Neighbours.fit(known, w).scores(made, asked).toarray()
    expected = expected_scores(made, asked, known, w)
    assert expected.any()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_candidates_are_shares_and_their_logs():
    made = random_journal(1, entities=40)
    asked = cases(made, *[(name, 14.0) for name in made.ids])
    index = Neighbours.fit(visits(made, START + 10 * DAY))
    found, scores = index.candidates(made, asked), index.scores(made, asked).toarray()
    for case in range(len(asked)):
        mine = slice(found.offsets[case], found.offsets[case + 1])
        assert found.item[mine].tolist() == np.flatnonzero(scores[case]).tolist()
        if found.item[mine].size:
            share = scores[case] / scores[case].sum()
            np.testing.assert_allclose(found.values[mine, 0], share[found.item[mine]], rtol=1e-4)
            np.testing.assert_allclose(found.values[mine, 1], np.log1p(1000 * share[found.item[mine]]), rtol=1e-4)


def test_the_next_item_of_the_like_session_leads():
    made = journal(
        catalogue(6),
        [
            ("s1", 0.0, 0),
            ("s1", 0.1, 1),
            ("s1", 0.2, 2),
            ("s2", 0.0, 3),
            ("s2", 0.1, 4),
            ("s9", 1.5, 0),
            ("s9", 1.6, 1),
        ],
    )
    asked = cases(made, ("s9", 1.7))
    found = Neighbours.fit(visits(made, START + DAY)).candidates(made, asked)
    assert found.item.tolist() == [0, 1, 2]
    assert found.values[[0, 2], 0].argmax() == 1, "what came after the last item in common beats what came before"


def test_a_long_history_keeps_its_latest_item_in_common():
    rows = [("s1", 0.0, 0), ("s1", 0.1, 1), ("s1", 0.2, 2)]
    long = [("s9", 1.0 + minute / 1440, 3 + minute % 70) for minute in range(200)]
    made = journal(catalogue(80), [*rows, *long, ("s9", 1.5, 1)])
    w = replace(Weighting(), rows=150)
    known = visits(made, START + DAY)
    found = Neighbours.fit(known, w).scores(made, cases(made, ("s9", 1.7))).toarray()
    np.testing.assert_allclose(found, expected_scores(made, cases(made, ("s9", 1.7)), known, w), rtol=1e-4)


def test_nobody_is_his_own_neighbour():
    made = journal(catalogue(3), [("c1", 0.0, 0), ("c1", 0.1, 1), ("c1", 2.0, 0)])
    known = visits(made, START + DAY)
    for index in (Neighbours.fit(known), Alike.fit(known)):
        assert not len(index.candidates(made, cases(made, ("c1", 3.0))).item)


def test_the_table_of_distances_reaches_as_far_as_a_visit():
    made = journal(catalogue(300), [("s1", minute / 1440, minute) for minute in range(300)] + [("s9", 2.0, 299)])
    found = Neighbours.fit(visits(made, START + DAY)).candidates(made, cases(made, ("s9", 3.0)))
    assert len(found.item) == LENGTH


@pytest.mark.parametrize("seed", range(6))
def test_customers_alike_are_those_of_the_formula(seed, monkeypatch):
    for name, value in {"NEIGHBOURS": 4, "SAMPLE": 5}.items():
        monkeypatch.setattr(alike, name, value)
    made = random_journal(seed, items=15, entities=40)
    asked = cases(made, *[(name, day) for name in made.ids for day in (4.0, 14.0)])
    known = visits(made, START + 10 * DAY)
    entities = sorted({int(known.entity[v]) for v in range(len(known)) if known.customer[v]})
    wanted = np.zeros((len(entities), 15))
    for item, v, days in zip(known.item, known.visit, known.days, strict=True):
        if known.customer[v]:
            wanted[entities.index(known.entity[v]), item] += 0.5 ** (days / alike.HALF_LIFE)
    rarity = np.log((len(entities) + 1) / ((wanted > 0).sum(axis=0) + 0.5))
    remembered = np.zeros_like(wanted)
    for item in range(15):
        best = np.argsort(-wanted[:, item], kind="stable")[:5]
        remembered[best, item] = wanted[best, item]
    expected = np.zeros((len(asked), 15))
    own = past(made, asked, 200)
    for case in range(len(asked)):
        mine = slice(own.offsets[case], own.offsets[case + 1])
        similarity = np.zeros(len(entities))
        for item, back in zip(own.item[mine], own.back[mine], strict=True):
            similarity += math.exp(-back / alike.BACK) * rarity[item] * remembered[:, item]
        similarity /= np.sqrt(np.maximum((wanted > 0).sum(axis=1), 1))
        similarity[[entity == asked.entity[case] for entity in entities]] = 0
        if made.kind[asked.entity[case]] == 0:
            best = np.argsort(-similarity, kind="stable")[:4]
            expected[case] = similarity[best] @ wanted[best]
    assert expected.any()
    np.testing.assert_allclose(Alike.fit(known).scores(made, asked).toarray(), expected, rtol=1e-4, atol=1e-6)

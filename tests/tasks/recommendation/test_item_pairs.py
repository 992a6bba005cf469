"""Similar items and sequential rules beside loops over pairs, and the sparse arithmetic under them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from crowded_journals import random_journal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from small_journals import DAY, START, cases, catalogue, journal

from tasks.recommendation import follows, similarity
from tasks.recommendation.follows import Follows
from tasks.recommendation.past import past
from tasks.recommendation.similarity import Similarity
from tasks.recommendation.sparse import product, share_candidates, strongest
from tasks.recommendation.visits import visits


@pytest.mark.parametrize("seed", range(6))
def test_similarity_is_the_weighted_cosine(seed):
    made = random_journal(seed, items=10, entities=30)
    known = visits(made, START + 12 * DAY)
    groups = defaultdict(list)
    for item, v, basket, days in zip(known.item, known.visit, known.basket, known.days, strict=True):
        groups[("visit", v) if known.sequence[v] else ("basket", basket)].append((item, days))
    together, alone = np.zeros((10, 10)), np.full(10, similarity.SHRINK)
    for rows in groups.values():
        items = sorted({item for item, _ in rows})
        if len(items) > 1:
            weight = 0.5 ** (min(days for _, days in rows) / similarity.HALF_LIFE) / np.sqrt(len(items))
            together[np.ix_(items, items)] += weight
            alone[items] += weight
    expected = together / np.sqrt(np.outer(alone, alone))
    np.fill_diagonal(expected, 0)
    assert expected.any()
    np.testing.assert_allclose(Similarity.fit(known).matrix.toarray(), expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_rules_are_shares_of_what_followed(seed):
    made = random_journal(seed, items=10, entities=30)
    known = visits(made, START + 12 * DAY)
    counts = np.zeros((10, 10))
    for begin, end in zip(known.offsets, known.offsets[1:], strict=False):
        for a in range(begin, end):
            for b in range(a, end):
                distance = known.position[b] - known.position[a]
                if 1 <= distance <= follows.DISTANCE:
                    sizes = [(known.position[begin:end] == known.position[row]).sum() for row in (a, b)]
                    age = 0.5 ** (known.days[begin:end][known.position[begin:end] == known.position[a]][0] / 90)
                    counts[known.item[a], known.item[b]] += age / distance / sizes[0] / sizes[1]
    expected = counts / (counts.sum(axis=1, keepdims=True) + follows.SHRINK)
    assert expected.any()
    np.testing.assert_allclose(Follows.fit(known).matrix.toarray(), expected, rtol=1e-5)


@pytest.mark.parametrize(("kind", "back"), [(Similarity, similarity.BACK), (Follows, follows.BACK)])
def test_a_case_asks_by_its_last_items_above_all(kind, back):
    made = random_journal(4, entities=30)
    asked = cases(made, *[(name, day) for name in made.ids for day in (0.0, 6.0, 14.0)])
    index = kind.fit(visits(made, START + 12 * DAY))
    own = past(made, asked, 50)
    query = np.zeros((len(asked), 12))
    np.add.at(query, (own.case, own.item), np.exp(-own.back / back))
    scores = query @ index.matrix.toarray()
    np.testing.assert_allclose(index.scores(made, asked).toarray(), scores, rtol=1e-4)
    found = index.candidates(made, asked)
    dense = np.zeros_like(scores)
    dense[found.case, found.item] = found.values[:, 0]
    np.testing.assert_allclose(dense, scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12), rtol=1e-4)


def test_what_follows_is_not_what_came_before():
    made = journal(catalogue(4), [("s1", 0.0, 0), ("s1", 0.1, 1), ("s2", 0.0, 0), ("s2", 0.1, 1)])
    matrix = Follows.fit(visits(made, START + DAY)).matrix.toarray()
    assert matrix[0, 1] > 0
    assert matrix[1, 0] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=30), min_size=1, max_size=12), st.integers(1, 8))
def test_the_strongest_of_each_row_are_kept_and_the_first_of_equals(rows, most):
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    data = np.array([value for row in rows for value in row], np.float32)
    indices = np.concatenate([np.arange(len(row)) for row in rows]).astype(np.int32)
    found = strongest(sparse.csr_array((data, indices, indptr), shape=(len(rows), 30)), most)
    for number, row in enumerate(rows):
        best = sorted(sorted(range(len(row)), key=lambda place: (-row[place], place))[:most])
        mine = slice(found.indptr[number], found.indptr[number + 1])
        assert found.indices[mine].tolist() == best
        assert found.data[mine].tolist() == [row[place] for place in best]


def test_a_product_in_runs_is_the_product():
    random = np.random.default_rng(0)
    left, right = (sparse.random_array((40, 40), density=0.2, rng=random, format="csr") for _ in range(2))
    parts = list(product(left, right, work=100))
    assert len(parts) > 5
    np.testing.assert_allclose(np.vstack([part.toarray() for _, part in parts]), (left @ right).toarray())
    assert [rows.start for rows, _ in parts[1:]] == [rows.stop for rows, _ in parts[:-1]]


def test_shares_are_of_all_even_where_only_some_are_told():
    scores = sparse.csr_array(np.array([[4.0, 0, 1, 3], [0, 0, 0, 0]], np.float32))
    found = share_candidates(scores, 2)
    assert found.offsets.tolist() == [0, 2, 2]
    assert found.item.tolist() == [0, 3]
    np.testing.assert_allclose(found.values, [[0.5, np.log(501)], [0.375, np.log(376)]], rtol=1e-6)

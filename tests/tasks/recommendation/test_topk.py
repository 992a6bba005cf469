"""Exact top-k against sorting everything."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.recommendation.topk import top_k, top_k_products


def sorted_out(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The oracle: sort by falling score and then position."""
    position = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    items = np.lexsort((position, -scores), axis=1)[:, :k]
    values = np.take_along_axis(scores, items, axis=1)
    items = np.where(values == -np.inf, -1, items)
    room = k - items.shape[1]
    return np.pad(items, ((0, 0), (0, max(room, 0))), constant_values=-1), np.pad(
        values, ((0, 0), (0, max(room, 0))), constant_values=-np.inf
    )


@settings(max_examples=60, deadline=None)
@given(
    count=st.sampled_from([1, 4, 19, 20, 21, 64, 1343, 1344, 1361, 2900]),
    k=st.sampled_from([1, 5, 20]),
    levels=st.sampled_from([0, 1, 3, 500]),
    hidden=st.sampled_from([0.0, 0.3, 0.99, 1.0]),
    seed=st.integers(0, 1000),
)
def test_it_is_what_sorting_gives(count, k, levels, hidden, seed):
    source = np.random.default_rng(seed)
    scores = source.normal(size=(7, count)) if not levels else source.integers(-levels, levels, (7, count))
    scores = scores.astype(np.float32)
    scores[source.random(scores.shape) < hidden] = -np.inf
    items, values = top_k(scores, k)
    expected_items, expected_values = sorted_out(scores, k)
    np.testing.assert_array_equal(items, expected_items)
    np.testing.assert_array_equal(values, expected_values)


def test_equal_scores_go_by_position_wherever_they_stand():
    scores = np.zeros((2, 5000), np.float32)
    scores[1, 4000] = 1.0
    items, _ = top_k(scores, 3)
    np.testing.assert_array_equal(items, [[0, 1, 2], [4000, 0, 1]])


def test_minus_zero_is_no_less_than_zero():
    items, _ = top_k(np.array([[-0.0, 0.0, -0.0]], np.float32), 3)
    np.testing.assert_array_equal(items, [[0, 1, 2]])


def test_the_scores_given_are_left_as_they_are():
    scores = np.random.default_rng(0).normal(size=(3, 2000)).astype(np.float32)
    before = scores.copy()
    top_k(scores, 20)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("shape", [(0, 10), (3, 0)])
def test_nothing_to_choose(shape):
    items, values = top_k(np.zeros(shape, np.float32), 4)
    assert items.shape == values.shape == (shape[0], 4)
    assert (items == -1).all() and (values == -np.inf).all()


@pytest.mark.parametrize("block", [1, 7, None])
def test_products_are_the_scores_of_the_whole_matrix(block):
    source = np.random.default_rng(1)
    # Small integers: every order of summing gives the same product, and ties abound.
    queries, items = (source.integers(-3, 4, shape).astype(np.float32) for shape in ((23, 6), (1500, 6)))
    bias = source.integers(-3, 4, 1500).astype(np.float32)
    for offset in (None, bias):
        found, values = top_k_products(queries, items, offset, 20, block)
        whole = (torch.as_tensor(queries) @ torch.as_tensor(items).T).numpy() + (0 if offset is None else offset)
        expected_items, expected_values = sorted_out(whole, 20)
        np.testing.assert_array_equal(found, expected_items)
        np.testing.assert_array_equal(values, expected_values)


def test_products_with_an_empty_catalogue():
    found, values = top_k_products(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32), None, 4)
    assert (found == -1).all() and (values == -np.inf).all()

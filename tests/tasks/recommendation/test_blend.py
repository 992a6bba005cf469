"""The conditional logit finds the weights that made the choices, stores them, and scores as it was fitted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from tasks.recommendation.blend import CONTEXT, MOST_FOR_NEW, NETWORK, Blend, draw_choices, fit_blend
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.choice import Choices, fit_choice
from tasks.recommendation.signals import Signals

ITEMS, DAYS = 40, 3
NOW = np.datetime64("2024-01-01", "us")


def made_up(n: int, items: int = ITEMS, seed: int = 0, logits: bool = True, dense: int = 8) -> Signals:
    random = np.random.default_rng(seed)
    item = np.sort(np.argsort(random.random((n, items)), axis=1)[:, :dense], axis=1).astype(np.int32)
    values = random.exponential(size=(n * dense, 2)).astype(np.float32)
    values[:, 0] = random.random(n * dense) < 0.5
    return Signals(
        random.normal(size=(n, items)).astype(np.float32) if logits else None,
        random.normal(size=(DAYS, 2, items)).astype(np.float32),
        random.integers(0, DAYS, n),
        np.full(items, NOW - 1),
        np.full(n, NOW),
        Candidates(np.arange(n + 1) * dense, item.ravel(), values),
        random.integers(0, 4, n),
        ("popular", "again"),
        ("own", "similar_log"),
    )


def truth_blend() -> Blend:
    def weights(*values: float) -> np.ndarray:
        return np.array([*values, *([0.0] * (len(CONTEXT) - len(values)))])

    every = {NETWORK: weights(0.7, 0.2), "popular": weights(0.5), "again": weights(0.0)}
    some = {
        "own": weights(1.5, -0.3),
        "similar_log": weights(0.4),
        "own x popular": weights(-0.5),
        "own x again": weights(0.8),
        "own x similar_log": weights(-0.2),
    }
    return Blend(every, some)


def total(blend: Blend, signals: Signals) -> np.ndarray:
    dense, more = blend.scores(signals)
    dense[more.case, more.item] += more.values.sum(axis=1)
    return dense


def choose(utility: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed).gumbel(size=utility.shape)
    return np.arange(len(utility) + 1), (utility + noise).argmax(axis=1).astype(np.int32)


def likelihood(utility: np.ndarray, truth: tuple[np.ndarray, np.ndarray]) -> float:
    offsets, item = truth
    case = np.repeat(np.arange(len(utility)), np.diff(offsets))
    each = log_softmax(utility.astype(np.float64), axis=1)[case, item] / np.diff(offsets)[case]
    return each.sum() / len(utility)


def test_scores_are_what_the_weights_say():
    signals, blend = made_up(5), truth_blend()
    got = total(blend, signals)
    for case in range(5):
        context = np.array([1, np.log1p(signals.steps[case]), signals.steps[case] == 0])
        for item in range(ITEMS):
            popular, again = signals.vectors[signals.day[case], :, item]
            own, similar = 0.0, 0.0
            for entry in range(signals.candidates.offsets[case], signals.candidates.offsets[case + 1]):
                if signals.candidates.item[entry] == item:
                    own, similar = signals.candidates.values[entry]
            values = {
                NETWORK: signals.logits[case, item],
                "popular": popular,
                "again": again,
                "own": own,
                "similar_log": similar,
                "own x popular": own * popular,
                "own x again": own * again,
                "own x similar_log": own * similar,
            }
            expected = sum(value * (context @ {**blend.every, **blend.some}[name]) for name, value in values.items())
            assert got[case, item] == pytest.approx(expected, abs=1e-5)


def test_finds_the_weights_that_made_the_choices():
    signals, blend = made_up(4000), truth_blend()
    truth = choose(total(blend, signals))
    found = fit_blend([(signals, truth)])
    assert set(found.every) == set(blend.every)
    assert found.some.keys() == blend.some.keys()
    for steps in (1, 3):
        context = np.array([1, np.log1p(steps), 0])
        for name, expected in {**blend.every, **blend.some}.items():
            assert context @ {**found.every, **found.some}[name] == pytest.approx(context @ expected, abs=0.3), name
    fresh = made_up(2000, seed=5)
    later = choose(total(blend, fresh), seed=6)
    assert likelihood(total(found, fresh), later) > likelihood(total(blend, fresh), later) - 0.02


def test_baskets_count_as_the_mean_of_their_items():
    signals = made_up(300)
    wanted = np.sort(np.argsort(np.random.default_rng(3).random((300, ITEMS)), axis=1)[:, :3], axis=1).astype(np.int32)
    truth = (np.arange(301) * 3, wanted.ravel())
    found = fit_blend([(signals, truth)], penalty=1e-6)
    best = likelihood(total(found, signals), truth)
    for name in found.some:
        for change in (-0.1, 0.1):
            moved = Blend(found.every, {**found.some, name: found.some[name] + np.array([change, 0, 0])})
            assert likelihood(total(moved, signals), truth) < best + 1e-5


def test_a_sample_stands_for_the_rest_of_many_items():
    signals = made_up(600, items=3000)
    blend = truth_blend()
    truth = choose(total(blend, signals))
    choices = draw_choices(signals, truth, 0)
    assert np.diff(choices.offsets).max() < 600
    sizes = np.add.reduceat(np.exp(choices.stands_for.astype(np.float64)), choices.offsets[:-1])
    np.testing.assert_allclose(sizes, 3000, rtol=1e-4)
    np.testing.assert_allclose(np.add.reduceat(choices.chosen, choices.offsets[:-1]), 1, rtol=1e-5)
    found = fit_blend([(signals, truth)])
    assert likelihood(total(found, signals), truth) > likelihood(total(blend, signals), truth) - 0.01


def test_items_that_are_not_open_are_no_alternatives_even_where_chosen():
    signals = made_up(50)
    signals.open_from[:10] = NOW
    truth = (np.arange(51), np.where(np.arange(50) < 5, 3, 20).astype(np.int32))
    choices = draw_choices(signals, truth, 0)
    assert (np.diff(choices.offsets) == np.full(45, 30)).all()
    signals.cutoff[:5] += 1
    choices = draw_choices(signals, truth, 0)
    assert (np.diff(choices.offsets) == np.where(np.arange(50) < 5, 40, 30)).all()


def test_a_few_lucky_newcomers_do_not_speak_for_all_that_come():
    """Two of 300 cases chose something new: with the network's word alone, what is new was worth 20 then."""
    made = made_up(300)
    new = np.zeros((DAYS, 1, ITEMS), np.float32)
    new[:, 0, :5] = 1
    signals = replace(
        made, vectors=np.concatenate([made.vectors, new], axis=1), vector_names=(*made.vector_names, "new")
    )
    signals.open_from[:5] = NOW
    signals.cutoff[:2] += 1
    signals.logits[:, :5] = -20
    item = np.arange(5, 40, dtype=np.int32)[np.arange(300) % 35]
    item[:2] = 3
    weights = fit_blend([(signals, (np.arange(301), item))]).every["new"]
    for steps in (0, 1, 5, 50):
        assert 0 < np.array([1, np.log1p(steps), steps == 0]) @ weights <= MOST_FOR_NEW + 1e-6


def test_cases_that_chose_nothing_are_left_out():
    signals = made_up(50)
    offsets = np.minimum(np.arange(51), 30)
    item = np.full(30, 7, np.int32)
    assert len(draw_choices(signals, (offsets, item), 0).context) == 30


def test_documents_restore_to_the_same_bits_and_seeds_repeat():
    signals, blend = made_up(200, items=2000), truth_blend()
    truth = choose(total(blend, signals))
    one, other = fit_blend([(signals, truth)], seed=3), fit_blend([(signals, truth)], seed=3)
    assert one.document() == other.document()
    restored = Blend.restore(json.loads(json.dumps(one.document())))
    assert total(restored, signals).tobytes() == total(one, signals).tobytes()


def test_without_network_and_own_items():
    signals = made_up(100, logits=False)
    bare = Signals(
        None,
        signals.vectors,
        signals.day,
        signals.open_from,
        signals.cutoff,
        Candidates(signals.candidates.offsets, signals.candidates.item, signals.candidates.values[:, 1:]),
        signals.steps,
        signals.vector_names,
        ("similar_log",),
    )
    blend = fit_blend([(bare, choose(total(fit_blend([(signals, choose(signals.vectors[signals.day, 0]))]), signals)))])
    assert set(blend.every) == {"popular", "again"} and set(blend.some) == {"similar_log"}
    assert np.isfinite(total(blend, bare)).all()


def test_without_outcomes_the_network_speaks_for_itself():
    signals = made_up(10)
    blend = fit_blend([(signals, (np.zeros(11, np.int64), np.empty(0, np.int32)))])
    np.testing.assert_array_equal(total(blend, signals), signals.logits)


def test_the_gradient_is_that_of_the_loss():
    random = np.random.default_rng(2)
    choices = Choices(
        np.array([0, 4, 7, 12]),
        random.normal(size=(12, 2)).astype(np.float32),
        random.normal(size=(5, 2)).astype(np.float32),
        np.array([0, 2, 5, 7, 11]),
        np.log(random.integers(1, 4, 12)).astype(np.float32),
        np.array([1, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 1], np.float32),
        np.ones((3, 1), np.float32),
    )
    every, some = fit_choice(choices, np.zeros((2, 1)), np.zeros((2, 1)), 0.5, 4)

    def objective(every: np.ndarray, some: np.ndarray) -> float:
        utility = choices.every.astype(np.float64) @ every[:, 0] + choices.stands_for
        utility[choices.rows] += choices.some @ some[:, 0]
        spread = choices.every.astype(np.float64).std(axis=0)
        size = np.sqrt((choices.some.astype(np.float64) ** 2).mean(axis=0))
        loss = 0.25 * (((every[:, 0] * spread) ** 2).sum() + ((some[:, 0] * size) ** 2).sum())
        for start, end in ((0, 4), (4, 7), (7, 12)):
            loss -= choices.chosen[start:end] @ log_softmax(utility[start:end])
        return loss

    best = objective(every, some)
    for row in range(2):
        for change in (-0.02, 0.02):
            step = np.zeros((2, 1))
            step[row] = change
            assert objective(every + step, some) > best
            assert objective(every, some + step) > best

"""Measures of lists against their definitions, written out one list at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from recommendation_shops import (
    DAY,
    START,
    as_table,
    items_table,
    journal_of_orders,
    journal_of_sessions,
    random_orders,
)

from forecasting.task import Cases
from tasks.recommendation.assemble import assemble
from tasks.recommendation.folds import backtest_cases, steps_seen, truth
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.score import hits_of, metrics_at, score

END = START + 1000 * DAY


def by_hand(shown, wanted, k):
    """Recall, reciprocal rank and NDCG of one list, as score/recommendation.py of the development data has them."""
    hits = [rank for rank, item in enumerate(shown[:k]) if item in wanted]
    best = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(wanted))))
    gained = sum(1 / math.log2(rank + 2) for rank in hits)
    return len(hits) / len(wanted), 1 / (hits[0] + 1) if hits else 0.0, gained / best


def random_ranking(random, cases, items, k):
    """Lists of distinct items, some of them short."""
    lists = np.stack([random.permutation(items)[:k] for _ in range(cases)]) if cases else np.empty((0, k))
    lists[np.arange(k) >= random.integers(k // 2, k + 1, cases)[:, None]] = -1
    return Ranking(lists.astype(np.int32), -np.tile(np.arange(k, dtype=np.float32), (cases, 1)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("depth", [1, 3, 8])
def test_measures_are_those_of_the_definitions(seed, depth):
    random = np.random.default_rng(seed)
    cases, items, k = 40, 12, 8
    wanted = [np.sort(random.permutation(items)[: random.integers(0, 5)]) for _ in range(cases)]
    offsets = np.append(0, np.cumsum([len(own) for own in wanted]))
    ranking = random_ranking(random, cases, items, k)
    hits = hits_of(ranking.items, offsets, np.concatenate(wanted), items)
    found = metrics_at(hits, np.diff(offsets), depth)
    for case, own in enumerate(wanted):
        mine = (found.recall[case], found.mrr[case], found.ndcg[case])
        if not len(own):
            assert np.isnan(mine).all()
            continue
        assert mine == pytest.approx(by_hand(ranking.items[case].tolist(), set(own.tolist()), depth))


@pytest.mark.parametrize("seed", range(5))
def test_a_score_is_the_mean_over_cases_with_a_past_and_an_outcome(seed):
    random = np.random.default_rng(seed)
    columns = random_orders(random)
    journal = assemble({name: as_table(own) for name, own in columns.items()}, RecommendationOptions())
    options = RecommendationOptions(k=6)
    cases = backtest_cases(journal, START + 5 * DAY, END)
    ranking = random_ranking(random, len(cases), len(journal.catalogue), 6)
    offsets, items = truth(journal, cases)
    past = steps_seen(journal, cases)
    per_case = {
        case: by_hand(ranking.items[case].tolist(), set(items[offsets[case] : offsets[case + 1]].tolist()), 6)
        for case in range(len(cases))
        if offsets[case + 1] > offsets[case]
    }
    judged = [case for case in per_case if past[case]]
    found = score(journal, options, cases, ranking)
    assert found.metrics["samples"] == len(judged) > 20
    assert found.metrics["ndcg_loss"] == pytest.approx(1 - np.mean([per_case[case][2] for case in judged]))
    assert found.loss.sum() == pytest.approx(found.metrics["ndcg_loss"])
    assert (found.loss[[case for case in range(len(cases)) if case not in judged]] == 0).all()
    assert (found.entity == cases.entity).all()
    assert found.metrics["recall@6"] == pytest.approx(np.mean([per_case[case][0] for case in judged]))
    assert found.metrics["mrr@6"] == pytest.approx(np.mean([per_case[case][1] for case in judged]))
    middling = [case for case in judged if 2 <= past[case] <= 4]
    assert found.metrics["recall@6:2-4"] == pytest.approx(np.mean([per_case[case][0] for case in middling]))
    assert found.metrics["ndcg@6:customer"] == pytest.approx(np.mean([per_case[case][2] for case in judged]))
    assert "ndcg@6:session" not in found.metrics and {"recall@5", "ndcg@5"} <= found.metrics.keys()
    cold = [case for case in per_case if not past[case]]
    assert found.metrics["recall@6:cold"] == pytest.approx(np.mean([per_case[case][0] for case in cold]))


def test_coverage_and_novelty():
    sources = {"items": items_table(["a", "b", "c"], introduced_at=as_table({"t": np.full(3, START)})["t"].chunk(0))}
    journal = journal_of_sessions([["a", "a", "b"], ["a", "a", "z"]], sources=sources)
    cases = backtest_cases(journal, START + DAY, END)
    shown = np.tile(np.array([0, 1], np.int32), (len(cases), 1))
    found = score(journal, RecommendationOptions(k=2), cases, Ranking(shown, np.zeros(shown.shape, np.float32))).metrics
    assert found["coverage@2"] == pytest.approx(2 / 3)  # z is not listed
    counts = np.array([2, 1, 0, 0]) + 1
    assert found["novelty@2"] == pytest.approx(-np.log2(counts[:2] / counts.sum()).mean())


def test_nothing_to_judge_is_no_loss():
    journal = journal_of_orders({"x": [["a"]]})
    cases = Cases(np.array([0]), np.array([END]))
    empty = Ranking(np.full((1, 3), -1, np.int32), np.zeros((1, 3), np.float32))
    found = score(journal, RecommendationOptions(k=3), cases, empty)
    assert found.metrics["samples"] == 0 and found.metrics["ndcg_loss"] == 0 and found.loss.tolist() == [0]
    none = cases.take(np.empty(0, np.int64))
    assert score(
        journal, RecommendationOptions(k=3), none, random_ranking(np.random.default_rng(0), 0, 1, 3)
    ).loss.shape == (0,)

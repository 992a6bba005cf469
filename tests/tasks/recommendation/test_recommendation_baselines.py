"""The gate's rivals: they answer every case, and each ranks by what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from crowded_journals import random_journal
from small_journals import DAY, START, cases, catalogue, journal

from forecasting.task import Cases
from tasks.recommendation.baselines import METHODS, baselines
from tasks.recommendation.options import RecommendationOptions

OPTIONS = RecommendationOptions(k=5)


def lists(name: str, made, asked: Cases, options=OPTIONS) -> np.ndarray:
    return baselines(made, options, START)[name].predict(made, asked).items


@pytest.mark.parametrize("name", METHODS)
def test_every_case_gets_k_items_whatever_else_is_asked(name):
    made = random_journal(1)
    asked = cases(made, *[(entity, day) for entity in made.ids for day in (0.0, 5.5, 12.5, 40.0)])
    found = lists(name, made, asked)
    assert found.shape == (len(asked), 5)
    assert (found >= 0).all()
    assert all(len(set(row)) == 5 for row in found.tolist())
    order = np.random.default_rng(0).permutation(len(asked))
    assert (lists(name, made, asked.take(order)) == found[order]).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_shop_without_events_or_items_breaks_nothing(name):
    for made in (journal(catalogue(0), [], entities=["c"]), journal(catalogue(3), [], entities=["c"])):
        found = lists(name, made, cases(made, ("c", 1.0)))
        assert (found[0] >= 0).sum() == len(made.catalogue)
        assert not len(lists(name, made, Cases(np.empty(0, np.int64), np.empty(0, "M8[us]"))))


def test_the_first_needs_no_history():
    assert next(iter(METHODS)) == "recent_popularity"


def test_popularity_is_of_all_time_and_recent_popularity_is_not():
    old = [(f"c{number}", 0.0, 1) for number in range(9)]
    new = [(f"d{number}", 90.0, 2) for number in range(5)]
    made = journal(catalogue(4), old + new)
    asked = cases(made, ("c1", 91.0))
    assert lists("popularity", made, asked)[0, 0] == 1
    assert lists("recent_popularity", made, asked)[0, 0] == 2


def test_a_new_customer_sees_what_its_region_wants():
    events = [(f"c{region}{n}", 1.0, region) for region in range(2) for n in range(60 + 20 * region)]
    regions = {name: f"r{item}" for name, _, item in events} | {"new": "r0", "far": "r1"}
    made = journal(catalogue(3), events, entities=["new", "far", "nowhere"], regions=regions)
    found = lists("recent_popularity", made, cases(made, ("new", 2.0), ("far", 2.0), ("nowhere", 2.0)))
    assert found[:, 0].tolist() == [0, 1, 1]


def test_own_items_are_ranked_by_how_often_and_how_recently():
    rows = [("c", 0.0, 0), ("c", 1.0, 0), ("c", 2.0, 1), ("c", 3.0, 2), ("c", 4.0, 1), ("x", 0.0, 3), ("x", 0.5, 3)]
    made = journal(catalogue(6), rows)
    assert lists("own_items", made, cases(made, ("c", 5.0)))[0, :4].tolist() == [1, 0, 2, 3]


def test_session_knn_follows_the_like_session_and_item_knn_the_basket():
    rows = [("s1", 0.0, 0), ("s1", 0.1, 1), ("s2", 0.2, 2), ("s2", 0.3, 3), ("s9", 2.0, 0)]
    baskets = [("c1", 0.0, 4), ("c1", 0.0, 5), ("c9", 2.0, 4)]
    made = journal(catalogue(7), rows + baskets)
    asked = cases(made, ("s9", 3.0))
    assert set(lists("session_knn", made, asked)[0, :2].tolist()) == {0, 1}
    assert lists("item_knn", made, cases(made, ("c9", 3.0)))[0, 0] == 5


def test_rules_hold_for_baselines_too():
    made = journal(catalogue(6), [("c", 0.0, 0), ("c", 1.0, 1), ("d", 0.0, 0), ("d", 0.0, 2)])
    options = RecommendationOptions(k=3, exclude_seen=True, deny=("i002",))
    for name in METHODS:
        assert lists(name, made, cases(made, ("c", 5.0)), options)[0].tolist() == [3, 4, 5]


def test_yesterday_is_remembered_and_today_is_not():
    made = journal(catalogue(4), [("a", 1.5, 1), ("b", 2.2, 2), ("d", 2.3, 2)], entities=["c"])
    today = cases(made, ("c", 2.9))
    assert lists("popularity", made, today)[0, 0] == 1
    assert lists("popularity", made, cases(made, ("c", 3.0)))[0, 0] == 2
    assert START + DAY > START

"""Reasons: the words, their order, and that each of them is true of the case."""

import numpy as np
import pyarrow as pa
import pytest
from small_journals import DAY, START, cases, catalogue, journal

from tasks.recommendation import crowd
from tasks.recommendation.crowd import Crowd, crowd_of
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import CART, PURCHASE, VIEW
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import RECOMMENDATIONS
from tasks.recommendation.reasons import reasons
from tasks.recommendation.rows import rows


def told(shop, asked, *lists: list[int]) -> list[str]:
    """The reasons of lists of items, -1 for none."""
    return reasons(shop, asked, np.array(lists, np.int32)).to_pylist()


def own(events, item: int = 0, day: float = 100.0) -> str:
    """The reason to show an item to the entity a, who alone did these events."""
    shop = journal(catalogue(2), events, entities=["a"])
    return told(shop, cases(shop, ("a", day)), [item])[0]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ([0, 21, 41, 62], "bought again every 3 weeks"),
        ([0, 21, 21, 21, 41, 62], "bought again every 3 weeks"),  # lines of one order are one purchase
        ([0, 1, 2, 90], "bought again every day"),  # the usual gap, not the mean
        ([10, 17.2], "bought again every week"),
        ([0, 10], "bought again every 10 days"),
        ([0, 30], "bought again every 4 weeks"),
        ([0, 95], "bought again every 3 months"),
        ([5, 5.1, 5.2], "bought 3 times"),
        ([99], "bought before, 1 day ago"),
        ([86], "bought before, 2 weeks ago"),
        ([99.999], "bought before, less than an hour ago"),
        ([99.5], "bought before, 12 hours ago"),
        ([100], "picked for you"),  # not before the cutoff
    ],
)
def test_what_was_bought(days, words):
    assert own([("a", day, 0) for day in days]) == words


def test_what_was_looked_at_and_put_in_the_cart():
    assert own([("a", 95, 0, VIEW), ("a", 97, 0, VIEW)]) == "viewed 3 days ago"
    assert own([("a", 95, 0, CART), ("a", 97, 0, VIEW)]) == "put in the cart 5 days ago"
    assert own([("a", 93, 0, PURCHASE), ("a", 95, 0, CART)]) == "bought before, 1 week ago"
    assert own([("a", 0, 1), ("a", 100.5, 0)]) == "picked for you"


def test_years_are_spoken_of():
    assert own([("a", 0, 0)], day=800) == "bought before, 2 years ago"


def pairs(*baskets: tuple[int, ...], day: float = 1.0) -> list:
    """One customer a basket, b0, b1, ..."""
    return [(f"b{number}{'x' * int(day)}", day, item) for number, basket in enumerate(baskets) for item in basket]


def test_because_of_the_item_that_goes_with_it_best():
    titled = catalogue(9, title=np.array(["Tea", "Cup", None, *"456789"], object))
    events = pairs((0, 3), (0, 3), (0, 3), (1, 3), (1, 3), (2, 4), (2, 4), (1, 5))
    shop = journal(titled, [*events, ("a", 2, 0), ("a", 2.5, 1), ("a", 2.7, 2)])
    assert told(shop, cases(shop, ("a", 5)), [3, 4, 5, -1]) == ["because of Tea", "because of i002", "picked for you"]


def test_others_count_as_of_the_start_of_the_day():
    events = pairs((0, 3), (0, 3), day=5.5)
    shop = journal(catalogue(9), [*events, ("a", 2, 0)])
    asked = cases(shop, ("a", 5.9), ("a", 6.0), ("a", 6.5))
    assert told(shop, asked, [3], [3], [3]) == ["picked for you", *["because of i000"] * 2]


def test_popular_where_the_customer_lives_or_everywhere():
    events = [(f"b{n}", 30, 0) for n in range(3)] + [(f"c{n}", 30, 1) for n in range(2)] + [("d0", 1, 2), ("d1", 1, 2)]
    regions = dict.fromkeys(("b0", "b1", "b2", "x"), "Bremen") | dict.fromkeys(("c0", "c1", "y"), "Mainz")
    shop = journal(catalogue(4), [*events, ("d2", 1, 2), ("c2", 30, 1)], entities=["x", "y", "z"], regions=regions)
    asked = cases(shop, ("x", 40), ("y", 40), ("z", 40))
    here, elsewhere = ["popular in Bremen", "popular now", "picked for you"], ["popular now"] * 2 + ["picked for you"]
    assert told(shop, asked, *[[0, 1, 2]] * 3) == here + elsewhere + elsewhere
    before = told(shop, cases(shop, ("x", 20)), [0, 1, 2])
    assert before == ["picked for you", "picked for you", "popular now"]


def test_a_category_that_is_known_and_items_that_are_new():
    known = np.array([START - DAY, START - DAY, START + 50 * DAY, START + 90 * DAY])
    items = catalogue(4, category=["mugs", "mugs", None, None], known_from=known)
    shop = journal(items, [("a", 1, 0)])
    assert told(shop, cases(shop, ("a", 100)), [1, 2, 3]) == ["more of mugs", "picked for you", "new"]


def test_nobody_and_nothing():
    shop = journal(catalogue(0), [], entities=["a"])
    assert told(shop, cases(shop, ("a", 1)), [-1, -1]) == []
    shop = journal(catalogue(2), [], entities=["a"])
    assert told(shop, cases(shop, ("a", 1)), [0, -1]) == ["picked for you"]
    assert reasons(shop, cases(shop), np.empty((0, 5), np.int32)).to_pylist() == []


def busy(seed: int, until: float = 60.0, altered: bool = False) -> list:
    """Random events; those from `until` on differ where `altered`."""
    source, other = np.random.default_rng(seed), np.random.default_rng(seed + 99)
    events = []
    for _ in range(600):
        who, day, item, kind = (int(source.integers(bound)) for bound in (30, 90, 25, 3))
        if altered and day >= until:
            item, kind = int(other.integers(25)), int(other.integers(3))
        events.append((f"a{who}", float(day), item, kind))
    return events


def test_nothing_past_the_cutoff_is_spoken_of():
    lists = np.argsort(np.random.default_rng(1).random((30, 25)), axis=1)[:, :8].astype(np.int32)
    spoken = []
    for altered in (False, True):
        shop = journal(catalogue(25), busy(0, altered=altered))
        spoken.append(reasons(shop, cases(shop, *[(name, 60.0) for name in shop.ids]), lists).to_pylist())
    assert spoken[0] == spoken[1]
    assert len({reason.split()[0] for reason in spoken[0]}) > 3


def test_a_reason_does_not_depend_on_who_else_is_asked():
    shop = journal(catalogue(25), busy(2))
    source = np.random.default_rng(3)
    asked = cases(shop, *[(f"a{source.integers(30)}", float(source.integers(95)) / 2) for _ in range(40)])
    lists = np.argsort(source.random((40, 25)), axis=1)[:, :5].astype(np.int32)
    alone = [told(shop, asked.take(np.array([n])), lists[n]) for n in range(40)]
    assert reasons(shop, asked, lists).to_pylist() == [reason for told_alone in alone for reason in told_alone]


def test_together_counts_visits():
    shop = journal(catalogue(6), pairs((0, 1, 1), (0, 1), (0, 2), (3,), (4, 5), (4, 5), (4, 5)))
    view = Crowd.known_at(shop, START + 9 * DAY)
    expected = np.zeros((6, 6), np.float32)
    expected[0, 1] = expected[1, 0] = 2 / np.sqrt(3 * 2)
    expected[4, 5] = expected[5, 4] = 1
    one, other = np.indices((6, 6))
    np.testing.assert_allclose(view.strength(one, other), expected, rtol=1e-6)
    assert not Crowd.known_at(shop, START).strength(one, other).any()


def test_a_day_is_looked_at_once_and_forgotten_in_time(monkeypatch):
    shop = journal(catalogue(3), pairs((0, 1)))
    days = (START + np.arange(5) * DAY).astype("datetime64[D]")
    first = crowd_of(shop, days[0])
    assert crowd_of(shop, days[0]) is first
    for day in days:
        crowd_of(shop, day)
    assert len(crowd._CROWDS[shop]) == crowd.DAYS_KEPT
    assert crowd_of(shop, days[0]) is not first


def test_rows_have_the_declared_columns_and_one_row_an_item():
    shop = journal(catalogue(3), [("a", 0, 0), ("a", 1, 0), ("s1", 0, 2, VIEW)], entities=["a", "b"])
    asked = cases(shop, ("b", 2), ("a", 2), ("s1", 2))
    ranking = Ranking(
        np.array([[1, 0], [-1, -1], [2, -1]], np.int32), np.array([[0.5, 0.25], [0, 0], [0.125, 0]], np.float32)
    )
    table = rows(shop, RecommendationOptions(k=2), asked, ranking)[RECOMMENDATIONS.name]
    assert table.column_names == ["case", *(column.name for column in RECOMMENDATIONS.columns)]
    assert table.to_pylist() == [
        {"case": 0, "entity_kind": "customer", "entity_id": "b", "rank": 1, "item_id": "i001", "score": 0.5,
         "reason": "picked for you", "seen": 0},
        {"case": 0, "entity_kind": "customer", "entity_id": "b", "rank": 2, "item_id": "i000", "score": 0.25,
         "reason": "picked for you", "seen": 0},
        {"case": 2, "entity_kind": "session", "entity_id": "s1", "rank": 1, "item_id": "i002", "score": 0.125,
         "reason": "viewed 2 days ago", "seen": 1},
    ]  # fmt: skip
    assert pa.types.is_dictionary(table["entity_id"].type) and pa.types.is_dictionary(table["reason"].type)

"""Lists of items: what may be shown, k of it, and the same whatever else is asked."""

import numpy as np
import pytest
from small_journals import DAY, START, cases, catalogue, counts, journal

from forecasting.task import Cases
from tasks.recommendation import ranking
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.diversity import capped_top_k
from tasks.recommendation.journal import VIEW
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import rank
from tasks.recommendation.rules import Closures


def falling(count: int):
    """A scorer that prefers small positions."""
    return lambda block: (-np.arange(count, dtype=np.float32), None)


def shown(result: ranking.Ranking) -> list[list[int]]:
    """The lists without their empty ends."""
    return [[item for item in row if item >= 0] for row in result.items.tolist()]


def test_the_best_first_and_additions_count():
    shop = journal(catalogue(4), [("a", 0, 0), ("b", 0, 1)])
    extra = Candidates(np.array([0, 2, 2]), np.array([1, 3]), np.array([[1.0, 1.5], [0.5, 0.0]], np.float32))
    scores = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 4.0, 1.0, 0.0]], np.float32)
    result = rank(shop, RecommendationOptions(k=3), cases(shop, ("a", 1), ("b", 1)), lambda block: (scores, extra))
    np.testing.assert_array_equal(result.items, [[1, 2, 3], [1, 2, 0]])
    np.testing.assert_array_equal(result.scores, np.array([[2.5, 1, 0.5], [4, 1, 0]], np.float32))
    assert result.items.dtype == np.int32 and result.scores.dtype == np.float32


def test_a_scorers_own_array_survives_where_it_says_so():
    shop = journal(catalogue(4), [("a", 0, 0)])
    popularity = np.arange(4, dtype=np.float32)
    options = RecommendationOptions(k=2, deny=("i003",))
    for own in (popularity, np.broadcast_to(popularity, (1, 4))):
        assert shown(rank(shop, options, cases(shop, ("a", 1)), lambda block, own=own: (own, None))) == [[2, 1]]
    np.testing.assert_array_equal(popularity, np.arange(4))


def test_exclusions_still_leave_k_items():
    items = catalogue(8, category=["x", "x", "y", "y", None, "z", "z", "z"])
    shop = journal(items, [("a", 0, 0, VIEW), ("a", 1, 4), ("a", 1, 4), ("b", 0, 7)], stock=[(5, 0, 0, 0, 0.0)])
    options = RecommendationOptions(k=3, exclude_seen=True, deny=("i001", "unheard of"), deny_categories=("y", "w"))
    asked = cases(shop, ("a", 0), ("a", 0.5), ("a", 2), ("b", 2))
    assert shown(rank(shop, options, asked, falling(8))) == [[0, 4, 5], [4, 6, 7], [6, 7], [0, 4, 6]]


def test_items_enter_when_they_are_known_and_listed():
    known = np.array([START + n * DAY for n in (0, 3, 1, 2)])
    shop = journal(catalogue(4, known_from=known, listed=np.array([True, True, True, False])), [("a", 0, 0)])
    asked = cases(shop, ("a", 0), ("a", 0.5), ("a", 3), ("a", 3.5), ("a", 1))
    result = rank(shop, RecommendationOptions(k=4), asked, falling(4))
    assert shown(result) == [[], [0], [0, 2], [0, 1, 2], [0]]
    assert (result.items[0] == -1).all() and (result.scores[0] == 0).all()


@pytest.mark.parametrize(
    "options",
    [
        RecommendationOptions(k=5, deny=("i000", "i001", "i002")),
        RecommendationOptions(k=5, deny_categories=("x",)),
        RecommendationOptions(k=5),
        RecommendationOptions(k=5, exclude_out_of_stock=False, exclude_seen=True),
    ],
)
def test_where_nothing_may_be_shown_the_list_is_empty(options):
    gone = [(item, 0, 0.0, 0.0, 0.0) for item in range(3)] if options == RecommendationOptions(k=5) else ()
    shop = journal(catalogue(3, category=["x"] * 3), [("a", 0, item) for item in range(3)], stock=gone)
    result = rank(shop, options, cases(shop, ("a", 2)), falling(3), probabilities=True)
    assert shown(result) == [[]]
    assert (result.scores == 0).all()


def test_an_empty_catalogue_and_no_cases():
    shop = journal(catalogue(0), [], entities=["a"])
    assert shown(rank(shop, RecommendationOptions(), cases(shop, ("a", 1)), falling(0))) == [[]]
    shop = journal(catalogue(3), [("a", 0, 1)])
    assert rank(shop, RecommendationOptions(), cases(shop), falling(3)).items.shape == (0, 20)


def test_an_entity_without_history_is_served_and_has_seen_nothing():
    shop = journal(catalogue(3), [("a", 0, 0)], entities=["a", "z"])
    options = RecommendationOptions(k=2, exclude_seen=True)
    assert shown(rank(shop, options, cases(shop, ("z", 1), ("a", 1)), falling(3))) == [[0, 1], [1, 2]]


def test_ties_go_by_position_across_blocks(monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * 3000)
    shop = journal(catalogue(3000), [("a", 0, 0)])
    asked = cases(shop, *[("a", 1)] * 5)
    result = rank(shop, RecommendationOptions(k=4), asked, lambda block: (np.zeros(3000, np.float32), None))
    assert shown(result) == [[0, 1, 2, 3]] * 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    shop = journal(catalogue(3), [("a", 0, 0)])
    scores = np.array([0.0, bad, 1.0], np.float32)
    with pytest.raises(ValueError, match="finite"):
        rank(shop, RecommendationOptions(k=2), cases(shop, ("a", 1)), lambda block: (scores, None))


def test_probabilities_are_of_a_choice_among_all_that_exists():
    known = np.array([START, START, START, START + 9 * DAY])
    shop = journal(catalogue(4, known_from=known), [("a", 0, 0)])
    logits = np.log(np.array([1, 2, 5, 100], np.float32))
    options = RecommendationOptions(k=4, deny=("i001",))
    result = rank(shop, options, cases(shop, ("a", 1)), lambda block: (logits, None), probabilities=True)
    assert shown(result) == [[2, 0]]
    np.testing.assert_allclose(result.scores[0], [0.625, 0.125, 0, 0], rtol=1e-6)


def brute_sold_out(rows, item: int, day: float) -> bool:
    """The latest count at each location, as of a day."""
    instant = START + np.timedelta64(round(day * 86400e6), "us")
    stock = counts(rows)
    latest = {}
    for number in np.lexsort((stock.known_at, stock.occurred_at)):
        visible = stock.occurred_at[number] < instant and stock.known_at[number] <= instant
        if stock.item[number] == item and visible:
            latest[stock.location[number]] = stock.on_hand[number]
    return bool(latest) and all(amount <= 0 for amount in latest.values())


def test_stock_is_the_latest_count_at_every_location_as_of_the_cutoff():
    source = np.random.default_rng(3)
    for _ in range(30):
        rows = []
        for _ in range(int(source.integers(1, 30))):
            day = float(source.integers(0, 6))
            late = float(source.integers(0, 4)) * (source.random() < 0.4)
            rows.append(
                (int(source.integers(4)), int(source.integers(3)), day, day + late, float(source.integers(-1, 2)))
            )
        rows.append((5, 0, 2.0, 2.0, 1.0))
        # Counts of one place and instant that disagree would leave the oracle a choice.
        rows = list({(row[0], row[1], row[2], row[3]): row for row in rows}.values())
        closures = Closures.sold_out(counts(rows))
        days = source.permutation(np.arange(0, 10, 0.5))
        scores = np.zeros((len(days), 6), np.float32)
        closures.close(scores, START + np.round(days * 86400e6).astype("m8[us]"))
        expected = [[brute_sold_out(rows, item, day) for item in range(6)] for day in days]
        np.testing.assert_array_equal(scores == -np.inf, expected)


def test_counts_of_unknown_items_and_without_a_number_say_nothing():
    rows = [(-1, 0, 0.0, 0.0, 0.0), (0, -1, 0.0, 0.0, 0.0), (1, 0, 0.0, 0.0, 5.0), (1, 0, 1.0, 1.0, np.nan)]
    shop = journal(catalogue(3), [("a", 0, 0)], stock=rows)
    assert shown(rank(shop, RecommendationOptions(k=3), cases(shop, ("a", 2)), falling(3))) == [[1, 2]]


def test_seen_is_what_the_entity_did_before_its_cutoff():
    source = np.random.default_rng(4)
    events = [(f"a{source.integers(5)}", float(source.integers(20)), int(source.integers(12))) for _ in range(150)]
    shop = journal(catalogue(12), events)
    pairs = [(f"a{source.integers(5)}", float(source.integers(0, 22))) for _ in range(60)]
    result = rank(shop, RecommendationOptions(k=12, exclude_seen=True), cases(shop, *pairs), falling(12))
    expected = [
        [
            item
            for item in range(12)
            if not any(event[0] == who and event[1] < day and event[2] == item for event in events)
        ]
        for who, day in pairs
    ]
    assert shown(result) == expected


def greedy(scores: np.ndarray, category: np.ndarray, cap: int, k: int) -> list[int]:
    """The oracle of the cap, item by item."""
    order = [item for item in np.lexsort((np.arange(len(scores)), -scores)) if scores[item] > -np.inf]
    used: dict[int, int] = {}
    chosen = []
    for item in order:
        code = int(category[item])
        if len(chosen) < k and (code < 0 or used.get(code, 0) < cap):
            chosen.append(item)
            used[code] = used.get(code, 0) + 1
    chosen += [item for item in order if item not in chosen][: k - len(chosen)]
    return sorted(chosen, key=lambda item: (-scores[item], item))


@pytest.mark.parametrize("categories", [1, 2, 5, 60])
@pytest.mark.parametrize("cap", [1, 3, 30])
def test_the_cap_is_greedy_and_still_fills_k(categories, cap):
    source = np.random.default_rng(5)
    for hidden in (0.0, 0.5, 0.97, 1.0):
        scores = source.integers(0, 300, (20, 200)).astype(np.float32)
        category = source.integers(-1, categories, 200).astype(np.int32)
        scores += (category == 0) * np.float32(250)  # one category crowds the top
        scores[source.random(scores.shape) < hidden] = -np.inf
        expected = [greedy(row, category, cap, 20) for row in scores]
        items, values = capped_top_k(scores.copy(), category, cap, 20)
        assert [[item for item in row if item >= 0] for row in items.tolist()] == expected
        for row, chosen in enumerate(expected):
            np.testing.assert_array_equal(values[row, : len(chosen)], scores[row, chosen])


def test_few_categories_with_a_cap_still_give_k_items():
    shop = journal(catalogue(10, category=["x"] * 9 + ["y"]), [("a", 0, 0)])
    options = RecommendationOptions(k=5, per_category=2)
    assert shown(rank(shop, options, cases(shop, ("a", 1)), falling(10))) == [[0, 1, 2, 3, 9]]


def test_a_list_does_not_depend_on_who_else_is_asked():
    source = np.random.default_rng(6)
    events = [(f"a{source.integers(9)}", float(source.integers(20)), int(source.integers(30))) for _ in range(200)]
    known = START + source.integers(0, 15, 30) * DAY
    stock = [(int(source.integers(30)), 0, float(day), float(day), float(source.integers(2))) for day in range(20)]
    shop = journal(catalogue(30, known_from=known, category=list("xyz") * 10), events, stock=stock)
    options = RecommendationOptions(k=6, exclude_seen=True, per_category=2)
    asked = Cases(source.integers(0, len(shop), 50), START + source.integers(0, 25, 50) * DAY)

    def scorer(block: Cases):
        return np.cos(block.entity[:, None] + 7.0 * np.arange(30)).astype(np.float32), None

    together = rank(shop, options, asked, scorer)
    alone = [rank(shop, options, asked.take(np.array([number])), scorer).items[0] for number in range(50)]
    np.testing.assert_array_equal(together.items, alone)


def test_a_customer_with_fifty_thousand_events_is_one_among_others():
    source = np.random.default_rng(7)
    events = [("a", day, item) for day, item in enumerate(source.integers(0, 400, 50_000).tolist())]
    shop = journal(catalogue(500), [*events, ("b", 5, 3)])
    asked = cases(shop, *[("a", float(day)) for day in range(0, 50_000, 100)], ("b", 6.0))
    result = rank(shop, RecommendationOptions(k=100, exclude_seen=True), asked, falling(500))
    assert shown(result)[0] == list(range(100))
    assert shown(result)[-2] == list(range(400, 500))
    assert shown(result)[-1] == [item for item in range(101) if item != 3]

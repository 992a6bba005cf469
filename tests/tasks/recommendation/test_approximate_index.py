"""Lists by the approximate index: nearly those of the exact search, under the same rules."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from recommendation_shops import DAY, START, interactions_table, items_table

from forecasting.schema import ConfigurationError
from forecasting.task import Cases, Fit
from tasks.recommendation import nearest, shortlist
from tasks.recommendation.assemble import assemble
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.index import ItemIndex
from tasks.recommendation.journal import Journal
from tasks.recommendation.model import RecommendationModel, fit_recommendation
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.rules import Closures, seen
from tasks.recommendation.shortlist import Shortlists

ITEMS, TASTES, SESSIONS, LENGTH = 20_000, 400, 6_000, 5
AS_OF = START + 61 * DAY
OPTIONS, NEAREST = RecommendationOptions(k=20, hidden=32, epochs=2), 500


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigurationError, match="faiss") as caught:
        RecommendationOptions(nearest=100)
    assert "shop-forecasting[approximate]" in str(caught.value.remedy)
    assert RecommendationOptions().nearest is None


def test_closures_of_single_cells_are_those_of_the_matrix() -> None:
    source = np.random.default_rng(0)
    since = source.integers(0, 20, 40)
    made = Closures(
        source.integers(0, 9, 40).astype(np.int32),
        START + since * DAY,
        START + (since + source.integers(0, 5, 40)) * DAY,
    )
    cutoff = START + source.integers(0, 25, 30) * DAY
    dense = np.zeros((30, 9), np.float32)
    made.close(dense, cutoff)
    items = np.array([np.sort(source.choice(9, 5, replace=False)) for _ in range(30)], np.int32)
    covered = made.by_item().covers(items, cutoff)
    np.testing.assert_array_equal(covered, np.take_along_axis(dense, items.astype(np.int64), axis=1) == -np.inf)
    assert covered.any() and not covered.all()


@pytest.fixture(scope="module")
def library() -> None:
    pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def shop(library: None) -> Journal:
    """Sessions each of one taste, of which the first items are wanted most; half of the items nobody has touched."""
    source = np.random.default_rng(7)
    each = ITEMS // TASTES
    taste = source.integers(0, TASTES, SESSIONS)
    place = np.minimum(source.pareto(1.0, (SESSIONS, LENGTH)) * 4, each - 1).astype(int)
    rows = [
        (
            None,
            f"s{number:05d}",
            f"i{taste[number] * each + item:05d}",
            START + (number * 10 + step) * np.timedelta64(864, "s"),
        )
        for number, items in enumerate(place)
        for step, item in enumerate(items)
    ]
    listed = [f"i{number:05d}" for number in range(ITEMS)]
    category = [f"c{number // each % 40}" for number in range(ITEMS)]
    sources = {"interactions": interactions_table(rows), "items": items_table(listed, category=category)}
    return assemble(sources, OPTIONS)


@pytest.fixture(scope="module")
def model(shop: Journal) -> RecommendationModel:
    return fit_recommendation(shop, Fit(AS_OF), replace(OPTIONS, nearest=NEAREST))


@pytest.fixture(scope="module")
def asked(shop: Journal) -> Cases:
    entity = np.arange(0, len(shop), 20)
    return Cases(entity, np.full(len(entity), AS_OF))


def overlap(exact: np.ndarray, found: np.ndarray) -> float:
    """The part of the exact lists that was found."""
    both = [len(np.intersect1d(one[one >= 0], other)) for one, other in zip(exact, found, strict=True)]
    return sum(both) / int((exact >= 0).sum())


def predicted(model: RecommendationModel, shop: Journal, cases: Cases, **options):
    return replace(model, options=replace(model.options, **options)).predict(shop, cases)


@pytest.mark.parametrize("rules", [{}, {"exclude_seen": True, "deny_categories": ("c3",)}, {"per_category": 4}])
def test_lists_are_nearly_the_exact_ones(model, shop, asked, rules, monkeypatch) -> None:
    exact = predicted(model, shop, asked, nearest=None, **rules)
    monkeypatch.setattr(shortlist, "rank", None)  # no case is in need of the exact search
    found = predicted(model, shop, asked, **rules)
    assert overlap(exact.items, found.items) >= 0.98
    same = (exact.items == found.items) & (exact.items >= 0)
    np.testing.assert_allclose(found.scores[same], exact.scores[same], rtol=0.1)
    assert same.mean() > 0.9
    for row in found.items:
        assert len(set(row.tolist())) == 20 and row.min() >= 0
    assert (np.diff(found.scores, axis=1) <= 0).all()
    category = shop.catalogue.labels["category"][found.items]
    if "per_category" in rules:
        assert max(np.bincount(row).max() for row in category) <= 4
    if "deny_categories" in rules:
        assert "c3" not in set(shop.catalogue.categories["category"][category].ravel())
    if "exclude_seen" in rules:
        row, item = seen(shop, asked)
        assert len(row) and not (found.items[row] == item[:, None]).any()


def test_the_same_bytes_again(model, shop, asked) -> None:
    first = model.predict(shop, asked)
    nearest._KEPT.clear()
    again = model.predict(shop, asked)
    assert first.items.tobytes() == again.items.tobytes() and first.scores.tobytes() == again.scores.tobytes()
    fitted = fit_recommendation(shop, Fit(AS_OF), model.options).predict(shop, asked)
    assert first.items.tobytes() == fitted.items.tobytes() and first.scores.tobytes() == fitted.scores.tobytes()


def test_each_day_of_a_backtest_has_its_own_index(model, shop) -> None:
    entity = np.arange(5000, 5020)
    cutoff = shop.events.occurred_at[shop.events.offsets[entity] + 3]
    cases = Cases(entity, cutoff)
    exact, found = predicted(model, shop, cases, nearest=None), model.predict(shop, cases)
    assert overlap(exact.items, found.items) >= 0.98


def test_cases_with_too_few_items_left_are_ranked_exactly(model, shop, asked) -> None:
    some = asked.take(np.arange(20))
    kept = ("c1",)
    denied = tuple(name for name in shop.catalogue.categories["category"] if name not in kept)
    options = {"deny_categories": denied, "nearest": 30}
    exact, found = predicted(model, shop, some, **options | {"nearest": None}), predicted(model, shop, some, **options)
    assert (found.items >= 0).all()
    assert overlap(exact.items, found.items) >= 0.98


def test_a_cap_that_a_shortlist_cannot_keep_is_kept_by_the_exact_search(model, shop, asked) -> None:
    some = asked.take(np.arange(20))
    found = predicted(model, shop, some, nearest=20, per_category=1)
    category = shop.catalogue.labels["category"][found.items]
    assert all(len(set(row.tolist())) == 20 for row in category)


@pytest.mark.usefixtures("library")
def test_shortlists_hold_all_evidence_and_exact_scores() -> None:
    source = np.random.default_rng(1)
    factors = source.normal(size=(3000, 12)).astype(np.float32)
    factors[:, -2:] *= 5
    open_ = source.random(3000) < 0.9
    index = ItemIndex.of(factors, open_, wide=2)
    queries = source.normal(size=(7, 12)).astype(np.float32)
    named = Candidates(
        np.array([0, 2, 2, 3, 3, 3, 3, 5]), np.array([0, 2999, 7, 5, 9], np.int32), np.ones((5, 1), np.float32)
    )
    found = Shortlists.of(index, queries, named, nearest=300)
    dense = queries @ factors.T
    whole = np.where(open_, dense, -np.inf)
    dense[named.case, named.item] += 1
    for row in range(7):
        items = found.items[row][found.items[row] >= 0]
        assert (np.diff(items) > 0).all() and set(named.item[named.case == row]) <= set(items)
        np.testing.assert_allclose(found.scores[row, : len(items)], dense[row, items], atol=1e-4)
        assert np.isneginf(found.scores[row, len(items) :]).all()
        best = np.argsort(-whole[row])[:20]
        assert len(np.intersect1d(best, items)) == 20
        total = np.logaddexp(np.logaddexp.reduce(found.scores[row, : len(items)]), found.rest[row])
        assert abs(total - np.logaddexp.reduce(whole[row])) < 0.15


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_small_catalogues(count: int) -> None:
    factors = np.random.default_rng(2).normal(size=(50, 6)).astype(np.float32)
    index = ItemIndex.of(factors, np.arange(50) < count, wide=1)
    found = index.search(factors[:3], 10)
    assert found.shape == (3, 10) and ((found >= 0).sum(axis=1) == min(count, 10)).all()
    assert found.max() < max(count, 1)

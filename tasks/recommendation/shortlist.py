"""From shortlists to lists: as `ranking.rank`, but of a few items for each case instead of the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.diversity import capped_top_k, over_cap
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.index import ItemIndex
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import Scorer, log_total, rank
from tasks.recommendation.rules import Closures, seen
from tasks.recommendation.topk import top_k

BLOCK_CASES = 256
"""Cases at a time."""

OTHERS = 512
"""Items that stand for all those that are on no shortlist, in the sum that makes probabilities of scores."""

NOTHING = np.empty(0, np.int32)

_SCORED_BYTES = 16 << 20
_TILE = 64
"""Shortlists are as long as a multiple of this: the last bits of a score would tell of the other cases' lengths."""


@dataclass(frozen=True, eq=False)
class Shortlists:
    """Of each of b cases some items, each once. `items`: int32 [b, L] ascending, -1 behind them. `scores`: float32
    [b, L], log-odds, -inf there. `rest`: float32 [b], the log of what exp(score) adds up to over all other items,
    estimated."""

    items: np.ndarray
    scores: np.ndarray
    rest: np.ndarray

    @staticmethod
    def of(
        index: ItemIndex, queries: np.ndarray, additions: Candidates, nearest: int, always: np.ndarray = NOTHING
    ) -> Shortlists:
        """What the index finds `nearest` to the `queries`, float32 [b, W], every item with an addition, and the items
        `always`, int32. Scores are exact: the product, and the addition."""
        count, cases = len(index.factors), len(queries)
        found = index.search(queries, nearest)
        near = (np.arange(cases)[:, None] * count + found)[found >= 0]
        named = additions.case * count + additions.item
        added = (np.arange(cases)[:, None] * count + always).ravel()
        key = np.sort(np.concatenate([near, named, added]))
        key = key[np.diff(key, prepend=-1) != 0]
        row, item = np.divmod(key, count)
        offsets = np.searchsorted(row, np.arange(cases + 1))
        longest = -(-int(np.diff(offsets).max(initial=1)) // _TILE) * _TILE
        place = row * longest + np.arange(len(key)) - offsets[row]
        items = np.full((cases, longest), -1, np.int32)
        items.ravel()[place] = item
        scores = _products(queries, index.factors, items)
        scores.ravel()[place[np.searchsorted(key, named)]] += additions.values.sum(axis=1)
        scores[items < 0] = -np.inf
        return Shortlists(items, scores, _rest(index, queries, key))


Shortlister = Callable[[Cases], Shortlists]


def rank_shortlists(
    journal: Journal, options: RecommendationOptions, cases: Cases, shortlister: Shortlister, scorer: Scorer
) -> Ranking:
    """The lists of `rank(..., scorer, probabilities=True)`, chosen from shortlists by the same rules.

    Where the rules leave fewer than k items of a shortlist, or no k without more of a category than the cap allows, the
    case is ranked by `scorer` among all items. Probabilities are of a choice among all items that exist; what those
    outside of the shortlist add to the sum is estimated. Raises ValueError where a score that decides is not finite.
    """
    count = len(journal.catalogue)
    items = np.full((len(cases), options.k), -1, np.int32)
    values = np.zeros((len(cases), options.k), np.float32)
    short = np.zeros(len(cases), bool)
    unborn = Closures.unborn(journal.catalogue).within(cases.cutoff).by_item()
    hidden = Closures.denied(journal.catalogue, options)
    if options.exclude_out_of_stock and journal.stock is not None:
        hidden += Closures.sold_out(journal.stock)
    hidden = hidden.within(cases.cutoff).by_item()
    category = None if options.per_category is None else journal.catalogue.labels.get("category")
    for start in range(0, len(cases), BLOCK_CASES):
        part = cases.take(np.arange(start, min(start + BLOCK_CASES, len(cases))))
        found = shortlister(part)
        scores = found.scores
        scores[unborn.covers(found.items, part.cutoff)] = -np.inf
        total = np.logaddexp(log_total(scores, none=-np.inf), found.rest)
        scores[hidden.covers(found.items, part.cutoff)] = -np.inf
        if options.exclude_seen:
            row, item = seen(journal, part)
            scores[_among(np.arange(len(part))[:, None] * count + found.items, np.sort(row * count + item))] = -np.inf
        rows = slice(start, start + len(part))
        if category is None or options.per_category is None:
            place, best = top_k(scores, options.k)
        else:
            own = np.where(found.items >= 0, category[found.items], -1)
            place, best = capped_top_k(scores, own, options.per_category, options.k)
            chosen = np.where(place >= 0, np.take_along_axis(own, place.astype(np.int64), axis=1), -1)
            short[rows] = over_cap(chosen, options.per_category)
        short[rows] |= place[:, -1] < 0
        items[rows] = np.where(place >= 0, np.take_along_axis(found.items, place.astype(np.int64), axis=1), -1)
        values[rows] = np.exp(best - np.where(np.isfinite(total), total, 0)[:, None])
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    again = np.flatnonzero(short)
    if len(again):
        exact = rank(journal, options, cases.take(again), scorer, probabilities=True)
        items[again], values[again] = exact.items, exact.scores
    return Ranking(items, values)


def _products(queries: np.ndarray, factors: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Each case's query times its own items, float32 [b, L]; of -1 whatever comes."""
    asked, matrix = torch.from_numpy(queries), torch.from_numpy(factors)
    wanted = torch.from_numpy(np.maximum(items, 0))
    (rows, longest), width = items.shape, factors.shape[1]
    at_once = max(_SCORED_BYTES // (4 * longest * width), 1)
    result = torch.empty(rows, longest)
    for start in range(0, rows, at_once):
        part = wanted[start : start + at_once]
        vectors = matrix.index_select(0, part.flatten()).view(len(part), longest, width)
        result[start : start + at_once] = torch.bmm(vectors, asked[start : start + at_once, :, None])[:, :, 0]
    return result.numpy()


def _rest(index: ItemIndex, queries: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The log of the sum of exp(score) over the items of the index that are not among `key`, int64 ascending (case x N
    + item), by a sample that is the same for all cases."""
    if not len(index.items):
        return np.full(len(queries), -np.inf, np.float32)
    some = index.items[np.random.default_rng(0).integers(0, len(index.items), OTHERS)]
    scores = torch.mm(torch.from_numpy(queries), torch.from_numpy(index.factors[some]).T).numpy()
    scores[_among(np.arange(len(queries))[:, None] * len(index.factors) + some, key)] = -np.inf
    return log_total(scores, none=-np.inf) + np.float32(np.log(len(index.items) / len(some)))


def _among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Whether each value is one of those, bool of the shape of `values`."""
    if not len(ascending):
        return np.zeros(values.shape, bool)
    place = np.searchsorted(ascending, values)
    return ascending[np.minimum(place, len(ascending) - 1)] == values

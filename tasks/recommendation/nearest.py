"""The recommender's lists for very large catalogues, by an index of what it thinks of every item on a day.

What network, popularity and age say of an item is one product of a vector of the case and one of the item. The index
finds the items with about the largest; what the case's own past and others like it speak for comes on top, whatever the
index finds. So a list lacks an item of the exact one only where the index has missed it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from forecasting.task import Cases, Instant
from tasks.recommendation.blend import CONTEXT, Blend
from tasks.recommendation.fitted import FittedNetwork
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.index import ItemIndex
from tasks.recommendation.journal import Journal
from tasks.recommendation.memory import Memory, memories
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import Scorer
from tasks.recommendation.shortlist import NOTHING, Shortlists, rank_shortlists
from tasks.recommendation.signals import item_vectors, signals


def rank_nearest(
    journal: Journal,
    options: RecommendationOptions,
    cases: Cases,
    network: FittedNetwork,
    blend: Blend,
    trained_until: Instant,
    scorer: Scorer,
) -> Ranking:
    """As `rank` with the model's `scorer`, among the `options.nearest` items that the index of each case's day finds,
    all that single pieces of evidence name, and those younger than the day's memory."""
    assert options.nearest is not None
    count = options.nearest
    items = np.full((len(cases), options.k), -1, np.int32)
    values = np.zeros((len(cases), options.k), np.float32)
    for place, memory in memories(journal).days(cases, trained_until):
        index = _index(journal, memory, network, blend, trained_until)

        def shortlists(block: Cases, memory: Memory = memory, index: ItemIndex = index) -> Shortlists:
            found = signals(journal, block, None, trained_until)
            queries = blend.queries(network.queries(journal, block), found.steps)
            return Shortlists.of(index, queries, blend.additions(found), count, _since(journal, memory, block))

        of_day = rank_shortlists(journal, options, cases.take(place), shortlists, scorer)
        items[place], values[place] = of_day.items, of_day.scores
    return Ranking(items, values)


def _since(journal: Journal, memory: Memory, cases: Cases) -> np.ndarray:
    """The items, int32, that have come to exist since the memory's instant: in a backtest, those of a day or so."""
    latest = cases.cutoff.max()
    if latest <= memory.instant:
        return NOTHING
    catalogue = journal.catalogue
    young = catalogue.listed & catalogue.known(latest) & ~catalogue.known(memory.instant)
    return np.flatnonzero(young).astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Kept:
    journal: weakref.ref[Journal]
    instant: Instant
    blend: Blend
    index: ItemIndex


_KEPT: WeakKeyDictionary[FittedNetwork, _Kept] = WeakKeyDictionary()  # shard after shard asks for the same


def _index(journal: Journal, memory: Memory, network: FittedNetwork, blend: Blend, trained_until: Instant) -> ItemIndex:
    """The index of the items that exist at the memory's instant; the last one is kept."""
    kept = _KEPT.get(network)
    if kept and kept.journal() is journal and kept.instant == memory.instant and kept.blend is blend:
        return kept.index
    _KEPT.pop(network, None)  # there is no room for two
    vectors = item_vectors(memory, trained_until)
    factors = blend.factors(network.item_matrix(journal), network.item_bias(journal), vectors)
    open_ = journal.catalogue.listed & journal.catalogue.known(memory.instant)
    index = ItemIndex.of(factors, open_, wide=1 + len(CONTEXT))
    _KEPT[network] = _Kept(weakref.ref(journal), memory.instant, blend, index)
    return index

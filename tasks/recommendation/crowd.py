"""What reasons may say of others: which items go together, and what is popular where, as of the start of a day.

It is not what scores go by (`similarity`, `popularity`): a reason is a sentence that people may check, so that a pair
must have been seen twice, and what is popular wanted by several.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy import sparse

from forecasting.task import Instant
from tasks.recommendation.journal import Journal
from tasks.recommendation.sparse import product, ragged_matrix, stack, strongest
from tasks.recommendation.visits import Visits, visits

ROWS = 1_000_000
"""The latest events that reasons tell of: enough for words, and cheap however large the shop is."""

LENGTH = 50
"""Events of one visit that count, its last ones."""

PARTNERS = 50
"""Items that one item goes together with, at most."""

TOGETHER = 2.0
"""Visits that held both items, at least: once may be chance."""

RECENT = 28.0
"""Days over which popularity is counted."""

WANTED_BY = 3
"""Customers and sessions that wanted a popular item in that time, at least."""

TOP = 0.1
"""Share of the wanted items that are popular."""

FEWEST = 20
"""But so many are popular in any case, if they were wanted."""

DAYS_KEPT = 2


@dataclass(frozen=True, eq=False)
class Crowd:
    """N items seen through others.

    `together`: float32 sparse [N, N] with ascending columns, the cosine over visits of pairs that at least TOGETHER
    visits held: of each item its PARTNERS strongest. `popular`: bool [N]. `popular_in`: int64, ascending, region * N +
    item of what is popular in a region.
    """

    together: sparse.csr_array
    popular: np.ndarray
    popular_in: np.ndarray

    @staticmethod
    def known_at(journal: Journal, instant: Instant) -> Crowd:
        """All of it from what was known at an instant."""
        latest = visits(journal, instant, ROWS, LENGTH)
        count = len(journal.catalogue)
        recent = latest.days <= RECENT
        entity, item = latest.entity[latest.visit][recent], latest.item[recent].astype(np.int64)
        pairs = np.unique(entity * count + item)
        entity, item = np.divmod(pairs, max(count, 1))
        region = journal.region_at(entity, instant).astype(np.int64)
        popular = np.zeros(count, bool)
        popular[_popular(np.zeros(len(item), np.int64), item, count)] = True
        placed = region >= 0
        return Crowd(_together(latest), popular, _popular(region[placed], item[placed], count))

    def strength(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How strongly items go together, float32 of the shape of both, int arrays [...]; 0 for no pair."""
        indptr, columns = self.together.indptr, self.together.indices
        if not len(columns):
            return np.zeros(np.broadcast_shapes(one.shape, other.shape), np.float32)
        low, high = indptr[one], indptr[one + 1]
        end = high
        for _ in range(PARTNERS.bit_length()):
            middle = (low + high) >> 1
            onward = (low < high) & (columns[np.minimum(middle, len(columns) - 1)] < other)
            low, high = np.where(onward, middle + 1, low), np.where(onward, high, middle)
        place = np.minimum(low, len(columns) - 1)
        found = (low < end) & (columns[place] == other)
        return np.where(found, self.together.data[place], np.float32(0))

    def is_popular_in(self, region: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Whether items are popular in regions (-1: nowhere), bool of the shape of both, int arrays [...]."""
        if not len(self.popular_in):
            return np.zeros(np.broadcast_shapes(region.shape, item.shape), bool)
        key = region.astype(np.int64) * len(self.popular) + item
        place = np.minimum(np.searchsorted(self.popular_in, key), len(self.popular_in) - 1)
        return (region >= 0) & (self.popular_in[place] == key)


_CROWDS: WeakKeyDictionary[Journal, OrderedDict[np.datetime64, Crowd]]
_CROWDS = WeakKeyDictionary()  # a publication asks shard by shard, all of them on one day


def crowd_of(journal: Journal, day: np.datetime64) -> Crowd:
    """What was known at the start of a day (datetime64[D], UTC), from memory if it was asked lately."""
    days = _CROWDS.setdefault(journal, OrderedDict())
    if day not in days:
        days[day] = Crowd.known_at(journal, day.astype("datetime64[us]"))
        while len(days) > DAYS_KEPT:
            days.popitem(last=False)
    days.move_to_end(day)
    return days[day]


def _together(latest: Visits) -> sparse.csr_array:
    held = ragged_matrix(np.ones(len(latest.item), np.float32), latest.item, latest.offsets, latest.items)
    held.sum_duplicates()
    held.data[:] = 1
    often = np.asarray(held.sum(axis=0)).ravel()
    kept = []
    for rows, both in product(held.T.tocsr(), held):
        one = np.repeat(np.arange(rows.start, rows.stop), np.diff(both.indptr))
        both.data[(both.data < TOGETHER) | (one == both.indices)] = 0
        both.data /= np.sqrt(often[one] * often[both.indices])
        both.eliminate_zeros()
        both.sort_indices()
        kept.append(strongest(both, PARTNERS))
    return stack(kept, latest.items).astype(np.float32)


def _popular(region: np.ndarray, item: np.ndarray, count: int) -> np.ndarray:
    """region * count + item, int64 ascending, of the items most wanted in each region. One (region, item) is given for
    each entity that wanted it."""
    key, wanted = np.unique(region * count + item, return_counts=True)
    order = np.lexsort((key, -wanted, key // max(count, 1)))
    sizes = np.unique(key // max(count, 1), return_counts=True)[1]
    rank = np.arange(len(key)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    most = np.repeat(np.maximum(np.ceil(TOP * sizes), FEWEST), sizes)
    return np.sort(key[order][(rank < most) & (wanted[order] >= WANTED_BY)])

"""All that is remembered of others, as it stood at an instant before a case's cutoff.

What is published goes by all that is known at its cutoff. In a backtest, and where a recipe is judged, cases have
cutoffs of their own, and the memory is renewed from time to time: once a day counted from the fit, or, of a long
history to which a day adds little, whenever it has grown by a hundredth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
from scipy import sparse

from forecasting.task import Cases, Instant
from tasks.recommendation.alike import Alike
from tasks.recommendation.candidates import Candidates, Evidence, at_places, nothing
from tasks.recommendation.folds import REMEMBERED
from tasks.recommendation.follows import Follows
from tasks.recommendation.journal import Journal
from tasks.recommendation.neighbours import Neighbours
from tasks.recommendation.own import OwnItems
from tasks.recommendation.popularity import Popularity
from tasks.recommendation.repeats import repeat_rates
from tasks.recommendation.similarity import Similarity
from tasks.recommendation.visits import Visits, visits

CACHE_BYTES = 1 << 28
"""Indices kept for instants that may be asked for again."""

SOURCES: dict[str, type[Evidence]] = {
    "own": OwnItems,
    "neighbours": Neighbours,
    "alike": Alike,
    "follows": Follows,
    "similar": Similarity,
    "region": Popularity,
}
"""The sources of evidence about single items; `Memory.source` gives them fitted."""

MIDNIGHT = np.datetime64(0, "us")
"""An anchor of days that begin at midnight, UTC."""

DAY = np.timedelta64(86_400_000_000, "us")

GROWTH = 100
"""A memory is renewed when the history has become longer by this part of it, and at most once a day."""


def refresh(
    cutoff: np.ndarray | np.datetime64, anchor: Instant = MIDNIGHT, every: np.timedelta64 = DAY
) -> np.ndarray | np.datetime64:
    """The instants at which the memory behind cutoffs was made, datetime64[us]: the last one before each that is a
    multiple of `every` away from `anchor`. So a forecast does not depend on what else is asked, and cases share their
    indices."""
    return anchor + (cutoff.astype("datetime64[us]") - anchor) // every * every


@dataclass(frozen=True, eq=False)
class Memory:
    """The indices of what was known at an instant, each made when first asked for."""

    of: ReferenceType[Journal]
    instant: Instant

    @property
    def journal(self) -> Journal:
        """The journal remembered; its memories do not keep it alive."""
        journal = self.of()
        if journal is None:
            raise ReferenceError("the journal of this memory is gone")
        return journal

    @cached_property
    def visits(self) -> Visits:
        return visits(self.journal, self.instant)

    @cached_property
    def popularity(self) -> Popularity:
        return Popularity.fit(self.journal, self.instant)

    @cached_property
    def repeats(self) -> np.ndarray:
        return repeat_rates(self.visits)

    @cached_property
    def neighbours(self) -> Neighbours:
        return Neighbours.fit(self.visits)

    @cached_property
    def alike(self) -> Alike:
        return Alike.fit(self.visits)

    @cached_property
    def similarity(self) -> Similarity:
        return Similarity.fit(self.visits)

    @cached_property
    def follows(self) -> Follows:
        return Follows.fit(self.visits)

    def source(self, name: str) -> Evidence:
        """One of `SOURCES`, fitted."""
        attribute = {"region": "popularity", "similar": "similarity"}.get(name, name)
        return OwnItems() if name == "own" else getattr(self, attribute)

    @property
    def nbytes(self) -> int:
        """Bytes of what has been made so far."""
        made = [part for name, part in vars(self).items() if name not in ("of", "instant")]
        return sum(_bytes(part) for part in made)


class MemoryCache:
    """The memories of the instants asked for, the ones used last kept within a bound."""

    def __init__(self, journal: Journal, limit: int = CACHE_BYTES):
        self._journal = ref(journal)
        self._limit = limit
        self._kept: OrderedDict[Instant, Memory] = OrderedDict()
        at = journal.events.occurred_at
        self._begin = at.min() if len(at) else MIDNIGHT

    def at(self, instant: Instant) -> Memory:
        """The memory of what was known at `instant`."""
        memory = self._kept.pop(instant, None) or Memory(self._journal, instant)
        self._kept[instant] = memory
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._limit:
            self._kept.popitem(last=False)
        return memory

    def days(self, cases: Cases, anchor: Instant = MIDNIGHT) -> Iterator[tuple[np.ndarray, Memory]]:
        """By instant of memory, counted from `anchor`: the positions of its cases, int64, and the memory itself."""
        if not len(cases):
            return
        instants, day = np.unique(self._remembered(cases, anchor), return_inverse=True)
        order = np.argsort(day, kind="stable")
        ends = np.cumsum(np.bincount(day, minlength=len(instants)))
        for instant, of_day in zip(instants, np.split(order, ends[:-1]), strict=True):
            yield of_day, self.at(instant)

    def _remembered(self, cases: Cases, anchor: Instant) -> np.ndarray:
        """As of which instant each case remembers others: its own column says so, or the renewals since the anchor."""
        if REMEMBERED in cases.columns:
            return cases.columns[REMEMBERED]
        return np.asarray(refresh(cases.cutoff, anchor, max(DAY, (anchor - self._begin) // GROWTH)))

    def candidates(self, source: str, cases: Cases) -> Candidates:
        """What one of `SOURCES` says of cases, each by the memory of the midnight before, or what it remembers."""
        places, parts = [], []
        for place, memory in self.days(cases):
            places.append(place)
            parts.append(memory.source(source).candidates(memory.journal, cases.take(place)))
        return at_places(places, parts) if parts else nothing(len(SOURCES[source].names))


_CACHES: WeakKeyDictionary[Journal, MemoryCache] = WeakKeyDictionary()


def memories(journal: Journal) -> MemoryCache:
    """The one cache of a journal, shared by all forecasters that look at it; it goes when the journal does."""
    if journal not in _CACHES:
        _CACHES[journal] = MemoryCache(journal)
    return _CACHES[journal]


def _bytes(part: Any) -> int:
    if isinstance(part, np.ndarray):
        return part.nbytes
    if isinstance(part, sparse.csr_array):
        return part.data.nbytes + part.indices.nbytes + part.indptr.nbytes
    if isinstance(part, Visits):  # shared: counted where it is made
        return sum(_bytes(value) for value in vars(part).values())
    return sum(_bytes(value) for value in getattr(part, "__dict__", {}).values() if not isinstance(value, Visits))

"""What the sessions, or customers, most like a case's own did: nearest neighbours of sequences.

The similarity of sequences and the weights of their items follow V-SkNN (Ludewig and Jannach 2018) and its successors
STAN (Garg et al. 2019) and VSTAN (Ludewig et al. 2021). That each item remembers only its latest visits, which bounds
time and memory, is the index of VMIS-kNN (Kersbergen, Sprangers and Schelter 2022). All cases of a block go through
two sparse products and a partial sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from forecasting.histories import ragged_ranges
from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.journal import Journal
from tasks.recommendation.past import Past, by_blocks, past
from tasks.recommendation.sparse import ragged_matrix, share_candidates, strongest
from tasks.recommendation.visits import Visits

_RANKS = 60


@dataclass(frozen=True)
class Weighting:
    """How neighbours are found and what their items count.

    `sample`: visits that an item remembers, the latest. `neighbours`: of a case. `own`: steps back in which the weight
    of a case's item falls to 1/e. `recency`: days in which the weight of a neighbour does so. `length`: power of a
    neighbour's number of items by which its weight is divided. `near`, `before`: steps after (before) the latest item
    in common in which the weight of a neighbour's item falls to 1/e. `earlier`: further factor of those before.
    `rarity`: power of an item's idf in the similarity; `novelty`: in what its mention is worth. `rows`: of a case's
    history that are looked at. `most`: items a case is told of.
    """

    sample: int = 250
    neighbours: int = 500
    own: float = 1.5
    recency: float = 0.7
    length: float = 0.0
    near: float = 2.0
    before: float = 2.0
    earlier: float = 1.0
    rarity: float = 3.0
    novelty: float = 1.0
    rows: int = 50
    most: int = 200
    sharpen: float = 1.5
    floor: float = 0.05
    same: float = 1.5
    latest: float = 1e9


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The index: `postings` [N, V], which visits touched an item (complex ones), only the latest of each item kept."""

    visits: Visits
    weighting: Weighting
    postings: sparse.csr_array
    scale: np.ndarray
    rarity: np.ndarray
    novelty: np.ndarray

    names: ClassVar[Sequence[str]] = ("neighbours", "neighbours_log")

    @staticmethod
    def fit(visits: Visits, weighting: Weighting | None = None) -> Neighbours:
        """The index of the visits known at an instant."""
        weighting = weighting or Weighting()
        key = np.unique(visits.item.astype(np.int64) * len(visits) + visits.visit)  # by item, the latest visit first
        item, visit = np.divmod(key, max(len(visits), 1))
        counts = np.bincount(item, minlength=visits.items)
        lengths = np.bincount(visit, minlength=len(visits))
        nth = np.arange(len(key)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = nth < weighting.sample
        offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, weighting.sample))])
        ones = np.ones(int(kept.sum()), np.complex64)
        postings = ragged_matrix(ones, visit[kept], offsets, len(visits))
        later = np.arange(len(visits)) / max(len(visits), 1)
        scale = np.exp(-later / weighting.recency) / np.maximum(lengths, 1) ** weighting.length
        idf = np.log((len(visits) + 1) / (counts + 0.5))
        return Neighbours(
            visits,
            weighting,
            postings,
            scale.astype(np.float32),
            (idf**weighting.rarity).astype(np.float32),
            (idf**weighting.novelty).astype(np.float32),
        )

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What the neighbours of each case had to do with."""
        most, rows = self.weighting.most, self.weighting.rows
        return by_blocks(journal, cases, rows, lambda block: share_candidates(self.scores(journal, block), most), 4_000)

    def scores(self, journal: Journal, cases: Cases) -> sparse.csr_array:
        """cases x items."""
        w = self.weighting
        own = past(journal, cases, w.rows)
        pairs, latest = self._similar(own, cases.entity)
        return self._told(pairs, latest)

    def _similar(self, own: Past, entity: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
        """(similarity of the nearest visits, cases x visits; of each the latest item in common, int32)."""
        w = self.weighting
        last = np.repeat(own.offsets[1:], np.diff(own.offsets))
        rank = np.minimum(last - 1 - np.arange(len(own.case)), _RANKS)
        weight = np.exp(-own.back / w.own) * self.rarity[own.item]
        query = ragged_matrix((weight + 1j * 4.0**-rank).astype(np.complex64), own.item, own.offsets, len(self.rarity))
        found = query @ self.postings
        row = np.repeat(np.arange(len(own)), np.diff(found.indptr))
        strength = found.data.real**w.sharpen * self.scale[found.indices]
        strength[self.visits.entity[found.indices] == entity[row]] = 0
        rank = (1 - np.frexp(found.data.imag)[1]) // 2  # 4^-rank leads the sum
        if w.latest < 1e8:
            strength *= np.exp(-rank / w.latest).astype(np.float32)
        # the position of the latest item in common travels with the pair
        packed = sparse.csr_array((strength, found.indices, found.indptr), shape=found.shape)
        place = sparse.csr_array((np.arange(found.nnz), found.indices, found.indptr), shape=found.shape)
        best, chosen = _with(packed, place, w.neighbours)
        case = np.repeat(np.arange(len(own)), np.diff(best.indptr))
        common = own.item[np.maximum(own.offsets[1:][case] - 1 - rank[chosen], own.offsets[:-1][case])]
        return best, common

    def _told(self, pairs: sparse.csr_array, common: np.ndarray) -> sparse.csr_array:
        """What the neighbours' items add up to, cases x items."""
        w, visits = self.weighting, self.visits
        starts = visits.offsets[pairs.indices]
        counts = visits.offsets[pairs.indices + 1] - starts
        row = ragged_ranges(starts, counts)
        pair = np.repeat(np.arange(pairs.nnz), counts)
        item, position = visits.item[row], visits.position[row]
        met = item == common[pair]
        at = np.zeros(pairs.nnz, np.int32)
        at[pair[met]] = position[met]
        apart = position - at[pair]
        table: np.ndarray = np.arange(-256, 257)
        table = w.floor + np.where(table > 0, 1.0, w.earlier) * np.exp(
            -np.abs(table - (table > 0)) / np.where(table > 0, w.near, w.before)
        )
        table[256] = w.same
        worth = pairs.data[pair] * table[np.clip(apart, -256, 256) + 256].astype(np.float32)
        if w.novelty:
            worth = worth * self.novelty[item]
        ends = np.concatenate([[0], np.cumsum(counts)])[pairs.indptr]
        told = ragged_matrix(worth, item, ends, visits.items)
        return told @ sparse.eye_array(visits.items, dtype=np.float32, format="csr")


def _with(packed: sparse.csr_array, place: sparse.csr_array, most: int) -> tuple[sparse.csr_array, np.ndarray]:
    joint = sparse.csr_array(
        (packed.data, np.arange(packed.nnz, dtype=packed.indices.dtype), packed.indptr),
        shape=(packed.shape[0], max(packed.nnz, 1)),
    )
    best = strongest(joint, most)
    chosen = best.indices
    return sparse.csr_array((best.data, packed.indices[chosen], best.indptr), shape=packed.shape), chosen

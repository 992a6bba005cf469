"""What the sessions most like a case's own went on to: nearest neighbours of sequences.

Vector similarity and the weights of items follow V-SkNN (Ludewig and Jannach 2018, section 2.4) and its successors STAN
(Garg et al. 2019: position in the own session, recency of the neighbour, distance to the item in common) and VSTAN
(Ludewig et al. 2021: idf in both places). That each item remembers only its latest visits, which bounds time and
memory, is the index of VMIS-kNN (Kersbergen, Sprangers and Schelter 2022). A block of cases is two sparse products and
a partial sort.
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
from tasks.recommendation.sparse import among_strongest, ragged_matrix, share_candidates
from tasks.recommendation.visits import LENGTH, Visits


@dataclass(frozen=True)
class Weighting:
    """How neighbours are found and what their items count.

    `sample`: visits that an item remembers, its latest; `neighbours`: of a case, at most; `rows`: of a case's history
    that are looked at; `most`: items that a case is told of.

    Similarity: `own`: steps back in which the weight of a case's item falls to 1/e; `rarity`: power of its idf;
    `recency`: share of all visits, the latest first, over which a neighbour's weight falls to 1/e.

    Worth of a neighbour's item, by its distance in steps from the latest item in common: `after`, `before`: steps in
    which it falls to 1/e; `earlier`: factor of what came before; `same`: worth of the common item itself; `floor`:
    added to all else; `novelty`: power of its idf.

    The values are the best found on the last training days of yoochoose_100k and diginetica_sessions together.
    """

    sample: int = 250
    neighbours: int = 500
    rows: int = 50
    most: int = 200
    own: float = 1.5
    rarity: float = 4.0
    recency: float = 0.7
    after: float = 1.0
    before: float = 2.0
    earlier: float = 0.85
    same: float = 1.5
    floor: float = 0.2
    novelty: float = 1.0


_RANKS = 60
"""4 to the power of minus this is still a float32, and older items are hardly ever the latest in common."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The visits known at an instant, found by item. Baskets are left out, of neighbours and of
    cases: in them nothing comes after anything. `Alike` is for them.

    `postings`: complex64 sparse [N, V], 1 where an item remembers a visit. `recency`: float32 [V], weight of a
    neighbour. `rarity`, `novelty`: float32 [N], powers of the log of all visits over those with the item. `worth`:
    float32 [2 * LENGTH + 1], by distance + LENGTH.
    """

    visits: Visits
    weighting: Weighting
    postings: sparse.csr_array
    recency: np.ndarray
    rarity: np.ndarray
    novelty: np.ndarray
    worth: np.ndarray

    names: ClassVar[Sequence[str]] = ("neighbours", "neighbours_log")

    @staticmethod
    def fit(visits: Visits, weighting: Weighting | None = None) -> Neighbours:
        """The index of the visits known at an instant."""
        weighting = weighting or Weighting()
        many = max(len(visits), 1)
        row = np.flatnonzero(visits.sequence[visits.visit])
        key = np.unique(visits.item[row].astype(np.int64) * many + visits.visit[row])
        item, visit = np.divmod(key, many)  # by item, and of each item the latest visits first
        counts = np.bincount(item, minlength=visits.items)
        nth = np.arange(len(key)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = nth < weighting.sample
        offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, weighting.sample))])
        idf = np.log((len(visits) + 1) / (counts + 0.5))
        return Neighbours(
            visits,
            weighting,
            ragged_matrix(np.ones(int(kept.sum()), np.complex64), visit[kept], offsets, len(visits)),
            np.exp(-np.arange(len(visits)) / (many * weighting.recency)).astype(np.float32),
            (idf**weighting.rarity).astype(np.float32),
            (idf**weighting.novelty).astype(np.float32),
            _worth(weighting),
        )

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What the neighbours of each case had to do with."""
        most, rows = self.weighting.most, self.weighting.rows
        return by_blocks(journal, cases, rows, lambda block: share_candidates(self.scores(journal, block), most), 2_000)

    def scores(self, journal: Journal, cases: Cases) -> sparse.csr_array:
        """Sums over the neighbours of similarity times worth, cases x items."""
        own = past(journal, cases, self.weighting.rows).one_by_one()
        return self._told(*self._similar(own, cases.entity))

    def _similar(self, own: Past, entity: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
        """(similarity of the nearest visits, cases x visits; of each the latest item in common, int32)."""
        last = np.repeat(own.offsets[1:], np.diff(own.offsets)) - 1
        rank = np.minimum(last - np.arange(len(own.case)), _RANKS)
        weight = np.exp(-own.back / self.weighting.own) * self.rarity[own.item]
        # One product finds both: weights add up in the real parts, and in the imaginary ones 4^-rank of the latest
        # item in common outweighs all earlier ones, so that the exponent tells which it was.
        both = (weight + 1j * 4.0**-rank).astype(np.complex64)
        found = ragged_matrix(both, own.item, own.offsets, self.visits.items) @ self.postings
        case = np.repeat(np.arange(len(own)), np.diff(found.indptr))
        similarity = found.data.real * self.recency[found.indices]
        similarity[self.visits.entity[found.indices] == entity[case]] = 0
        kept = among_strongest(similarity, found.indptr, self.weighting.neighbours)
        chosen = np.arange(found.nnz) if kept is None else np.flatnonzero(kept)
        case = case[chosen]
        offsets = np.searchsorted(case, np.arange(len(own) + 1))
        nearest = ragged_matrix(similarity[chosen], found.indices[chosen], offsets, len(self.visits))
        nth = (1 - np.frexp(found.data.imag[chosen])[1]) // 2
        place = np.maximum(own.offsets[1:][case] - 1 - nth, own.offsets[:-1][case])
        return nearest, own.item[place]

    def _told(self, nearest: sparse.csr_array, common: np.ndarray) -> sparse.csr_array:
        """What the items of the nearest visits add up to, cases x items."""
        visits = self.visits
        starts = visits.offsets[nearest.indices]
        counts = visits.offsets[nearest.indices + 1] - starts
        row = ragged_ranges(starts, counts)
        item, position = visits.item[row], visits.position[row]
        pair = np.repeat(np.arange(len(common), dtype=np.int32), counts)
        met = np.flatnonzero(item == common[pair])
        at = np.zeros(len(common), np.int32)
        at[pair[met]] = position[met]  # where the neighbour had it last
        worth = self.worth[position - at[pair] + LENGTH]
        worth *= nearest.data[pair]
        worth *= self.novelty[item]
        ends = np.concatenate([[0], np.cumsum(counts)])[nearest.indptr]
        identity = sparse.eye_array(visits.items, dtype=np.float32, format="csr")
        return ragged_matrix(worth, item, ends, visits.items) @ identity  # adds up what one item is told of


def _worth(weighting: Weighting) -> np.ndarray:
    """By distance from the item in common, -LENGTH ... LENGTH, float32."""
    distance = np.arange(-LENGTH, LENGTH + 1)
    later = np.exp((1 - distance) / weighting.after)
    sooner = weighting.earlier * np.exp(distance / weighting.before)
    worth = weighting.floor + np.where(distance > 0, np.minimum(later, 1), np.minimum(sooner, 1))
    worth[LENGTH] = weighting.same
    return worth.astype(np.float32)

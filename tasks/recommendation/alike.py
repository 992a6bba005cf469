"""What customers with the same taste buy: nearest neighbours of customers.

User-based nearest neighbours (Herlocker et al. 1999) over items weighted by how often and how recently they were
wanted, as TIFU-KNN does for next baskets (Hu et al. 2020), but of others alone: own items are a source of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.journal import CUSTOMER, Journal
from tasks.recommendation.past import by_blocks, past
from tasks.recommendation.sparse import ragged_matrix, share_candidates, strongest
from tasks.recommendation.visits import Visits

HALF_LIFE = 90.0
"""Days in which what others wanted loses half its weight."""

BACK = 4.0
"""Steps back in which the weight of a case's item falls to 1/e."""

NEIGHBOURS = 150
SAMPLE = 300
"""Customers whom an item remembers: those who want it most."""

_ROWS = 200
_MOST = 200


@dataclass(frozen=True, eq=False)
class Alike:
    """`wanted`: float32 sparse [C, N], how much each of C customers wants an item. `postings`: float32 sparse [N, C],
    of each item the `SAMPLE` customers who want it most. `entity`: int64 [C]. `scale`: float32 [C], one over the root
    of a customer's number of items. `rarity`: float32 [N], log of all customers over those who want the item."""

    wanted: sparse.csr_array
    postings: sparse.csr_array
    entity: np.ndarray
    scale: np.ndarray
    rarity: np.ndarray

    names: ClassVar[Sequence[str]] = ("alike", "alike_log")

    @staticmethod
    def fit(visits: Visits) -> Alike:
        """From all that customers did, in sessions or not; anonymous sessions have no taste of their own."""
        row = np.flatnonzero(visits.customer[visits.visit])
        entity, customer = np.unique(visits.entity[visits.visit[row]], return_inverse=True)
        weight = (0.5 ** (visits.days[row] / HALF_LIFE)).astype(np.float32)
        shape = (len(entity), visits.items)
        wanted = sparse.csr_array(sparse.coo_array((weight, (customer, visits.item[row])), shape=shape))
        items = np.diff(wanted.indptr)
        wanted_by = np.bincount(wanted.indices, minlength=visits.items)
        return Alike(
            wanted,
            strongest(wanted.T.tocsr(), SAMPLE),
            entity,
            (1 / np.sqrt(np.maximum(items, 1))).astype(np.float32),
            np.log((len(entity) + 1) / (wanted_by + 0.5)).astype(np.float32),
        )

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What the customers most like each case's own want; nothing for anonymous sessions."""
        return by_blocks(
            journal, cases, _ROWS, lambda block: share_candidates(self.scores(journal, block), _MOST), 5_000
        )

    def scores(self, journal: Journal, cases: Cases) -> sparse.csr_array:
        """Sums over the neighbours of similarity times weight, cases x items."""
        own = past(journal, cases, _ROWS)
        weight = np.exp(-own.back / BACK) * self.rarity[own.item] * (journal.kind[cases.entity] == CUSTOMER)[own.case]
        query = ragged_matrix(weight.astype(np.float32), own.item, own.offsets, len(self.rarity))
        similar = query @ self.postings
        case = np.repeat(np.arange(len(cases)), np.diff(similar.indptr))
        similar.data *= self.scale[similar.indices]
        similar.data[self.entity[similar.indices] == cases.entity[case]] = 0
        return strongest(similar, NEIGHBOURS) @ self.wanted

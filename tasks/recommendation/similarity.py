"""Items wanted together: item-kNN by weighted cosine.

The cosine over sessions (baskets, customers) is that of Sarwar et al. 2001, as Ludewig and Jannach 2018 use it for
sessions; each basket counts less the older it is and the more it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.journal import Journal
from tasks.recommendation.past import by_blocks, faded, past
from tasks.recommendation.sparse import product, share_candidates, stack, strongest
from tasks.recommendation.visits import Visits

HALF_LIFE = 90.0
"""Days in which a basket loses half its weight."""

SHRINK = 5.0
"""Added to the weights of both items of a pair: two items of one basket each are not yet the same thing."""

BACK = 2.0
"""Steps back in which the weight of a case's item falls to 1/e."""

PER_ITEM = 100
_ROWS = 100
_MOST = 100


@dataclass(frozen=True, eq=False)
class Similarity:
    """`matrix`: float32 sparse [N, N], of each item the most similar others."""

    matrix: sparse.csr_array

    names: ClassVar[Sequence[str]] = ("similar", "similar_log")

    @staticmethod
    def fit(visits: Visits) -> Similarity:
        """From baskets (steps of several items) and, where items come one after the other, whole visits."""
        one_by_one = visits.sequence[visits.visit]
        parts = [_groups(visits, visits.basket, ~one_by_one), _groups(visits, visits.visit, one_by_one)]
        groups = sparse.vstack([part for part, _ in parts], format="csr")
        weight = np.repeat(np.concatenate([weight for _, weight in parts]), np.diff(groups.indptr))
        total = np.bincount(groups.indices, weight, minlength=visits.items) + SHRINK
        root = (1 / np.sqrt(total)).astype(np.float32)[groups.indices]
        left, right = (
            sparse.csr_array(((root * scale).astype(np.float32), groups.indices, groups.indptr), shape=groups.shape)
            for scale in (weight, 1.0)
        )
        kept = []
        for rows, found in product(left.T.tocsr(), right):
            item = np.repeat(np.arange(rows.start, rows.stop, dtype=found.indices.dtype), np.diff(found.indptr))
            found.data[item == found.indices] = 0  # what repeats is for own items to say
            kept.append(strongest(found, PER_ITEM))
        return Similarity(stack(kept, visits.items).astype(np.float32))

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What goes with the items of each case, the later ones above all."""
        return by_blocks(journal, cases, _ROWS, lambda block: share_candidates(self.scores(journal, block), _MOST))

    def scores(self, journal: Journal, cases: Cases) -> sparse.csr_array:
        """Sums of similarities, cases x items."""
        return faded(past(journal, cases, _ROWS), BACK, self.matrix.shape[0]) @ self.matrix


def _groups(visits: Visits, group: np.ndarray, chosen: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """(groups x items, 1 where a group of two items or more has one; weight of each group)."""
    _, number = np.unique(group[chosen], return_inverse=True)
    groups = int(number.max(initial=-1)) + 1
    age = np.empty(groups)
    age[number] = visits.days[chosen]  # in order of time: the last row's stays
    matrix = sparse.csr_array((np.ones(len(number)), (number, visits.item[chosen])), shape=(groups, visits.items))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    size = np.diff(matrix.indptr)
    pairs = size > 1
    return matrix[pairs], 0.5 ** (age[pairs] / HALF_LIFE) / np.sqrt(size[pairs])

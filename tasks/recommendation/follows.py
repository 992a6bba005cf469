"""What follows what: sequential rules.

Sequential rules as Ludewig and Jannach 2018 (section 2.3) define them: an item is followed by those of the next steps
of its visit, each counting the inverse of its distance; here they fade with age and are shares of all that followed.
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
from tasks.recommendation.sparse import product, ragged_matrix, share_candidates, stack, strongest
from tasks.recommendation.visits import Visits

HALF_LIFE = 90.0
"""Days in which a pair loses half its weight."""

DISTANCE = 10
"""Steps ahead that a rule looks."""

BACK = 1.0
"""Steps back in which the weight of a case's item falls to 1/e."""

SHRINK = 1.0
"""Weight added to the total of an item: one pair seen once is no certainty."""

PER_ITEM = 100
_ROWS = 50
_MOST = 100


@dataclass(frozen=True, eq=False)
class Follows:
    """`matrix`: float32 sparse [N, N], the share of what followed each item."""

    matrix: sparse.csr_array

    names: ClassVar[Sequence[str]] = ("follows", "follows_log")

    @staticmethod
    def fit(visits: Visits) -> Follows:
        """From the visits known at an instant."""
        steps, visit, weight = _steps(visits)
        ahead = sparse.csr_array(steps.shape)
        for distance in range(1, min(DISTANCE, max(steps.shape[0] - 1, 0)) + 1):
            same = visit[distance:] == visit[:-distance]
            scale = np.where(same, 1.0 / distance, 0.0)
            later = sparse.diags_array(scale) @ steps[distance:]
            later.eliminate_zeros()
            ahead = ahead + sparse.vstack([later, sparse.csr_array((distance, visits.items))], format="csr")
        before = sparse.diags_array(weight) @ steps
        kept = []
        for _, found in product(before.T.tocsr(), ahead.tocsr()):
            total = np.asarray(found.sum(axis=1)).ravel() + SHRINK
            found.data /= np.repeat(total, np.diff(found.indptr))
            kept.append(strongest(found, PER_ITEM))
        return Follows(stack(kept, visits.items).astype(np.float32))

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What follows the last steps of each case."""
        return by_blocks(journal, cases, _ROWS, lambda block: share_candidates(self.scores(journal, block), _MOST))

    def scores(self, journal: Journal, cases: Cases) -> sparse.csr_array:
        """Sums of the shares of what followed the case's items, the last ones above all, cases x items."""
        return faded(past(journal, cases, _ROWS), BACK, self.matrix.shape[0]) @ self.matrix


def _steps(visits: Visits) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
    """(steps x items in order of visit and time, each row adding up to 1; visit of each step; weight by age)."""
    new = np.ones(len(visits.item), bool)
    new[1:] = (visits.visit[1:] != visits.visit[:-1]) | (visits.position[1:] != visits.position[:-1])
    begins = np.flatnonzero(new)
    counts = np.diff(np.append(begins, len(visits.item)))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    steps = ragged_matrix(np.repeat(1.0 / counts, counts), visits.item, offsets, visits.items)
    return steps, visits.visit[begins], 0.5 ** (visits.days[begins] / HALF_LIFE)

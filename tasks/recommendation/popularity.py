"""How much items are wanted by everybody: ever, lately, and in a region and around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from forecasting.clock import visible
from forecasting.features.space import missing_place
from forecasting.task import Cases, Instant
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.journal import Journal
from tasks.recommendation.sparse import candidates_of, strongest

HALF_LIVES = (1.0, 7.0, 28.0)
"""Days in which an event loses half its weight, by feature."""

REGIONAL_HALF_LIFE = 28.0
PRIOR = 100.0
"""Events that the rest of the world counts in a region's shares: a region speaks for itself once it has more."""

AROUND = 5
"""Neighbouring regions of a region: the nearest ones, by the mean place of their customers."""

_MOST = 50
_ROWS = 1 << 22


@dataclass(frozen=True, eq=False)
class Popularity:
    """Shares of what was wanted before an instant.

    `count`: float64 [N], events ever. `lately`: float64 [len(HALF_LIVES), N], events weighted by their age. `regional`,
    `around`: float64 sparse [G, N], weighted events in each region, and in its neighbouring ones.
    """

    count: np.ndarray
    lately: np.ndarray
    regional: sparse.csr_array
    around: sparse.csr_array

    names: ClassVar[Sequence[str]] = ("region", "around")
    dense_names: ClassVar[Sequence[str]] = ("popular", *(f"popular_{days:g}d" for days in HALF_LIVES))

    @staticmethod
    def fit(journal: Journal, instant: Instant) -> Popularity:
        """From all rows visible at the instant, read in blocks."""
        events, n, regions = journal.events, len(journal.catalogue), len(journal.regions)
        count, lately = np.zeros(n), np.zeros((len(HALF_LIVES), n))
        cells = sparse.csr_array((regions, n))
        for start in range(0, len(events.occurred_at), _ROWS):
            rows = slice(start, start + _ROWS)
            at = events.occurred_at[rows]
            row = np.flatnonzero(visible(at, None, instant))
            item = events.columns["item"][rows][row]
            days = np.subtract(instant, at[row]) / np.timedelta64(1, "D")
            count += np.bincount(item, minlength=n)
            for i, half_life in enumerate(HALF_LIVES):
                lately[i] += np.bincount(item, 0.5 ** (days / half_life), minlength=n)
            if regions:
                entity = np.searchsorted(events.offsets, row + start, side="right") - 1
                region = journal.region_at(entity, instant)
                placed = region >= 0
                weight = 0.5 ** (days[placed] / REGIONAL_HALF_LIFE)
                cells = cells + sparse.csr_array((weight, (region[placed], item[placed])), shape=(regions, n))
        return Popularity(count, lately, cells, (_nearest(journal, instant) @ cells).tocsr())

    def features(self) -> np.ndarray:
        """float32 [F, N], by `dense_names`: log of the smoothed share of each item over that of an average one."""
        counts = np.vstack([self.count[None], self.lately])
        n = max(counts.shape[1], 1)
        smooth = (counts + 0.5) * n / (counts.sum(axis=1, keepdims=True) + 0.5 * n)
        return np.log(smooth).astype(np.float32)

    def shares(self, half_life: float) -> np.ndarray:
        """Each item's share of the events, weighted by age: float64 [N], all 0 where nothing happened."""
        weighted = self.lately[HALF_LIVES.index(half_life)]
        return weighted / max(weighted.sum(), 1e-12)

    def regional_shares(self, region: np.ndarray, half_life: float) -> np.ndarray:
        """Shares in each of the regions given (int [n], -1: anywhere), float32 [n, N].

        A region's own events count by `REGIONAL_HALF_LIFE`. It leans on its neighbouring ones as far as it has few
        itself, and these on all the world by `half_life`."""
        result = np.tile(self.shares(half_life).astype(np.float32), (len(region), 1))
        placed = np.flatnonzero(region >= 0)
        if len(placed):
            for cells in (self.around, self.regional):
                counts = cells[region[placed]].astype(np.float32).toarray()
                total = counts.sum(axis=1, keepdims=True)
                result[placed] = (counts + PRIOR * result[placed]) / (total + PRIOR)
        return result

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """Items wanted in the region of each case, and how much more than elsewhere: the log of its share there, with
        `PRIOR` events of the world, over that of the world, and the same of the neighbouring regions."""
        inside, outside = self._lifts
        region = journal.region_at(cases.entity, cases.cutoff)
        none = inside.shape[0] - 1
        where = np.where(region >= 0, region, none)
        return candidates_of([inside[where], outside[where]])

    @cached_property
    def _lifts(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """[G + 1, N] each, of equal structure; the last row, of no region, is empty."""
        world = np.maximum(self.shares(REGIONAL_HALF_LIFE), 1e-12)
        wanted = strongest((self.regional + self.around).tocsr(), _MOST)
        row = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr))
        lifts = []
        for cells in (self.regional, self.around):
            total = cells.sum(axis=1)[row]
            there = np.asarray(cells[row, wanted.indices]).ravel() if len(row) else np.empty(0)
            lift = np.log((there / world[wanted.indices] + PRIOR) / (total + PRIOR))
            indptr = np.append(wanted.indptr, wanted.indptr[-1])
            shape = (wanted.shape[0] + 1, wanted.shape[1])
            lifts.append(sparse.csr_array((lift, wanted.indices, indptr), shape=shape))
        return lifts[0], lifts[1]


def _nearest(journal: Journal, instant: Instant) -> sparse.csr_array:
    """[G, G], 1 for the `AROUND` nearest regions of each, by great-circle distance of their customers' mean places."""
    regions = len(journal.regions)
    region = journal.region_at(np.arange(len(journal)), instant)
    known = (region >= 0) & (journal.coordinates_from < instant)
    known &= ~missing_place(journal.latitude, journal.longitude)
    region = region[known]
    latitude, longitude = np.radians(journal.latitude[known]), np.radians(journal.longitude[known])
    points = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
    mean = np.stack([np.bincount(region, points[:, axis], minlength=regions) for axis in range(3)], axis=1)
    placed = np.flatnonzero(np.bincount(region, minlength=regions))
    if len(placed) < 2:
        return sparse.csr_array((regions, regions))
    mean = mean[placed] / np.maximum(np.linalg.norm(mean[placed], axis=1, keepdims=True), 1e-12)
    many = min(AROUND, len(placed) - 1)
    _, found = cKDTree(mean).query(mean, k=many + 1)  # on the unit sphere the shortest chord is the shortest way
    other = found != np.arange(len(placed))[:, None]
    other &= np.cumsum(other, axis=1) <= many  # where more share one place, a region may be missing from its own list
    row, column = np.nonzero(other)
    return sparse.csr_array((np.ones(len(row)), (placed[row], placed[found[row, column]])), shape=(regions, regions))

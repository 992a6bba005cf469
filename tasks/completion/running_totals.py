"""Totals of what each group did between two instants, as of any cutoff, without a copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIXED = 2.0**20
"""Values are summed as whole numbers of 1 / FIXED: such sums are exact, so that a difference of two of them is that of
the rows between, whatever else there is, before or after."""


@dataclass(frozen=True, eq=False)
class RunningTotals:
    """Rows by group, in the order in which they are first seen.

    `seen`: int64 [R], ascending: the first cutoff that sees each row of all. `key`: int64 [K], ascending: group x
    (R + 1) + position in `seen`, of the rows that have a group. `sums`: int64 [K + 1] each, running sums by FIXED.
    """

    seen: np.ndarray
    key: np.ndarray
    sums: tuple[np.ndarray, ...]

    @staticmethod
    def of(seen: np.ndarray, group: np.ndarray, *values: np.ndarray) -> RunningTotals:
        """Of R rows that stand in ascending order of `seen` (int64 [R]). `group`: int [R], -1 for none. `values`:
        float64 [R] each, of magnitude below 2**20."""
        row = np.flatnonzero(group >= 0)
        key = group[row].astype(np.int64) * (len(seen) + 1) + row
        order = np.argsort(key, kind="stable")
        row = row[order]
        sums = tuple(np.concatenate([[0], np.cumsum(np.rint(value[row] * FIXED).astype(np.int64))]) for value in values)
        return RunningTotals(seen, key[order], sums)

    def rank(self, cutoff: np.ndarray) -> np.ndarray:
        """How many rows of all each cutoff sees, int64 [n]; `cutoff`: int64 [n] microseconds."""
        return np.searchsorted(self.seen, cutoff, side="right")

    def position(self, group: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Where the rows of the group of each case, among the first `rank` of all, end in `key`: int64 [n]."""
        return np.searchsorted(self.key, group.astype(np.int64) * (len(self.seen) + 1) + rank)

    def between(
        self, group: np.ndarray, after: np.ndarray, until: np.ndarray, at_most: int | None = None
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """(count float64 [n], sum float64 [n] of each value) over the rows of each case's group (int [n], -1: none)
        that the first `until` rows of all have and the first `after` have not (int64 [n], of `rank`); of these the last
        `at_most`."""
        stop = self.position(group, until)
        start = np.minimum(self.position(group, after), stop)
        if at_most is not None:
            start = np.maximum(start, stop - at_most)
        start = np.where(group >= 0, start, stop)
        return (stop - start).astype(np.float64), [(total[stop] - total[start]) / FIXED for total in self.sums]

"""Mean log durations by group and status, as of any cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.completion.heard import DAY
from tasks.completion.running_totals import RunningTotals
from tasks.completion.spans import Spans

PRIOR = 8.0
"""Spans that what stands above a group counts in its level."""


@dataclass(frozen=True, eq=False)
class Levels:
    """What spans of one group and status have in common. `label`: int [N], the group of each order, -1 for none."""

    totals: RunningTotals
    label: np.ndarray
    statuses: int

    @staticmethod
    def of(spans: Spans, label: np.ndarray, statuses: int, values: np.ndarray) -> Levels:
        """`values`: float64 [R], what is averaged of the spans."""
        return Levels(
            RunningTotals.of(spans.seen, _coded(label[spans.order], spans.status, statuses), values), label, statuses
        )

    def at(
        self,
        order: np.ndarray,
        status: np.ndarray,
        cutoff: np.ndarray,
        days: float,
        above: np.ndarray,
        prior: float = PRIOR,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(level, count), float64 [n] each, of what was heard in the last `days` before `cutoff` (int64 [n]
        microseconds) of the groups of `order` (int64 [n]) at `status` (int64 [n]): the mean, in which `above` (float64
        [n]) counts `prior` times; the plain mean where that is NaN, and NaN where there is nothing at all."""
        until = self.totals.rank(cutoff)
        after = self.totals.rank(cutoff - int(days * DAY))
        count, (total,) = self.totals.between(_coded(self.label[order], status, self.statuses), after, until)
        return drawn(count, total, above, prior), count


def drawn(count: np.ndarray, total: np.ndarray, above: np.ndarray, prior: float) -> np.ndarray:
    """Means of `count` values that add up to `total`, in which `above` counts `prior` times where it is known."""
    known = np.isfinite(above)
    weight = count + np.where(known, prior, 0.0)
    return np.where(weight > 0, (total + np.where(known, prior * above, 0.0)) / np.maximum(weight, 1e-12), np.nan)


def _coded(label: np.ndarray, status: np.ndarray, statuses: int) -> np.ndarray:
    return np.where(label >= 0, label.astype(np.int64) * statuses + status, -1)

"""What became of cases: the time to completion, or how long an order was watched without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases, Instant
from tasks.completion.orders import Orders

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of n cases. `days` float64 [n]: from the cutoff to the completion where `completed` (bool [n]), else
    how long the order was watched without one: to the end of observation, or to its cancellation; 0 where the cutoff
    itself is not observed yet."""

    days: np.ndarray
    completed: np.ndarray

    def take(self, index: np.ndarray) -> Outcomes:
        """Those of the cases at `index`."""
        return Outcomes(self.days[index], self.completed[index])


def outcomes(orders: Orders, cases: Cases, until: Instant | None = None, limit_days: float = np.inf) -> Outcomes:
    """What is known at `until` of what became of the cases; None: all that the dataset holds (for scoring).

    `limit_days`: since it was placed, an order is watched for so long; one that is completed later counts as never
    completed. A completion before the cutoff that was told of after it is one at the cutoff: 0 days.
    """
    order = cases.entity
    until = np.datetime64("9999-01-01", "us") if until is None else until
    end = orders.observed(until)
    if np.isnat(end):
        zeros = np.zeros(len(cases))
        return Outcomes(zeros, zeros > 0)
    cancelled = orders.cancelled_at[order]
    stop = np.where(cancelled < until, np.minimum(cancelled, end), end)
    if np.isfinite(limit_days):
        stop = np.minimum(stop, orders.placed_at[order] + np.timedelta64(round(limit_days * 86_400e6), "us"))
    completed_at = orders.completed_at[order]
    # what `until` sees was completed before it, and a completion that is kept counted before any cancellation
    completed = orders.completed(order, until) & ~(completed_at > stop)
    days = np.where(completed, completed_at - cases.cutoff, stop - cases.cutoff) / _DAY
    return Outcomes(np.maximum(days, 0.0), completed)

"""What happened next: the time to a customer's next purchase, or how long there was none to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases, Instant
from tasks.churn.customers import Customers


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of n cases. `days` float64 [n]: from the cutoff to the next purchase where `bought` (bool [n]), else
    how long the customer was watched without one (0 where the cutoff itself is not observed yet: censored at once).
    `watched` float64 [n]: from the cutoff to the end of observation, whatever happened."""

    days: np.ndarray
    bought: np.ndarray
    watched: np.ndarray

    def closed(self, horizon_days: float) -> np.ndarray:
        """Whether the label window has closed, bool [n]: by the clock alone, so that buyers are not preferred."""
        return self.watched >= horizon_days

    def churned(self, horizon_days: float) -> np.ndarray:
        """Whether nothing was bought in [cutoff, cutoff + horizon), bool [n]; meaningless where not closed."""
        return ~(self.bought & (self.days < horizon_days))

    def bought_within(self, edges: np.ndarray) -> np.ndarray:
        """Whether the next purchase came in each interval between `edges` (float64 [K + 1] days), bool [n, K]."""
        days = self.days[:, None]
        return self.bought[:, None] & (days >= edges[:-1]) & (days < edges[1:])

    def take(self, index: np.ndarray) -> Outcomes:
        """Those of the cases at `index`."""
        return Outcomes(self.days[index], self.bought[index], self.watched[index])


def outcomes(customers: Customers, cases: Cases, until: Instant | None = None) -> Outcomes:
    """What is known at `until` of what became of the cases; None: all that the dataset holds (for scoring)."""
    purchases = customers.purchases
    every = np.arange(len(purchases.occurred_at))
    if until is None:
        until = np.datetime64("9999-01-01", "us")
    rows = every[purchases.visible(every, until)]
    end = customers.observed(until)
    if np.isnat(end):
        zeros = np.zeros(len(cases))
        return Outcomes(zeros, zeros > 0, zeros)
    first = np.searchsorted(rows, purchases.stop(cases.entity, cases.cutoff))
    row = np.append(rows, len(every))[first]
    found = row < purchases.offsets[cases.entity + 1]
    at = np.append(purchases.occurred_at, end)[np.where(found, row, len(every))]
    watched = np.maximum(np.subtract(end, cases.cutoff) / np.timedelta64(1, "D"), 0.0)
    return Outcomes(np.where(found, (at - cases.cutoff) / np.timedelta64(1, "D"), watched), found, watched)

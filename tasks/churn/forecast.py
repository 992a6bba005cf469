"""What forecasters of churn answer: the chance that a customer has bought nothing by so many days from now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tasks.churn.snapshot import Snapshot

SUREST = 1e-4
"""No probability that goes out is nearer to 0 or 1, and the log-loss takes none for surer: nobody can know more."""

FAR_DAYS = 1095.0
"""Days beyond which no next purchase is dated."""


@dataclass(frozen=True, eq=False)
class ChurnForecast:
    """Survival curves of n cases: `survival` float64 [n, K + 1] is the probability of no purchase in
    [cutoff, cutoff + edges[k]), `edges` float64 [K + 1] days, ascending from 0, where the curve is 1. Between edges
    the hazard is constant, and beyond the last one it stays what it was in the last interval.

    `explain()` gives what moves the probability at the horizon of the options: float64 [n, facts], in the order of
    `facts`: the probability less what it would be were the fact that of a typical customer. It is computed when
    asked, as it takes a forecast for each fact.
    """

    edges: np.ndarray
    survival: np.ndarray
    facts: tuple[str, ...] = ()
    explain: Callable[[], np.ndarray] = field(default=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.survival)

    def at(self, days: float) -> np.ndarray:
        """The probability of no purchase within `days` of the cutoff, float64 [n]."""
        return at_each(self.edges, self.survival, np.full((len(self), 1), float(days)))[:, 0]

    def median_days(self) -> np.ndarray:
        """Days from the cutoff by which the next purchase is as likely made as not, float64 [n]; NaN beyond
        FAR_DAYS."""
        half, log_survival = np.log(0.5), np.log(np.maximum(self.survival, 1e-12))
        k = np.argmax(log_survival[:, 1:] <= half, axis=1)  # the interval in which the curve falls below one half
        k[log_survival[:, -1] > half] = len(self.edges) - 2  # beyond the last edge: at the last one's hazard
        here, there = (log_survival[np.arange(len(k)), k + step] for step in (0, 1))
        with np.errstate(divide="ignore"):  # a hazard of 0: never
            days = self.edges[k] + (here - half) / (here - there) * (self.edges[k + 1] - self.edges[k])
        return np.where(days <= FAR_DAYS, days, np.nan)


def at_each(edges: np.ndarray, survival: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Curves (`edges` float64 [K + 1], `survival` float64 [n, K + 1]) at each case's own `days` (float64 [n, m],
    ascending from 0), float64 [n, m]; the hazard is constant between edges and goes on after the last one."""
    log = np.log(np.maximum(survival, 1e-300))
    k = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, len(edges) - 2)
    here, there = np.take_along_axis(log, k, axis=1), np.take_along_axis(log, k + 1, axis=1)
    return np.exp(here + (there - here) * (days - edges[k]) / (edges[k + 1] - edges[k]))


class CurveForecaster(Protocol):
    """A forecaster that is a pure function of what a cutoff shows of its cases. All of churn's are: what moves their
    answers is found by changing what they are shown."""

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` float64 [K + 1] and `survival` float64 [n, K + 1], as in ChurnForecast. A case does not depend on
        the cases beside it."""
        ...

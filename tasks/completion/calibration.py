"""Rolling conformal calibration: how wide forecasts have to be, learnt at each fit from the orders before it.

A network fitted some weeks earlier forecasts the orders that came since. Where too many of them lie outside, quantiles
are moved away from their median, and towards it where too few do, below and above each by its own factor. The level
stays: what it was off by some weeks ago, the refit and the speed of time have learnt since (on Olist, shifts learnt so
made forecasts worse). Orders still open count as later than they have been watched.

Romano, Patterson and Candes, "Conformalized quantile regression", NeurIPS 2019, with the empirical distribution
replaced by Kaplan and Meier's, as in Candes, Lei and Ren, "Conformalized survival analysis", JRSS B 85, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.completion.forecast import LEVELS
from tasks.completion.outcomes import Outcomes

LEAST_JUDGED = 100
"""Completed cases from which widths are learnt."""

_SHRINK = 200.0
"""Completed cases that count as much as leaving widths as they are."""

_TRUST = 0.5
"""Power of what a slice of ever so many cases says: the weeks to come are another slice, and not quite like it."""

_NARROWEST, _WIDEST = 0.6, 1.7
_FURTHEST = 4.0
_Z90 = 1.2815515655446004
"""The .9 quantile of the standard normal distribution."""


def normal_scores() -> np.ndarray:
    """Quantiles of the standard normal distribution at LEVELS, float64 [Q]."""
    from scipy.special import ndtri  # takes long to import

    return np.asarray(ndtri(LEVELS))


@dataclass(frozen=True)
class Width:
    """By what forecasts are stretched around their median: `below` and `above` it, 1 for not at all. `shift`: how far,
    in standard deviations, outcomes were above the median; not used but to say so."""

    below: float = 1.0
    above: float = 1.0
    shift: float = 0.0

    @staticmethod
    def fit(quantiles: np.ndarray, outcome: Outcomes) -> Width:
        """From forecasts (float64 [n, Q] at LEVELS, above 0) and what became of the cases, in the same unit."""
        completed = int(outcome.completed.sum())
        if completed < LEAST_JUDGED:
            return Width()
        score = _score(quantiles, outcome.days)
        low, middle, high = _kaplan_meier(score, outcome.completed, (0.1, 0.5, 0.9))
        middle = middle if np.isfinite(middle) else 0.0
        trust = _TRUST * completed / (completed + _SHRINK)

        def factor(reach: float) -> float:
            if not np.isfinite(reach):
                return 1.0
            ratio = np.clip(reach / _Z90, _NARROWEST, _WIDEST)
            return float(ratio**trust)

        return Width(factor(middle - low), factor(high - middle), float(np.clip(middle, -_FURTHEST, _FURTHEST)))

    def of(self, quantiles: np.ndarray) -> np.ndarray:
        """Stretched quantiles, float64 [n, Q], never falling along a row."""
        if self.below == self.above == 1.0:
            return quantiles
        z = normal_scores()
        wanted = np.where(z < 0, z * self.below, z * self.above)
        k = np.clip(np.searchsorted(z, wanted), 1, len(z) - 1)
        share = (wanted - z[k - 1]) / (z[k] - z[k - 1])
        logs = np.log(np.maximum(quantiles, 1e-9))
        return np.exp(logs[:, k - 1] + share * (logs[:, k] - logs[:, k - 1]))

    def document(self) -> Mapping[str, Any]:
        """JSON values; `restore` makes an equal one."""
        return {"below": self.below, "above": self.above, "shift": self.shift}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Width:
        """The widths of a `document`."""
        return Width(float(document["below"]), float(document["above"]), float(document["shift"]))


def _score(quantiles: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Where times lie in their forecasts, as normal scores float64 [n]: 0 at the median."""
    z, logs, at = normal_scores(), np.log(np.maximum(quantiles, 1e-9)), np.log(np.maximum(days, 1e-9))
    k = np.clip((logs <= at[:, None]).sum(axis=1), 1, len(z) - 1)
    row = np.arange(len(at))
    width = np.maximum(logs[row, k] - logs[row, k - 1], 1e-9)
    found = z[k - 1] + (at - logs[row, k - 1]) / width * (z[k] - z[k - 1])
    return np.clip(found, -_FURTHEST, _FURTHEST)


def _kaplan_meier(value: np.ndarray, seen: np.ndarray, levels: tuple[float, ...]) -> list[float]:
    """Quantiles at `levels` of values (float64 [n]), some of which are only known to be larger (not `seen`, bool [n]);
    NaN beyond what was seen."""
    order = np.lexsort((~seen, value))
    at_risk = np.arange(len(value), 0, -1)
    done = 1 - np.cumprod(1 - seen[order] / at_risk)
    place = np.searchsorted(done, levels)
    return [float(value[order[k]]) if k < len(value) else np.nan for k in place]

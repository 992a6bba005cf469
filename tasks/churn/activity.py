"""How busily customers buy, week by week: the drift and season that their own histories do not foretell.

Time passes faster in a busy week. The models learn in *operational* days, of which a week has as many as its activity
says, and what they say is turned back into calendar days by the activity expected of the weeks to come. (Operational
time: Feller, An Introduction to Probability Theory and Its Applications II, section X.7; of a non-homogeneous Poisson
process it makes a homogeneous one.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.task import Cases, Instant
from tasks.churn.outcomes import Outcomes
from tasks.churn.season import own_season, usual_season

PRIOR_PURCHASES = 20.0
"""A week in which so many purchases are usual counts half as it was, half as usual."""

HALF_LIFE_WEEKS = 6.0
"""By what the level of the weeks to come is found: a week so far back counts half."""

TREND_HALF_LIFE_WEEKS, TREND_PRIOR, TREND_KEPT = 8.0, 1000.0, 0.93
"""The trend goes by weeks of that half-life, is shrunk like a ridge by so many weeks squared, and of each week's step
the next one keeps so much (Gardner and McKenzie, "Forecasting trends in time series", Management Science 31, 1985)."""

MOST_AHEAD = 1.0
"""The level to come is at most so much above or below that of all weeks, as a logarithm."""

LEVELS = (0.05, 20.0)
"""The least and the most that a week can be."""

WEEKS_AHEAD = 60
_DAY = np.timedelta64(1, "D")
_WEEK = 7 * _DAY


@dataclass(frozen=True, eq=False)
class Activity:
    """Levels by week, around 1. `origin`: datetime64[us], when the first week begins. `weekly`: float64 [W], as found.
    `ahead`: float64 [A], what is expected of the weeks after; the last one goes on."""

    origin: Instant
    weekly: np.ndarray
    ahead: np.ndarray

    @staticmethod
    def flat(first: Instant, until: Instant) -> Activity:
        """Every week alike, from the one with `first` on. The last week found ends at `until`."""
        weeks = max(int(np.ceil((until - first) / _WEEK)), 1)
        return Activity(until - weeks * _WEEK, np.ones(weeks), np.ones(WEEKS_AHEAD))

    def clock(self, instants: np.ndarray) -> np.ndarray:
        """Operational days from `origin` to `instants` (datetime64[us]), float64."""
        level = np.concatenate([self.weekly, self.ahead])
        total = np.append(0.0, np.cumsum(7.0 * level))
        weeks = (instants - self.origin) / _WEEK
        whole = np.clip(np.floor(weeks), 0, len(level) - 1).astype(np.int64)
        return total[whole] + 7.0 * (weeks - whole) * level[whole]

    def elapsed(self, cutoff: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Operational days in the `days` (float64) that follow `cutoff` (datetime64[us]; shapes broadcast)."""
        return self.clock(cutoff + np.rint(days * 86_400e6).astype("timedelta64[us]")) - self.clock(cutoff)

    def operational(self, cases: Cases, outcome: Outcomes) -> Outcomes:
        """Outcomes whose days are operational."""
        return replace(
            outcome,
            days=self.elapsed(cases.cutoff, outcome.days),
            watched=self.elapsed(cases.cutoff, outcome.watched),
        )

    def adjusted(self, observed: np.ndarray, expected: np.ndarray, purchases: np.ndarray) -> Activity:
        """Activity with levels that make the `expected` purchases (float64 [W], under the levels as they are) equal the
        `observed` ones, shrunk to 1; and from those, the levels to come. `purchases`: float64 [W], how many different
        ones the observed are: what a week is worth."""
        shares = purchases.sum() / max(observed.sum(), 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.weekly * observed / expected
            # at level 1 there had been so many: estimated from all weeks where this one has none
            usual = np.where(purchases > 0, purchases / found, shares * expected / self.weekly)
        usual = np.where(expected > 0, usual, 0.0)
        weekly = (np.where(usual > 0, purchases, 0.0) + PRIOR_PURCHASES) / (usual + PRIOR_PURCHASES)
        weekly = np.clip(weekly, *LEVELS)
        return replace(self, weekly=weekly, ahead=self._expected(np.log(weekly), usual / (usual + PRIOR_PURCHASES)))

    def _expected(self, level: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Levels of the weeks to come from the logarithms of those before, float64 [W], and what each is worth."""
        middles = self.origin + (np.arange(len(level) + WEEKS_AHEAD) + 0.5) * _WEEK
        before, later = middles[: len(level)], middles[len(level) :]
        season = usual_season(middles)
        season += own_season(before, level - season[: len(level)], weight, later)
        return np.exp(_ahead(level - season[: len(level)], weight) + season[len(level) :])

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes an equal activity."""
        return {"origin": str(self.origin), "weekly": self.weekly.tolist(), "ahead": self.ahead.tolist()}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Activity:
        """The activity of a `document`."""
        weekly, ahead = (np.array(document[name], np.float64) for name in ("weekly", "ahead"))
        return Activity(np.datetime64(document["origin"], "us"), weekly, ahead)


def _ahead(level: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Logarithms of the weeks to come from those before, float64 [W], and what each is worth, all without season: the
    recent level, and a trend that is shrunk and dies away."""
    back = np.arange(len(level))[::-1].astype(np.float64)
    near = weight * 0.5 ** (back / TREND_HALF_LIFE_WEEKS)
    if near.sum() <= 0:
        return np.zeros(WEEKS_AHEAD)
    middle = np.average(-back, weights=near)
    around = -back - middle
    slope = (near * around * level).sum() / ((near * around**2).sum() + TREND_PRIOR)
    recent = weight * 0.5 ** (back / HALF_LIFE_WEEKS)
    at = np.average(-back, weights=recent)
    steps = np.cumsum(TREND_KEPT ** np.arange(1, WEEKS_AHEAD + 1))
    expected = np.average(level, weights=recent) + slope * (steps - at)
    return np.clip(expected, -MOST_AHEAD, MOST_AHEAD)

"""What a cutoff shows of a customer: figures and the latest events, and how to look away from one fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from forecasting.task import Cases
from tasks.churn.customers import Customers
from tasks.churn.features import FACT_FEATURES, figures
from tasks.churn.sequence import FACT_STEPS, STEP_COLUMNS, LatestEvents, latest_events

SEASON = ("year_sin", "year_cos", "shop_trend", "month_end")
"""Features of the cutoff alone, alike for all its customers: no fact about any of them."""


@dataclass(frozen=True, eq=False)
class Typical:
    """A customer as most are, for looking away from a fact: `features` float32 [F] medians (0 where never known),
    `steps` float32 [C] means of the columns of events."""

    features: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What n cases see as of their cutoffs.

    `features`: float32 [n, F], NaN where unknown (no usual gap after one order), called `names`. `region`: int32 [n]
    code into `regions` (object array of str), -1 unknown. `latest`: their latest events. `cutoff`: datetime64[us] [n].
    """

    features: np.ndarray
    names: tuple[str, ...]
    region: np.ndarray
    latest: LatestEvents
    cutoff: np.ndarray
    regions: np.ndarray = field(default_factory=lambda: np.empty(0, object))

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.features)

    def take(self, index: np.ndarray) -> Snapshot:
        """The cases at `index` (int64 positions or a bool mask [n])."""
        return replace(
            self,
            features=self.features[index],
            region=self.region[index],
            latest=self.latest.take(index),
            cutoff=self.cutoff[index],
        )

    def column(self, name: str) -> np.ndarray:
        """One feature, float32 [n]."""
        return self.features[:, self.names.index(name)]

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """The facts about customers that say anything here, in a fixed order; each is a set of features and of columns
        of events. A feature of the options is a fact of its own name."""
        named = {fact for fact, names in FACT_FEATURES.items() if any(self._known(name) for name in names)}
        known = [fact for fact in FACT_FEATURES if fact in named]
        mine = {name for names in FACT_FEATURES.values() for name in names} | set(SEASON)
        return (*known, *(name for name in self.names if name not in mine))

    def _known(self, name: str) -> bool:
        return name in self.names

    def without(self, fact: str, typical: Typical) -> Snapshot:
        """The same cases with a fact as it is for a typical customer. The events are the very same object where the
        fact is not in them, so that what was computed from them can be kept."""
        columns = [self.names.index(name) for name in FACT_FEATURES.get(fact, (fact,)) if name in self.names]
        features = self.features.copy()
        features[:, columns] = typical.features[columns]
        steps = [STEP_COLUMNS.index(name) for name in FACT_STEPS.get(fact, ())]
        latest = self.latest.with_columns(steps, typical.steps[steps]) if steps else self.latest
        if fact == "category":
            latest = replace(latest, category=np.full_like(latest.category, -1))
        region = np.full_like(self.region, -1) if fact == "region" else self.region
        return replace(self, features=features, region=region, latest=latest)

    def typical(self) -> Typical:
        """What is typical of these cases."""
        known = np.isfinite(self.features)
        middle = np.nanmedian(np.where(known.any(axis=0), self.features, 0.0), axis=0) if len(self) else 0.0
        means = self.latest.columns[self.latest.mask].mean(axis=0) if self.latest.mask.any() else 0.0
        return Typical(
            np.broadcast_to(np.asarray(middle, np.float32), (len(self.names),)).copy(),
            np.broadcast_to(np.asarray(means, np.float32), (len(STEP_COLUMNS),)).copy(),
        )


def snapshot(customers: Customers, cases: Cases, features: Sequence[str] = (), length: int = 32) -> Snapshot:
    """What `cases` see: their figures, those of the extra columns `features` too, and their last `length` events."""
    found: Mapping[str, np.ndarray] = figures(customers, cases, features)
    table = np.stack(list(found.values()), axis=1).astype(np.float32)
    return Snapshot(
        table,
        tuple(found),
        customers.region[cases.entity],
        latest_events(customers, cases, length),
        cases.cutoff,
        customers.regions,
    )

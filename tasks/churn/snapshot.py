"""What a cutoff shows of a customer: figures and the latest events, and how to look away from one fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from forecasting.task import Cases
from tasks.churn.customers import Customers
from tasks.churn.features import FACT_FEATURES, figures
from tasks.churn.sequence import FACT_KINDS, FACT_STEPS, STEP_COLUMNS, LatestEvents, latest_events

SEASON = ("year_sin", "year_cos", "shop_trend", "month_end")
"""Features of the cutoff alone, alike for all its customers: no fact about any of them."""


@dataclass(frozen=True, eq=False)
class Typical:
    """A customer as most are, for looking away from a fact: `features` float32 [F] medians, NaN where most know none
    (most have returned nothing: then nothing is typical); `steps` float32 [C] means of the columns of events; `region`
    the one that most are from, "" where most are from nowhere known."""

    features: np.ndarray
    steps: np.ndarray
    region: str = ""

    def document(self) -> Mapping[str, Any]:
        """As JSON values, for the artifact of a model."""
        known = [float(value) if np.isfinite(value) else None for value in self.features]
        return {"features": known, "steps": [float(value) for value in self.steps], "region": self.region}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Typical:
        """What `document` gave."""
        features, steps = (np.array(document[name], np.float32) for name in ("features", "steps"))  # None: NaN
        return Typical(features, steps, document["region"])


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

    def differs(self, other: Snapshot) -> np.ndarray:
        """Whether each case looks different from the same one in `other`, bool [n]."""
        same = (self.features == other.features) | (np.isnan(self.features) & np.isnan(other.features))
        return ~same.all(axis=1) | (self.region != other.region) | self.latest.differs(other.latest)

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """The facts about customers that say anything here, in a fixed order; each is a set of features and of columns
        of events. A feature of the options is a fact of its own name."""
        named = {fact for fact, names in FACT_FEATURES.items() if any(self._known(name) for name in names)}
        known = [fact for fact in FACT_FEATURES if fact in named]
        if len(self.latest.categories):
            known.append("category")
        mine = {name for names in FACT_FEATURES.values() for name in names} | set(SEASON)
        return (*known, *(name for name in self.names if name not in mine))

    def _known(self, name: str) -> bool:
        return name in self.names

    def without(self, fact: str, typical: Typical) -> Snapshot:
        """The same cases with a fact as it is for a typical customer. The events are the very same object where the
        fact is not in them, so that what was computed from them can be kept."""
        region, features = self.region, self._features_without(fact, typical)
        if fact == "region":
            code = np.flatnonzero(self.regions == typical.region)
            region = np.full_like(region, code[0] if len(code) else -1)
        return replace(self, features=features, region=region, latest=self._latest_without(fact, typical))

    def _features_without(self, fact: str, typical: Typical) -> np.ndarray:
        columns = [self.names.index(name) for name in FACT_FEATURES.get(fact, (fact,)) if name in self.names]
        features = self.features.copy()
        features[:, columns] = typical.features[columns]
        if fact in ("recency", "rhythm") and self._known("overdue"):
            recency, gap, overdue = (self.names.index(name) for name in ("recency", "usual_gap", "overdue"))
            if fact == "recency":
                # Whether an order is long ago is a matter of the customer's own gap: typical is to be as late as most.
                late = np.nan_to_num(typical.features[overdue]) + features[:, gap]
                features[:, recency] = np.where(np.isnan(late), features[:, recency], late)
            features[:, overdue] = features[:, recency] - features[:, gap]
        return features

    def _latest_without(self, fact: str, typical: Typical) -> LatestEvents:
        if fact == "category":
            return replace(self.latest, category=np.full_like(self.latest.category, -1))
        if fact in FACT_KINDS:
            last = typical.features[self.names.index(f"{FACT_KINDS[fact]}_last")]
            return self.latest.without_kind(FACT_KINDS[fact]) if np.isnan(last) else self.latest
        steps = [STEP_COLUMNS.index(name) for name in FACT_STEPS.get(fact, ())]
        return self.latest.with_columns(steps, typical.steps[steps]) if steps else self.latest

    def typical(self) -> Typical:
        """What is typical of these cases."""
        known = np.isfinite(self.features)
        middle = np.full(len(self.names), np.nan, np.float32)
        most = 2 * known.sum(axis=0) > len(self)
        middle[most] = np.nanmedian(self.features[:, most], axis=0) if most.any() else []
        means = np.zeros(len(STEP_COLUMNS), np.float32)
        if self.latest.mask.any():
            means = self.latest.columns[self.latest.mask].mean(axis=0)
        count = np.bincount(self.region + 1, minlength=1)
        code = int(count.argmax()) - 1
        return Typical(middle, means, str(self.regions[code]) if code >= 0 else "")


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

"""What any forecast of churn has to beat, fitted on what was known at an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.task import Cases, Instant
from tasks.churn.bg_nbd import BgNbdCurves
from tasks.churn.customers import Customers
from tasks.churn.explain import predict
from tasks.churn.folds import eligible
from tasks.churn.forecast import ChurnForecast, CurveForecaster
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import Outcomes, outcomes
from tasks.churn.recency import Recency
from tasks.churn.rfm import RfmLogistic
from tasks.churn.snapshot import Snapshot, Typical, snapshot

MOST_CASES = 30_000
"""Cases that baselines are fitted on: three parameters need no more."""

_EVER = 100_000  # days
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline as a forecaster. `typical`: an eligible customer as most were when it was fitted."""

    method: CurveForecaster
    options: ChurnOptions
    typical: Typical

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """Those of the method."""
        return self.method.curves(snapshot)

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The curves of cases, each seen as of its own cutoff."""
        return predict(self, dataset, cases, self.options, self.typical, length=1)


@dataclass(frozen=True, eq=False)
class Followed:
    """Cases that were all watched for `days`: the latest ones whose window had closed."""

    seen: Snapshot
    became: Outcomes
    days: float


def baselines(customers: Customers, options: ChurnOptions, until: Instant) -> Mapping[str, Baseline]:
    """The gate's rivals by name, fitted on what was known at `until`. The first is what goes out where there is too
    little data to judge; each answers for any shop, even for one without a purchase.

    `recency` and `rfm_logistic` learn from the latest customers whose fate over the horizon is known: older ones
    weaken them, as the rate of churn drifts. `bg_nbd` learns from every customer, and needs no window that closed."""
    followed = latest_followed(customers, options, until)
    everyone = _everyone(customers, options, until)
    bought = everyone.column("recency") <= np.log1p(options.active_days)
    typical = everyone.take(bought).typical()
    methods: Mapping[str, CurveForecaster] = {
        "recency": Recency.fit(followed.seen, followed.became, followed.days, options.horizon_days),
        "rfm_logistic": RfmLogistic.fit(followed.seen, followed.became, followed.days, options.horizon_days),
        "bg_nbd": BgNbdCurves.fit(everyone, options.horizon_days),
    }
    return {name: Baseline(method, options, typical) for name, method in methods.items()}


def latest_followed(customers: Customers, options: ChurnOptions, until: Instant) -> Followed:
    """The customers eligible one horizon before the end of what is known at `until`, and what became of them. Where
    there is less history than two horizons, the window is half of it."""
    end = customers.observed(until)
    days = options.horizon_days
    cutoffs = np.empty(0, "datetime64[us]")
    if not np.isnat(end):
        history = int((end - customers.begun(until)) / _DAY)
        days = max(min(days, history // 2), 1)
        cutoffs = np.array([end - days * _DAY], "datetime64[us]")
    cases = _thinned(customers, eligible(customers, cutoffs, options.active_days))
    seen = snapshot(customers, cases, options.features, length=1)
    return Followed(seen, outcomes(customers, cases, until), days)


def _everyone(customers: Customers, options: ChurnOptions, until: Instant) -> Snapshot:
    """Every customer who ever bought, at the end of what is known at `until`."""
    end = customers.observed(until)
    cutoffs = np.empty(0, "datetime64[us]")
    if not np.isnat(end):
        cutoffs = np.array([end], "datetime64[us]")
    cases = _thinned(customers, eligible(customers, cutoffs, _EVER))
    return snapshot(customers, cases, options.features, length=1)


def _thinned(customers: Customers, cases: Cases) -> Cases:
    """At most MOST_CASES of them, by a hash of the customer's id: the same ones whoever else there is."""
    if len(cases) <= MOST_CASES:
        return cases
    order = np.argsort(stable_hash(customers.purchases.entities[cases.entity]), kind="stable")
    return cases.take(np.sort(order[:MOST_CASES]))

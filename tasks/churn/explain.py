"""From cases to curves, and why: looking away from one fact at a time (occlusion).

The effect of a fact is the probability as it is, less the probability were the fact that of a typical customer; Zeiler
& Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section 4.2, with what is typical in the
place of a grey square.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from forecasting.task import Cases
from tasks.churn.customers import Customers
from tasks.churn.forecast import ChurnForecast, CurveForecaster
from tasks.churn.options import ChurnOptions
from tasks.churn.sequence import EVENT_FACTS
from tasks.churn.snapshot import Snapshot, Typical, snapshot

BLOCK = 20_000
"""Cases seen at a time: what bounds memory."""


def predict(
    forecaster: CurveForecaster,
    customers: Customers,
    cases: Cases,
    options: ChurnOptions,
    typical: Typical,
    length: int = 32,
) -> ChurnForecast:
    """The curves of cases, each seen as of its own cutoff, and what explains them when asked.

    `typical`: a customer as most were when the forecaster was fitted (`Snapshot.typical`). `length`: how many of the
    latest events the forecaster reads; 1 is cheapest where it reads none. The extra features and the horizon that is
    explained are those of the options. Each forecaster's own `predict` is a call of this."""
    starts = range(0, max(len(cases), 1), BLOCK)

    # The last block stays: explaining as many cases as are published at a time looks at them once.
    @lru_cache(maxsize=1)
    def view(start: int) -> Snapshot:
        block = np.arange(start, min(start + BLOCK, len(cases)))
        return snapshot(customers, cases.take(block), options.features, length)

    answers = [forecaster.curves(view(start)) for start in starts]
    edges, survival = answers[0][0], np.concatenate([curves for _, curves in answers])
    as_it_is = ChurnForecast(edges, survival).at(options.horizon_days)

    def explain() -> np.ndarray:
        parts = [
            effects(forecaster, view(start), typical, options.horizon_days, as_it_is[start : start + BLOCK])
            for start in starts
        ]
        return np.concatenate(parts)

    return ChurnForecast(edges, survival, view(starts[-1]).facts, explain)


def effects(
    forecaster: CurveForecaster, snapshot: Snapshot, typical: Typical, horizon_days: float, probability: np.ndarray
) -> np.ndarray:
    """How much each fact of the snapshot adds to `probability` (float64 [n], of no purchase within the horizon),
    float64 [n, facts]."""
    found = np.zeros((len(snapshot), len(snapshot.facts)))
    # First what is not in the events, so that what was computed from them need not be computed again.
    for place in sorted(range(len(snapshot.facts)), key=lambda place: snapshot.facts[place] in EVENT_FACTS):
        shown = snapshot.without(snapshot.facts[place], typical)
        rows: slice | np.ndarray = slice(None)
        if shown.latest is not snapshot.latest:
            rows = np.flatnonzero(shown.differs(snapshot))  # an encoder is dear: most customers returned nothing
            shown = shown.take(rows)
        found[rows, place] = probability[rows] - ChurnForecast(*forecaster.curves(shown)).at(horizon_days)
    return found

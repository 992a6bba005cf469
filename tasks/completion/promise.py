"""The shop's own forecast: what it promised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import due_days
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.orders import Orders
from tasks.completion.route_quantiles import RouteQuantiles


@dataclass(frozen=True, eq=False)
class Promise:
    """Completion at the end of the promise, as surely as the shop says it; at once where that is past. An order without
    a promise takes what those of its `route` do."""

    route: RouteQuantiles

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """The promise as every quantile."""
        due = due_days(dataset, cases)
        remaining = np.repeat(due[:, None], len(LEVELS), axis=1)
        without = np.flatnonzero(np.isnan(due))
        remaining[without] = self.route.predict(dataset, cases.take(without)).remaining
        return forecast_of(remaining)

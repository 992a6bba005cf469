"""Demand behind the protocol of tasks: how many units of each item sell at each location in the periods to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from forecasting.schema import SourceNeed, TaskSpec
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Model, Score
from tasks.demand import baselines, folds, rows, score
from tasks.demand.assemble import assemble
from tasks.demand.forecast import DemandForecast
from tasks.demand.options import DemandOptions
from tasks.demand.outputs import OUTPUTS, REPORTS
from tasks.demand.sales import SalesGrid

_CANONICAL = frozenset({"price", "promotion", "in_stock"})


class DemandTask:
    """A distribution of sales per item, location and period, and over the lead time: what to order."""

    spec: ClassVar[TaskSpec] = TaskSpec(
        name="demand",
        question="How much of each item will sell at each location, and what should be ordered today?",
        entity="item x location",
        outputs=OUTPUTS,
        gate_metric=score.GATE_METRIC,
        migrations="tasks.demand.migrations",
        reports=REPORTS,
        metrics=("MASE", "RMSSE", "WAPE", "bias", "coverage80", "coverage95"),
    )
    Options: ClassVar[type] = DemandOptions

    def __init__(self, options: DemandOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """A shop of made-up sales, some late and corrected."""
        from tasks.demand.example import example

        return example()

    def needs(self) -> Sequence[SourceNeed]:
        """`sales`, or `orders` and `order_lines`; what else is there."""
        named = (*self.options.known_ahead, *self.options.features)
        extra = tuple(name for name in named if name not in _CANONICAL)
        days, level = self.options.lead_time_days, self.options.service_level
        optional = {
            "items": "the report shows ids instead of titles, and new items borrow nothing from their category",
            "locations": "new series borrow nothing from their region, and regional holidays and weather reach nobody",
            "stock": "the plan says when to reorder, but not how much",
            "supply": f"every delivery is taken to need {days:g} days, at a service level of {level:.0%}",
            "calendar": "holidays are seen in sales alone",
            "weather": "weather plays no part",
        }
        return (
            SourceNeed("sales", extra, instead=("orders", "order_lines"), main=True),
            *(SourceNeed(name, required=False, without=cost) for name, cost in optional.items()),
        )

    def assemble(self, sources: Mapping[str, pa.Table]) -> SalesGrid:
        """The sales grid of checked sources."""
        return assemble(sources, self.options)

    def folds(self, dataset: SalesGrid, as_of: Instant) -> Sequence[Fold]:
        """The last closed horizons, up to three."""
        return folds.folds(dataset, self.options, as_of)

    def cases(self, dataset: SalesGrid, as_of: Instant) -> Cases:
        """Every series that exists at an instant."""
        return folds.cases_at(dataset, np.array([as_of], "datetime64[us]"), self.options.steps)

    def backtest_cases(self, dataset: SalesGrid, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Every series at `start`, `start` + horizon, ... before `end`."""
        return folds.backtest_cases(dataset, self.options, start, end, every_days)

    def fit(self, dataset: SalesGrid, fit: Fit) -> Model:
        """A model that saw nothing past `fit.until`."""
        # torch takes seconds to import, and commands that fit nothing should not wait for it
        from tasks.demand.model import fit_demand

        return fit_demand(dataset, fit, self.options)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Model:
        """The model of a stored artifact."""
        from tasks.demand.model import restore_demand

        return restore_demand(tensors, document, self.options)

    def baselines(self, dataset: SalesGrid, until: Instant) -> Mapping[str, Forecaster]:
        """Empirical quantiles, seasonal naive, moving average and Croston's method."""
        return baselines.baselines(dataset, self.options, until)

    def score(self, dataset: SalesGrid, cases: Cases, forecast: DemandForecast) -> Score:
        """Weighted quantile loss, and the usual measures beside it."""
        return score.score(dataset, self.options, cases, forecast)

    def rows(self, dataset: SalesGrid, cases: Cases, forecast: DemandForecast) -> Mapping[str, pa.Table]:
        """Forecasts, reorder plan and recent history."""
        return rows.rows(dataset, self.options, cases, forecast)

"""Completion behind the protocol of tasks: when will each open order arrive?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from forecasting.schema import SourceNeed, TaskSpec
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Model, Score
from tasks.completion import folds, score
from tasks.completion.assemble import assemble, needs
from tasks.completion.forecast import CompletionForecast
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outputs import OUTPUTS, REPORTS


class CompletionTask:
    """When each open order will be complete, as a distribution, and how likely it misses its promise."""

    spec: ClassVar[TaskSpec] = TaskSpec(
        name="completion",
        question="When will each open order arrive, and which will be late?",
        entity="order",
        outputs=OUTPUTS,
        gate_metric=score.GATE_METRIC,
        migrations="tasks.completion.migrations",
        reports=REPORTS,
        metrics=("mae", "coverage80", "bias", "late_auc", "late_brier"),
    )
    Options: ClassVar[type] = CompletionOptions

    def __init__(self, options: CompletionOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """A small shop with origins, routes and a strike."""
        from tasks.completion.example import example

        return example()

    def needs(self) -> Sequence[SourceNeed]:
        """`orders`, and what else is there."""
        return needs(self.options)

    def assemble(self, sources: Mapping[str, pa.Table]) -> Orders:
        """The orders of checked sources and their status events."""
        return assemble(sources, self.options)

    def folds(self, dataset: Orders, as_of: Instant) -> Sequence[Fold]:
        """The latest stretches of orders nearly all of which had been completed."""
        return folds.folds(dataset, self.options, as_of)

    def cases(self, dataset: Orders, as_of: Instant) -> Cases:
        """Every open order that does not count as lost."""
        return folds.cases_at(dataset, self.options, as_of)

    def backtest_cases(self, dataset: Orders, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Every order placed in [start, end), once per status event."""
        return folds.backtest_cases(dataset, self.options, start, end)

    def fit(self, dataset: Orders, fit: Fit) -> Model:
        """A model that saw nothing past `fit.until`."""
        # torch takes seconds to import, and commands that fit nothing should not wait for it
        from tasks.completion.model import fit_completion

        return fit_completion(dataset, fit, self.options)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Model:
        """The model of a stored artifact."""
        from tasks.completion.model import restore_completion

        return restore_completion(tensors, document, self.options)

    def baselines(self, dataset: Orders, until: Instant) -> Mapping[str, Forecaster]:
        """Route quantiles, origin and route, ridge on log time, and the shop's own promise."""
        from tasks.completion.baselines import baselines

        return baselines(dataset, self.options, until)

    def score(self, dataset: Orders, cases: Cases, forecast: CompletionForecast) -> Score:
        """Pinball loss, error, coverage and lateness of what was completed."""
        return score.score(dataset, self.options, cases, forecast)

    def rows(self, dataset: Orders, cases: Cases, forecast: CompletionForecast) -> Mapping[str, pa.Table]:
        """A row for each case; beside the open orders of a publication, the stalled, the completed and the routes."""
        from tasks.completion.rows import rows

        return rows(dataset, self.options, cases, forecast)

    def rows_without_cases(self, dataset: Orders, as_of: Instant) -> Mapping[str, pa.Table]:
        """The stalled, the completed and the routes of an instant at which no order is open."""
        from tasks.completion.publication import rows_of_none

        return rows_of_none(dataset, self.options, as_of)

"""Churn behind the protocol of tasks: who is about to leave, and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from forecasting.schema import AlertPolicy, SourceNeed, TaskSpec
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Model, Score
from tasks.churn import assemble, folds, score
from tasks.churn.customers import Customers
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.outputs import CHURN_ALERTS, OUTPUTS, REPORTS
from tasks.churn.silence import silence

log = logging.getLogger(__name__)


class ChurnTask:
    """How likely each customer who bought lately is to buy nothing more for a while, why, and whom to call."""

    spec: ClassVar[TaskSpec] = TaskSpec(
        name="churn",
        question="Which customers are about to leave, and why?",
        entity="customer",
        outputs=OUTPUTS,
        gate_metric=score.GATE_METRIC,
        migrations="tasks.churn.migrations",
        reports=REPORTS,
        metrics=("auc", "brier", "ece", "churn_rate", "mean_probability", "lift@10%"),
        alerts=CHURN_ALERTS,
    )
    Options: ClassVar[type] = ChurnOptions

    def __init__(self, options: ChurnOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """A small shop whose customers come, and some of whom leave."""
        from tasks.churn.example import example

        return example()

    def needs(self) -> Sequence[SourceNeed]:
        """`orders`, and what else is there."""
        return assemble.needs(self.options)

    def assemble(self, sources: Mapping[str, pa.Table]) -> Customers:
        """The histories of customers in checked sources."""
        return assemble.assemble(sources, self.options)

    def folds(self, dataset: Customers, as_of: Instant) -> Sequence[Fold]:
        """The latest cutoffs whose label windows had closed."""
        return folds.folds(dataset, self.options, as_of)

    def cases(self, dataset: Customers, as_of: Instant) -> Cases:
        """Every customer who bought within `active_days`. Warns where orders seem to be missing."""
        if told := silence(dataset, as_of):
            log.warning(told)
        return folds.cases_at(dataset, self.options, as_of)

    def backtest_cases(self, dataset: Customers, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Every eligible customer at `start`, and every `every_days` after."""
        return folds.backtest_cases(dataset, self.options, start, end, every_days)

    def fit(self, dataset: Customers, fit: Fit) -> Model:
        """A model that saw nothing past `fit.until`."""
        # torch takes seconds to import, and commands that fit nothing should not wait for it
        from tasks.churn.model import fit_churn

        return fit_churn(dataset, fit, self.options)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Model:
        """The model of a stored artifact."""
        from tasks.churn.model import restore_churn

        return restore_churn(tensors, document, self.options)

    def baselines(self, dataset: Customers, until: Instant) -> Mapping[str, Forecaster]:
        """Recency, RFM logistic regression and BG/NBD."""
        from tasks.churn.baselines import baselines

        return baselines(dataset, self.options, until)

    def score(self, dataset: Customers, cases: Cases, forecast: ChurnForecast) -> Score:
        """Log-loss, discrimination and calibration at the horizon."""
        return score.score(dataset, self.options, cases, forecast)

    def rows(self, dataset: Customers, cases: Cases, forecast: ChurnForecast) -> Mapping[str, pa.Table]:
        """A row for each customer: probability, band, expected next purchase, reasons."""
        from tasks.churn.rows import rows

        return rows(dataset, self.options, cases, forecast)

    def alert_policy(self) -> AlertPolicy:
        """When CRM is alerted."""
        options = self.options
        return AlertPolicy(
            options.alert_from, options.alert_cooldown_days, options.alert_least_value, options.alert_start_limit
        )

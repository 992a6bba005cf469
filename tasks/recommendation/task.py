"""Recommendation behind the protocol of tasks: what each customer, or anonymous session, wants next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from forecasting.schema import SourceNeed, TaskSpec
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Model, Score
from tasks.recommendation import assemble, folds, score
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import OUTPUTS, REPORTS


class RecommendationTask:
    """The items that each customer and each anonymous session is most likely to want next, and why."""

    spec: ClassVar[TaskSpec] = TaskSpec(
        name="recommendation",
        question="What will each customer, or anonymous session, want next?",
        entity="customer or session",
        outputs=OUTPUTS,
        gate_metric=score.GATE_METRIC,
        migrations="tasks.recommendation.migrations",
        reports=REPORTS,
        metrics=("recall@20", "mrr@20", "ndcg@20", "hitrate@20", "coverage@20", "novelty@20"),
    )
    Options: ClassVar[type] = RecommendationOptions

    def __init__(self, options: RecommendationOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """A small shop with customers, visitors and five tastes."""
        from tasks.recommendation.example import example

        return example()

    def needs(self) -> Sequence[SourceNeed]:
        """`interactions`, or `orders` and `order_lines`; what else is there."""
        return assemble.needs(self.options)

    def assemble(self, sources: Mapping[str, pa.Table]) -> Journal:
        """The journal of checked sources."""
        return assemble.assemble(sources, self.options)

    def folds(self, dataset: Journal, as_of: Instant) -> Sequence[Fold]:
        """Up to three windows over the latest tenth of the steps."""
        return folds.folds(dataset, self.options, as_of)

    def cases(self, dataset: Journal, as_of: Instant) -> Cases:
        """Every customer, and every session that is fresh enough."""
        return folds.cases_at(dataset, self.options, as_of)

    def backtest_cases(self, dataset: Journal, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Every interaction (order, of customers without sessions) in [start, end)."""
        return folds.backtest_cases(dataset, start, end)

    def fit(self, dataset: Journal, fit: Fit) -> Model:
        """A model that saw nothing past `fit.until`."""
        # torch takes seconds to import, and commands that fit nothing should not wait for it
        from tasks.recommendation.model import fit_recommendation

        return fit_recommendation(dataset, fit, self.options)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Model:
        """The model of a stored artifact."""
        from tasks.recommendation.model import restore_recommendation

        return restore_recommendation(tensors, document, self.options)

    def baselines(self, dataset: Journal, until: Instant) -> Mapping[str, Forecaster]:
        """Popularity, item-kNN, session-kNN and the customer's own items."""
        from tasks.recommendation.baselines import baselines

        return baselines(dataset, self.options, until)

    def score(self, dataset: Journal, cases: Cases, forecast: Ranking) -> Score:
        """NDCG, recall, MRR and what else lists are judged by."""
        return score.score(dataset, self.options, cases, forecast)

    def rows(self, dataset: Journal, cases: Cases, forecast: Ranking) -> Mapping[str, pa.Table]:
        """The lists, and what the merchandisers' page shows beside them."""
        from tasks.recommendation.rows import rows

        return rows(dataset, self.options, cases, forecast)

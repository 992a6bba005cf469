"""The mean of what remained after the same status: what forecasts of business processes are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.durations import Durations, fit_durations
from tasks.completion.forecast import CompletionForecast, forecast_of
from tasks.completion.groups import STAGE, Groups
from tasks.completion.orders import Orders
from tasks.completion.watched import Watched, elapsed_days


@dataclass(frozen=True, eq=False)
class ActivityMean:
    """The time from the latest status event to completion: its mean by status stands in the place of the median, and
    its distribution around that, in proportion (`log_means` float64, by group as `durations` numbers them)."""

    groups: Groups
    positions: Sequence[np.ndarray]
    durations: Durations
    log_means: np.ndarray

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """What is left of it, given what has passed since the latest event."""
        group = self.groups.place(dataset, cases.columns["event"], cases.entity, self.positions)
        return forecast_of(self.durations.remaining(group, self.log_means[group], elapsed_days(dataset, cases)))


def fit_activity_mean(orders: Orders, seen: Watched, guess_days: float) -> ActivityMean:
    """Of the events seen whose orders are complete; `guess_days` where none is."""
    done = seen.take(seen.completed)
    groups, levels = Groups.fit(orders, (STAGE,), done.event, done.order)
    group = 1 + levels[0]
    count = np.append(len(done), np.bincount(levels[0]))
    total = np.append(done.days.sum(), np.bincount(levels[0], done.days))
    log_means = np.log(np.where(count > 0, total / np.maximum(count, 1), guess_days))
    x = np.log(done.days) - log_means[group]
    durations, positions = fit_durations(x, done.completed, levels, guess=0.0)
    every = np.arange(len(log_means))
    log_means -= durations.log_median(every, 0.0, np.zeros(len(every)))
    return ActivityMean(groups, positions, durations, log_means)

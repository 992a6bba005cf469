"""The mean of what remained after the same status: what forecasts of business processes are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.durations import Durations, fit_durations
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.groups import STAGE, Groups
from tasks.completion.orders import Orders
from tasks.completion.watched import Watched, elapsed_days


@dataclass(frozen=True, eq=False)
class ActivityMean:
    """The time from the latest status event to completion: `means`, float64 days by group as `durations` numbers them,
    and its distribution."""

    groups: Groups
    positions: Sequence[np.ndarray]
    durations: Durations
    means: np.ndarray

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """What is left of the mean in the place of the median, and the quantiles beside it on their own side of it;
        where the mean has passed, the median of what took longer."""
        group = self.groups.place(dataset, cases.columns["event"], cases.entity, self.positions)
        elapsed = elapsed_days(dataset, cases)
        remaining = self.durations.remaining(group, 0.0, elapsed)
        left = (self.means[group] - elapsed)[:, None]
        sided = np.where(LEVELS > 0.5, np.maximum(remaining, left), np.minimum(remaining, left))
        return forecast_of(np.where(left > 0, np.where(LEVELS == 0.5, left, sided), remaining))


def fit_activity_mean(orders: Orders, seen: Watched, guess_days: float) -> ActivityMean:
    """Of the events seen whose orders are complete; `guess_days` where none is."""
    done = seen.take(seen.completed)
    groups, levels = Groups.fit(orders, (STAGE,), done.event, done.order)
    count = np.append(len(done), np.bincount(levels[0]))
    total = np.append(done.days.sum(), np.bincount(levels[0], done.days))
    means = np.where(count > 0, total / np.maximum(count, 1), guess_days)
    durations, positions = fit_durations(np.log(done.days), done.completed, levels, guess=float(np.log(guess_days)))
    return ActivityMean(groups, positions, durations, means)

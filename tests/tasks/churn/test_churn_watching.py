"""A churn model watches itself: it is silent while customers buy as it expects, and says so when they do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up_customers import BEGIN, DAY, customers_at, steady_shop

from forecasting.task import Instant
from tasks.churn.activity import Activity
from tasks.churn.customers import Customers
from tasks.churn.folds import eligible
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.snapshot import Snapshot
from tasks.churn.watching import watch

TRAINED = BEGIN + 210 * DAY
OPTIONS = ChurnOptions(horizon_days=30, active_days=60)
EDGES = np.array([0.0, 7.0, 14.0, 21.0, 28.0, 60.0])


@dataclass
class Average:
    """Knows how many of all eligible customers bought within so many days, as of its training."""

    survival: np.ndarray
    activity: Activity
    trained_until: Instant = TRAINED
    setting: Any = field(init=False)

    def __post_init__(self) -> None:
        self.setting = SimpleNamespace(options=OPTIONS, activity=self.activity)

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        return EDGES, np.broadcast_to(self.survival, (len(snapshot), len(EDGES)))


@pytest.fixture(scope="module")
def customers() -> Customers:
    return steady_shop(3000, 300)


@pytest.fixture(scope="module")
def model(customers: Customers) -> Average:
    cases = eligible(customers, TRAINED - np.array([90, 120]) * DAY, OPTIONS.active_days)
    became = outcomes(customers, cases, TRAINED)
    return Average(np.array([became.churned(days).mean() for days in EDGES]), Activity.flat(BEGIN, TRAINED))


def thinned(customers: Customers, since: Instant, share: float) -> Customers:
    """The same customers, of whose purchases from an instant on a share is left."""
    entity = np.repeat(np.arange(len(customers)), customers.purchases.lengths)
    at = customers.purchases.occurred_at
    kept = (at < since) | (np.random.default_rng(0).random(len(at)) < share)
    return customers_at(entity[kept], (at[kept] - BEGIN) / DAY, len(customers))


def seen(model: Average, customers: Customers, days: int) -> dict[str, float]:
    return dict(watch(model, customers, TRAINED + days * DAY))  # type: ignore[arg-type]


def test_silent_while_customers_buy_as_expected(customers: Customers, model: Average) -> None:
    for days in range(0, 85, 7):
        figures = seen(model, customers, days)
        assert figures["drift_alarm"] == 0 and abs(figures["drift_log_ratio"]) < 0.25, (days, figures)
        assert 0 < figures["bought"] < 1 and 0 < figures["bought_expected"] < 1


def test_an_alarm_where_fewer_buy(customers: Customers, model: Average) -> None:
    fewer = thinned(customers, TRAINED, 0.4)
    figures = seen(model, fewer, 21)
    assert figures["drift_alarm"] == 1 and figures["drift_z"] < -4 and figures["bought"] < figures["bought_expected"]


def test_weeks_that_differ_anyway_raise_none(customers: Customers, model: Average) -> None:
    weeks = len(model.activity.weekly)
    restless = replace(model.activity, weekly=np.exp(np.random.default_rng(1).normal(0, 0.8, weeks)))
    figures = seen(Average(model.survival, restless), thinned(customers, TRAINED, 0.4), 21)
    assert figures["drift_alarm"] == 0 and figures["drift_z"] < -4


def test_only_what_is_known_counts(customers: Customers, model: Average) -> None:
    as_of = TRAINED + 21 * DAY
    assert seen(model, thinned(customers, as_of, 0.0), 21) == seen(model, customers, 21)


def test_few_customers_and_no_purchases_say_nothing(model: Average) -> None:
    assert seen(model, steady_shop(20, 300), 14) == {}
    assert seen(model, thinned(steady_shop(20, 300), BEGIN, 0.0), 14) == {}

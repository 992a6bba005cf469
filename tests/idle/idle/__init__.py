"""A task that does next to nothing, for tests of what stands around tasks: slots, schedulers, faults.

It counts each customer's orders. Its run needs no torch and takes a fraction of a second, yet goes through every stage:
two output tables, alerts, a model with an artifact, a gate. `pause` makes each stage last, so that a fault meets it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.schema import AlertLedger, AlertPolicy, Column, Kind, OutputTable, SourceNeed, TaskSpec
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Recipe, Score

DAY = np.timedelta64(86_400_000_000, "us")
MOODS = ("calm", "loud")

FORECASTS = OutputTable(
    "idle_forecasts",
    (
        Column("customer_id", Kind.ID),
        Column("orders", Kind.NUMBER),
        Column("mood", Kind.TEXT, choices=MOODS),
        Column("last_order_at", Kind.TIMESTAMP),
    ),
    key=("customer_id",),
)
TOTALS = OutputTable("idle_totals", (Column("mood", Kind.TEXT), Column("customers", Kind.INTEGER)), key=("mood",))
ALERTS = AlertLedger(
    name="idle_alerts",
    output="idle_forecasts",
    entity="customer_id",
    level="mood",
    levels=MOODS,
    value="orders",
    settled="last_order_at",
)


@dataclass(frozen=True)
class IdleOptions:
    """Options of `[tasks.idle]`. `pause`: seconds that each of reading, training and forecasting takes."""

    pause: float = 0.0


@dataclass(frozen=True)
class Orders:
    """The dataset. `customers`: ids, sorted; `orders`: how many each placed, int64; `last`: when, datetime64[us]."""

    customers: np.ndarray
    orders: np.ndarray
    last: np.ndarray


@dataclass(frozen=True)
class Count:
    """Forecasts as many orders as there were, plus `extra`."""

    extra: float
    pause: float = 0.0

    def predict(self, dataset: Orders, cases: Cases) -> np.ndarray:
        """Orders, float64 [n]."""
        time.sleep(self.pause)
        return dataset.orders[cases.entity] + self.extra


@dataclass(frozen=True)
class IdleModel(Count):
    """What training leaves behind."""

    trained_until: Instant = np.datetime64("1970-01-01", "us")
    recipe: Recipe = Recipe(1)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """One number."""
        return {"extra": np.array([self.extra])}

    def document(self) -> Mapping[str, Any]:
        """When it was trained."""
        return {"trained_until": str(self.trained_until)}

    def parts(self) -> Mapping[str, Forecaster]:
        """None."""
        return {}


class IdleTask:
    """Implements `forecasting.task.Task`."""

    Options = IdleOptions
    spec = TaskSpec(
        name="idle",
        question="how many orders has each customer placed",
        entity="customer",
        outputs=(FORECASTS, TOTALS),
        gate_metric="error",
        migrations="idle.migrations",
        alerts=ALERTS,
    )

    def __init__(self, options: IdleOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """Three customers."""
        placed = np.datetime64("2024-01-01", "us") + np.arange(9) * DAY
        orders = pa.table(
            {
                "order_id": pa.array([f"O{n}" for n in range(9)]).dictionary_encode(),
                "customer_id": pa.array([f"C{n % 3}" for n in range(9)]).dictionary_encode(),
                "placed_at": pa.array(placed).cast(pa.timestamp("us", "UTC")),
            }
        )
        return Example(cls.Options(), {"orders": orders}, np.datetime64("2024-02-01", "us"))

    def needs(self) -> Sequence[SourceNeed]:
        """Orders alone."""
        return (SourceNeed("orders", main=True),)

    def assemble(self, sources: Mapping[str, pa.Table]) -> Orders:
        """Orders by customer."""
        time.sleep(self.options.pause)
        names = np.array(sources["orders"]["customer_id"].cast(pa.string()).to_pylist(), dtype=str)
        customers, index, orders = np.unique(names, return_inverse=True, return_counts=True)
        last = np.full(len(customers), np.datetime64(0, "us"))
        np.maximum.at(last, index, arrow_instants(sources["orders"]["placed_at"]))
        return Orders(customers, orders, last)

    def folds(self, dataset: Orders, as_of: Instant) -> Sequence[Fold]:
        """The day before."""
        return [Fold(as_of - DAY, self.cases(dataset, as_of - DAY))]

    def cases(self, dataset: Orders, as_of: Instant) -> Cases:
        """Everybody."""
        return Cases(np.arange(len(dataset.customers)), np.full(len(dataset.customers), as_of, "datetime64[us]"))

    def backtest_cases(self, dataset: Orders, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Everybody, once."""
        return self.cases(dataset, start)

    def fit(self, dataset: Orders, fit: Fit) -> IdleModel:
        """Learns that nothing is to be added."""
        time.sleep(self.options.pause)
        return IdleModel(0.0, self.options.pause, fit.until)

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> IdleModel:
        """From arrays and JSON."""
        until = np.datetime64(document["trained_until"], "us")
        return IdleModel(float(tensors["extra"][0]), self.options.pause, until)

    def baselines(self, dataset: Orders, until: Instant) -> Mapping[str, Forecaster]:
        """One too many."""
        return {"one_more": Count(1.0)}

    def score(self, dataset: Orders, cases: Cases, forecast: np.ndarray) -> Score:
        """Absolute error."""
        loss = np.abs(forecast - dataset.orders[cases.entity])
        return Score({"error": float(loss.mean()), "samples": float(len(cases))}, loss, cases.entity)

    def rows(self, dataset: Orders, cases: Cases, forecast: np.ndarray) -> Mapping[str, pa.Table]:
        """One row for each customer, half of whom are loud, and the other half on the next day; and one a mood."""
        loud = (cases.entity + cases.cutoff.astype("datetime64[D]").astype(np.int64)) % 2
        totals = np.bincount(loud, minlength=2)
        return {
            "idle_forecasts": pa.table(
                {
                    "case": np.arange(len(cases)),
                    "customer_id": pa.array(dataset.customers[cases.entity].tolist(), pa.string()),
                    "orders": forecast,
                    "mood": pa.array(np.array(MOODS)[loud].tolist(), pa.string()),
                    "last_order_at": pa.array(dataset.last[cases.entity]).cast(pa.timestamp("us", "UTC")),
                }
            ),
            "idle_totals": pa.table({"case": [0, 0], "mood": list(MOODS), "customers": totals}),
        }

    def alert_policy(self) -> AlertPolicy:
        """Whoever is loud."""
        return AlertPolicy("loud")

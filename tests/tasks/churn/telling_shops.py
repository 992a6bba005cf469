"""Made-up customers whose every event a test writes down, and a forecaster whose every weight is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.churn.assemble import assemble
from tasks.churn.customers import Customers
from tasks.churn.explain import predict
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.snapshot import Snapshot, Typical, snapshot

CUTOFF = np.datetime64("2024-07-01", "us")
DAY = np.timedelta64(1, "D")
WEIGHTS = {
    "recency": 0.8,
    "overdue": 0.5,
    "usual_gap": 0.3,
    "orders": -0.6,
    "orders_90": -0.7,
    "tenure": -0.3,
    "value_mean": -0.2,
    "value_trend": -0.6,
    "items_mean": -0.4,
    "returns": 0.9,
    "visits_30": -0.6,
    "region_level": -2.0,
    "payment": -2.0,
    "discount": 3.0,
}


@dataclass(frozen=True)
class Logistic:
    """A forecaster that adds up features, what is unknown counting 0; and the number of returns among the events."""

    typical: Typical
    options: ChurnOptions = field(default_factory=ChurnOptions)
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    bias: float = -1.0

    def curves(self, shown: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """As CurveForecaster has it."""
        weight = np.array([self.weights.get(name, 0.0) for name in shown.names])
        score = self.bias + np.nan_to_num(shown.features.astype(np.float64)) @ weight
        leaves = 1 / (1 + np.exp(-score - 0.3 * shown.latest.columns[:, :, 6].sum(axis=1)))
        edges = self.options.horizon_days * np.array([0.0, 0.5, 1.0])
        return edges, np.stack([np.ones(len(leaves)), np.sqrt(leaves), leaves], axis=1)

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """As CurveForecaster has it."""
        return predict(self, dataset, cases, self.options, self.typical)


def shop(
    orders: Mapping[str, Sequence[tuple[float, float | None]]],
    regions: Mapping[str, str] | None = None,
    visits: Mapping[str, Sequence[float]] | None = None,
    lines: Sequence[tuple[str, int, str, float]] = (),
    extra: Mapping[str, Mapping[str, object]] | None = None,
    options: ChurnOptions | None = None,
) -> Customers:
    """Customers by name with (days before CUTOFF, value) of each order; a negative value is a return. `visits`: days
    before CUTOFF. `lines`: (customer, which order, item, quantity). `extra`: features by name and customer."""
    flat = [(name, ago, value) for name, theirs in orders.items() for ago, value in theirs]
    number = dict.fromkeys(orders, 0)
    ids = []
    for name, _, _ in flat:
        ids.append(f"{name}/{number[name]}")
        number[name] += 1
    columns: dict[str, pa.Array] = {
        "order_id": pa.array(ids),
        "customer_id": pa.array([name for name, _, _ in flat]),
        "placed_at": instants([ago for _, ago, _ in flat]),
        "value": pa.array([value for _, _, value in flat], pa.float64()),
    }
    for feature, by_customer in (extra or {}).items():
        columns[feature] = pa.array([by_customer.get(name) for name, _, _ in flat])
    sources = {"orders": pa.table(columns)}
    if regions is not None:
        sources["customers"] = pa.table(
            {"customer_id": pa.array(list(regions)), "region": pa.array(list(regions.values()), pa.string())}
        )
    if visits is not None:
        seen = [(name, ago) for name, theirs in visits.items() for ago in theirs]
        sources["interactions"] = pa.table(
            {
                "customer_id": pa.array([name for name, _ in seen], pa.string()),
                "item_id": pa.array(["1"] * len(seen)),
                "kind": pa.array(["view"] * len(seen)),
                "occurred_at": instants([ago for _, ago in seen]),
            }
        )
    if lines:
        sources["order_lines"] = pa.table(
            {
                "order_id": pa.array([f"{name}/{which}" for name, which, _, _ in lines]),
                "item_id": pa.array([item for _, _, item, _ in lines]),
                "quantity": pa.array([quantity for *_, quantity in lines], pa.float64()),
            }
        )
        items = sorted({item for _, _, item, _ in lines})
        sources["items"] = pa.table(
            {"item_id": pa.array(items), "category": pa.array([f"category of {item}" for item in items])}
        )
    return assemble(sources, options or ChurnOptions())


def instants(ago: Sequence[float]) -> pa.Array:
    """So many days before CUTOFF."""
    at = CUTOFF - np.round(np.array(ago, float) * 86_400e6).astype("timedelta64[us]")
    return pa.array(at.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def everyone(customers: Customers) -> Cases:
    """A case for each customer at CUTOFF."""
    return Cases(np.arange(len(customers)), np.full(len(customers), CUTOFF))


def fitted(customers: Customers, options: ChurnOptions | None = None) -> Logistic:
    """The forecaster, to which these customers are typical."""
    options = options or ChurnOptions()
    return Logistic(snapshot(customers, everyone(customers), options.features).typical(), options)

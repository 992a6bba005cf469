"""A small dispatch with completion published as its runs publish it: staged, measured, and the pointer moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from db import claims, publishing, runs
from db.canonical import ARROW_TYPES
from db.engines import Warehouse
from tasks.completion.outputs import COMPLETED_ORDERS, ORDER_COMPLETIONS, OUTPUTS, ROUTE_TIMES, STALLED_ORDERS

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)  # a Monday

CHANCES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.6, 0.9)
FIGURES = {
    "model": {"pinball": 1.02, "mae": 3.1, "bias": 0.12, "coverage80": 0.79, "width80": 9.5, "late_auc": 0.81,
              "late_brier": 0.052, "samples": 6000.0, "mae@placed": 3.8, "coverage80@placed": 0.78,
              "mae@shipped": 0.6, "coverage80@shipped": 0.81,
              **{f"predicted@d{n}": chance for n, chance in enumerate(CHANCES, start=1)},
              **{f"observed@d{n}": chance + 0.01 for n, chance in enumerate(CHANCES, start=1)}},
    "part:network": {"pinball": 1.06, "mae": 3.2, "coverage80": 0.8, "samples": 6000.0},
    "baseline:ridge": {"pinball": 1.15, "mae": 3.6, "coverage80": 0.8, "late_auc": 0.78, "samples": 6000.0,
                       "mae@placed": 4.1, "mae@shipped": 2.9},
    "baseline:promise": {"pinball": 4.0, "mae": 12.6, "samples": 6000.0},
}  # fmt: skip
"""Subject to metrics, as the gate leaves them."""


def at(days: float) -> datetime:
    """So many days after the published run; before it, where negative."""
    return AS_OF + timedelta(days=days)


def order(
    name: str, chance: float | None = 0.1, promised: float | None = 5, expected: float = 4, **columns: Any
) -> dict[str, Any]:
    """A row of `order_completions`: expected within two days of the day `expected`, promised for the day `promised`."""
    row = {
        "order_id": name,
        "as_of": AS_OF,
        "stage": "shipped",
        "completes_p10": at(expected - 2),
        "completes_p50": at(expected),
        "completes_p90": at(expected + 2),
        "promised_at": None if promised is None else at(promised),
        "late_probability": None if promised is None else chance,
        "placed_at": at(-6.5),
        "stage_at": at(-2.5),
        "origin_id": "s-1",
        "destination_region": "North",
    }
    return row | columns


def stalled(name: str, days: float, **columns: Any) -> dict[str, Any]:
    """A row of `stalled_orders`, open for so many days."""
    row = {
        "order_id": name,
        "as_of": AS_OF,
        "stage": "shipped",
        "placed_at": at(-days),
        "promised_at": None,
        "days_open": days,
        "limit_days": 45.0,
        "origin_id": None,
        "destination_region": None,
    }
    return row | columns


def completed(name: str, day: float, **columns: Any) -> dict[str, Any]:
    """A row of `completed_orders`, complete on the day `day`."""
    row = {
        "order_id": name,
        "placed_at": at(-60),
        "completed_at": at(day),
        "promised_at": None,
        "origin_id": None,
        "destination_region": None,
    }
    return row | columns


def route(origin: str, destination: str, days: float | None, before: float | None, **columns: Any) -> dict[str, Any]:
    """A row of `route_times`."""
    row = {
        "origin": origin,
        "destination": destination,
        "completed": 40,
        "open": 10,
        "median_days": days,
        "before_days": before,
        "late_share": 0.1,
        "expected_late": 2.0,
        "latitude": None,
        "longitude": None,
    }
    return row | columns


@dataclass(frozen=True)
class Dispatch:
    """What a test wants published. `earlier`: orders as runs of so many days before said. `metrics`: figures by slice
    and subject of the published run beside those of `tried`, which the last nights' trials measured."""

    orders: Sequence[Mapping[str, Any]] = ()
    stalled: Sequence[Mapping[str, Any]] = ()
    completed: Sequence[Mapping[str, Any]] = ()
    routes: Sequence[Mapping[str, Any]] = ()
    earlier: Mapping[float, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Mapping[str, float]]] = (FIGURES,)
    metrics: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    subject: str = "model"
    timezone: str = "UTC"
    data_until: datetime = AS_OF - timedelta(hours=1)
    task: str = "completion"


def publish(warehouse: Warehouse, shop: Dispatch) -> None:
    """One run after the other into a warehouse, the oldest first."""
    past = {days: {ORDER_COMPLETIONS.name: rows} for days, rows in shop.earlier.items()}
    measured: dict[float, dict[tuple[str, str], Mapping[str, float]]] = {}
    for days, figures in enumerate(reversed(shop.tried)):
        measured[days] = {("evaluate", subject): values for subject, values in figures.items()}
    measured[0] = measured.get(0, {}) | dict(shop.metrics)
    tables = {
        ORDER_COMPLETIONS.name: shop.orders,
        STALLED_ORDERS.name: shop.stalled,
        COMPLETED_ORDERS.name: shop.completed,
        ROUTE_TIMES.name: shop.routes,
    }
    for days in sorted({*past, *measured}, reverse=True):
        _run(warehouse, shop, days, tables if not days else past.get(days, {}), measured.get(days, {}))


def _run(
    warehouse: Warehouse,
    shop: Dispatch,
    days: float,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    figures: Mapping[tuple[str, str], Mapping[str, float]],
) -> None:
    claim = claims.claim(warehouse, shop.task, at(-days))
    config = {"options": {"timezone": shop.timezone}}
    run_id = runs.start(warehouse, claim, as_of=at(-days), trigger="test", config=config)
    runs.note_data_window(warehouse, run_id, at(-200), shop.data_until - timedelta(days=days))
    metrics = [
        runs.Metric(part, subject, name, value)
        for (part, subject), values in figures.items()
        for name, value in values.items()
    ]
    runs.record_metrics(warehouse, run_id, metrics)
    for output in OUTPUTS:
        schema = pa.schema([pa.field(column.name, ARROW_TYPES[column.kind]) for column in output.columns])
        rows = pa.Table.from_pylist([dict(row) for row in tables.get(output.name, ())], schema)
        publishing.stage(warehouse, claim, run_id, output, rows)
    subject = shop.subject if not days else "model"
    outcome = publishing.Outcome(rows=1, subject=subject, fallback=subject != "model")
    assert publishing.publish(warehouse, claim, run_id, outcome)

"""A small clientele with churn published: runs of several nights, of real tables, and the ledger of warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.alert_ledgers import ledger_table
from db.engines import Warehouse
from db.outputs import output_table
from db.tables import PUBLICATIONS, RUN_METRICS, RUNS
from tasks.churn.outputs import CHURN_ALERTS, CHURN_RISKS

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)

OPTIONS = {"horizon_days": 90, "active_days": 180, "value_days": 365, "medium_from": 0.35, "high_from": 0.65}

CHANCES = (0.08, 0.15, 0.22, 0.29, 0.36, 0.43, 0.5, 0.57, 0.65, 0.75)
FIGURES = {
    "model": {"log_loss": 0.568, "auc": 0.75, "ece": 0.031, "brier": 0.196, "lift@10%": 2.06, "samples": 6000.0,
              "churn_rate": 0.4, "mean_probability": 0.4,
              **{f"predicted@d{n}": chance for n, chance in enumerate(CHANCES, start=1)},
              **{f"observed@d{n}": chance - 0.02 for n, chance in enumerate(CHANCES, start=1)}},
    "part:network": {"log_loss": 0.58, "auc": 0.745, "ece": 0.04, "samples": 6000.0},
    "baseline:rfm_logistic": {"log_loss": 0.583, "auc": 0.742, "ece": 0.062, "samples": 6000.0},
    "baseline:recency": {"log_loss": 0.675, "auc": 0.653, "samples": 6000.0},
}  # fmt: skip
"""Subject to metrics, as the gate leaves them."""


def bought(days_ago: float) -> datetime:
    """So many days before the published run."""
    return AS_OF - timedelta(days=days_ago)


def customer(name: str, probability: float = 0.5, quiet: float = 20, **columns: Any) -> dict[str, Any]:
    """A row of `churn_risks` whose last order is `quiet` days old."""
    value = columns.get("value", 100.0)
    row = {
        "customer_id": name,
        "as_of": AS_OF,
        "horizon_days": 90,
        "probability": probability,
        "band": "high" if probability >= 0.65 else "medium" if probability >= 0.35 else "low",
        "expected_next_purchase_date": (AS_OF + timedelta(days=40)).date(),
        "reasons": [{"fact": "recency", "text": f"last order {quiet:g} days ago", "effect": 0.124}],
        "value": value,
        "value_at_risk": None if value is None else probability * value,
        "orders": 3,
        "first_purchase_at": bought(400),
        "last_purchase_at": bought(quiet),
        "usual_gap_days": 21.0,
        "region": None,
    }
    return row | columns


def alert(name: str, state: str = "open", days_ago: float = 0, **columns: Any) -> dict[str, Any]:
    """A row of `churn_alerts`, raised so many days before the published run."""
    row = {
        "alert_id": f"alert-{name}-{days_ago:g}",
        "run_id": "churn-0",
        "customer_id": name,
        "raised_at": bought(days_ago),
        "as_of": bought(days_ago),
        "band": "high",
        "probability": 0.8,
        "horizon_days": 90,
        "reasons": [],
        "state": state,
    }
    return row | columns


@dataclass(frozen=True)
class Clientele:
    """What a test wants published. `earlier`: what runs said so many days before. `tried`: metrics of each of the last
    nights, the last of the published run; `slices`: metrics of single test periods of the published run's model."""

    customers: Sequence[Mapping[str, Any]]
    alerts: Sequence[Mapping[str, Any]] = ()
    earlier: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Mapping[str, float]]] = (FIGURES, FIGURES)
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    task: str = "churn"


def publish(warehouse: Warehouse, shop: Clientele) -> None:
    """Writes a clientele into a warehouse as its runs would have left it."""
    run_id = f"{shop.task}-0"
    with warehouse.writing() as connection:
        ledger = ledger_table(CHURN_ALERTS)
        for number, figures in enumerate(shop.tried or ({},), start=1 - len(shop.tried or ({},))):
            _run(connection, shop, -number, shop.run if not number else {}, figures)
        for days_ago, rows in shop.earlier.items():
            _run(connection, shop, days_ago, {}, {})
            _insert(connection, rows, f"{shop.task}-{days_ago}")
        _insert(connection, shop.customers, run_id)
        _metrics(connection, run_id, {(name, "model"): figures for name, figures in shop.slices.items()})
        for one in shop.alerts:
            connection.execute(sa.insert(ledger).values(task=shop.task, **one))
        connection.execute(
            sa.insert(PUBLICATIONS).values(task=shop.task, run_id=run_id, as_of=AS_OF, fence=1, published_at=AS_OF)
        )


def _run(
    connection: sa.Connection,
    shop: Clientele,
    days_ago: int,
    facts: Mapping[str, Any],
    figures: Mapping[str, Mapping[str, float]],
) -> None:
    moment, run_id = bought(days_ago), f"{shop.task}-{days_ago}"
    said: dict[str, Any] = {
        "slot": moment,
        "as_of": moment,
        "state": "done",
        "trigger": "command",
        "started_at": moment + timedelta(hours=2),
        "finished_at": moment + timedelta(hours=2, minutes=5),
        "published_at": moment + timedelta(hours=2, minutes=5),
        "subject": "model",
        "fallback": False,
        "data_until": moment - timedelta(hours=1),
        "fence": 1,
        "config": {"options": OPTIONS},
    }
    connection.execute(sa.insert(RUNS).values(run_id=run_id, task=shop.task, **(said | dict(facts))))
    _metrics(connection, run_id, {("evaluate", subject): values for subject, values in figures.items()})


def _metrics(connection: sa.Connection, run_id: str, figures: Mapping[tuple[str, str], Mapping[str, float]]) -> None:
    rows = [
        {"run_id": run_id, "slice": slice_name, "subject": subject, "metric": metric, "value": value}
        for (slice_name, subject), values in figures.items()
        for metric, value in values.items()
    ]
    if rows:
        connection.execute(sa.insert(RUN_METRICS), rows)


def _insert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]], run_id: str) -> None:
    if rows:
        connection.execute(sa.insert(output_table(CHURN_RISKS)), [{"run_id": run_id, **row} for row in rows])

"""A small shop with something published: two runs of the task demand, four weeks apart, of real tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.engines import Warehouse
from db.outputs import output_table
from db.tables import MODELS, PUBLICATIONS, QUARANTINE, RUN_METRICS, RUNS
from tasks.demand.outputs import DEMAND_FORECASTS, DEMAND_HISTORY, REORDER_PLAN

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)
QUANTILES = {"p025": 0.0, "p10": 2.0, "p25": 3.0, "p50": 5.0, "p75": 7.0, "p90": 8.0, "p95": 10.0, "p975": 12.0}


@dataclass(frozen=True)
class Shop:
    """What a test wants published: items with their plan's columns, and facts of the run."""

    plan: Sequence[dict[str, Any]]
    sold: float = 6.0
    run: dict[str, Any] = field(default_factory=dict)
    task: str = "demand"
    earlier: Sequence[datetime] = (AS_OF - timedelta(days=28),)
    step: int = 1
    ahead: int = 28
    past: int = 90


def item(name: str, **columns: Any) -> dict[str, Any]:
    """A row of the plan that orders 24 pieces."""
    row = {
        "item_id": name,
        "location_id": "Berlin",
        "on_hand": 10.0,
        "on_order": 0.0,
        "lead_time_days": 7.0,
        "lead_time_demand_p50": 35.0,
        "service_level": 0.95,
        "safety_stock": 20.0,
        "reorder_point": 55.0,
        "order_quantity": 24.0,
        "expected_stockout_date": date(2026, 9, 16),
        "stockout_probability": 0.9,
        "priority": 100.0,
        "unit_price": 2.5,
    }
    return row | columns


def publish(warehouse: Warehouse, shop: Shop) -> None:
    """Writes a shop into a warehouse as a run would have left it."""
    forecasts, history, plan = map(output_table, (DEMAND_FORECASTS, DEMAND_HISTORY, REORDER_PLAN))
    keys = [(row["item_id"], row["location_id"]) for row in shop.plan]
    with warehouse.writing() as connection:
        for moment in (*shop.earlier, AS_OF):
            run_id = f"{shop.task}-{moment:%Y%m%d}"
            facts = {
                "slot": moment,
                "as_of": moment,
                "state": "done",
                "trigger": "command",
                "started_at": moment + timedelta(hours=6),
                "finished_at": moment + timedelta(hours=6, minutes=5),
                "published_at": moment + timedelta(hours=6, minutes=5),
                "subject": "model",
                "fallback": False,
                "model_id": "m1",
                "data_until": moment - timedelta(days=1),
                "fence": 1,
            }
            connection.execute(
                sa.insert(RUNS).values(run_id=run_id, task=shop.task, **facts | (shop.run if moment == AS_OF else {}))
            )
            _insert(connection, forecasts, run_id, [
                {"item_id": one, "location_id": place, "date": day, "mean": 5.0, **QUANTILES}
                for one, place in keys
                for day in _days(moment.date(), shop.ahead, shop.step)
            ])  # fmt: skip
        past = _days(AS_OF.date() - timedelta(days=shop.past * shop.step), shop.past, shop.step)
        _insert(connection, history, run_id, [
            {"item_id": one, "location_id": place, "date": day, "quantity": shop.sold, "price": 2.5, "in_stock": True}
            for one, place in keys
            for day in past
        ])  # fmt: skip
        _insert(connection, plan, run_id, shop.plan)
        connection.execute(
            sa.insert(PUBLICATIONS).values(task=shop.task, run_id=run_id, as_of=AS_OF, fence=1, published_at=AS_OF)
        )
        if not connection.scalar(sa.select(MODELS.c.model_id)):
            connection.execute(
                sa.insert(MODELS).values(
                    model_id="m1", task=shop.task, created_at=AS_OF, encoder="gru", trained_until=AS_OF, uri="x",
                    sha256="0" * 64, champion=True,
                )
            )  # fmt: skip
        for subject, value in (("model", 0.6), ("baseline:moving_average", 0.8), ("baseline:seasonal_naive", 1.0)):
            figure = {"slice": "evaluate", "subject": subject, "metric": "wql", "value": value}
            connection.execute(sa.insert(RUN_METRICS).values(run_id=run_id, **figure))
        connection.execute(
            sa.insert(QUARANTINE).values(run_id=run_id, source="sales", row={"item_id": None}, reason="no item")
        )


def _insert(connection: sa.Connection, table: sa.Table, run_id: str, rows: Sequence[dict[str, Any]]) -> None:
    known = set(table.columns.keys())
    cells = [{"run_id": run_id, **{name: cell for name, cell in row.items() if name in known}} for row in rows]
    if cells:
        connection.execute(sa.insert(table), cells)


def _days(first: date, count: int, step: int) -> list[date]:
    return [first + timedelta(days=step * index) for index in range(count)]

"""Forecasts, reorder plan and the recent past of each series."""

from __future__ import annotations

from alembic import op

from forecasting.schema import Column, Kind, OutputTable

revision = "demand_0001"
down_revision = None
branch_labels = ("demand",)
depends_on = None

SERIES = (Column("item_id", Kind.ID), Column("location_id", Kind.ID))


def numbers(*names: str, required: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.NUMBER, required) for name in names)


TABLES = (
    OutputTable(
        "demand_forecasts",
        (
            *SERIES,
            Column("date", Kind.DATE),
            *numbers("mean", "p025", "p10", "p25", "p50", "p75", "p90", "p95", "p975"),
        ),
        key=("item_id", "location_id", "date"),
    ),
    OutputTable(
        "reorder_plan",
        (
            *SERIES,
            *numbers("on_hand", "on_order", required=False),
            *numbers("lead_time_days", "lead_time_demand_p50", "service_level", "safety_stock", "reorder_point"),
            *numbers("order_quantity", required=False),
            Column("expected_stockout_date", Kind.DATE, required=False),
            *numbers("stockout_probability", "priority", "unit_price", required=False),
            Column("title", Kind.TEXT, required=False),
            Column("category", Kind.TEXT, required=False),
        ),
        key=("item_id", "location_id"),
    ),
    OutputTable(
        "demand_history",
        (
            *SERIES,
            Column("date", Kind.DATE),
            *numbers("quantity", "price", required=False),
            Column("in_stock", Kind.FLAG, required=False),
        ),
        key=("item_id", "location_id", "date"),
    ),
)


def upgrade() -> None:
    for table in TABLES:
        op.create_output(table)  # type: ignore[attr-defined]


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_output(table)  # type: ignore[attr-defined]

"""Open orders and when they will be complete, and what the report on them reads."""

from __future__ import annotations

from alembic import op

from forecasting.schema import Column, Kind, OutputTable

revision = "completion_0001"
down_revision = None
branch_labels = ("completion",)
depends_on = None

ORDER_ID = Column("order_id", Kind.ID)
AS_OF = Column("as_of", Kind.TIMESTAMP)
STAGE = Column("stage", Kind.TEXT)
PROMISED = Column("promised_at", Kind.TIMESTAMP, required=False, future=True)
PLACED = Column("placed_at", Kind.TIMESTAMP)
ORIGIN = Column("origin_id", Kind.TEXT, required=False)
REGION = Column("destination_region", Kind.TEXT, required=False)

ORDER_COMPLETIONS = OutputTable(
    "order_completions",
    (
        ORDER_ID,
        AS_OF,
        STAGE,
        Column("completes_p10", Kind.TIMESTAMP, future=True),
        Column("completes_p50", Kind.TIMESTAMP, future=True),
        Column("completes_p90", Kind.TIMESTAMP, future=True),
        PROMISED,
        Column("late_probability", Kind.NUMBER, required=False, minimum=0, maximum=1),
        PLACED,
        Column("stage_at", Kind.TIMESTAMP),
        ORIGIN,
        REGION,
    ),
    key=("order_id", "as_of", "stage"),
)

STALLED_ORDERS = OutputTable(
    "stalled_orders",
    (
        ORDER_ID,
        AS_OF,
        STAGE,
        PLACED,
        PROMISED,
        Column("days_open", Kind.NUMBER),
        Column("limit_days", Kind.NUMBER),
        ORIGIN,
        REGION,
    ),
    key=("order_id",),
)

COMPLETED_ORDERS = OutputTable(
    "completed_orders",
    (ORDER_ID, PLACED, Column("completed_at", Kind.TIMESTAMP), PROMISED, ORIGIN, REGION),
    key=("order_id",),
)

ROUTE_TIMES = OutputTable(
    "route_times",
    (
        Column("origin", Kind.TEXT),
        Column("destination", Kind.TEXT),
        Column("completed", Kind.INTEGER),
        Column("open", Kind.INTEGER),
        Column("median_days", Kind.NUMBER, required=False),
        Column("before_days", Kind.NUMBER, required=False),
        Column("late_share", Kind.NUMBER, required=False, minimum=0, maximum=1),
        Column("expected_late", Kind.NUMBER, required=False),
        Column("latitude", Kind.NUMBER, required=False),
        Column("longitude", Kind.NUMBER, required=False),
    ),
    key=("origin", "destination"),
)

OUTPUTS = (ORDER_COMPLETIONS, STALLED_ORDERS, COMPLETED_ORDERS, ROUTE_TIMES)


def upgrade() -> None:
    for output in OUTPUTS:
        op.create_output(output)  # type: ignore[attr-defined]


def downgrade() -> None:
    for output in reversed(OUTPUTS):
        op.drop_output(output)  # type: ignore[attr-defined]

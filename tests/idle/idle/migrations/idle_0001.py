"""Two tables, and the ledger of alerts."""

from alembic import op

from forecasting.schema import AlertLedger, Column, Kind, OutputTable

revision = "idle_0001"
down_revision = None
branch_labels = ("idle",)
depends_on = None

FORECASTS = OutputTable(
    "idle_forecasts",
    (
        Column("customer_id", Kind.ID),
        Column("orders", Kind.NUMBER),
        Column("mood", Kind.TEXT),
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
    levels=("calm", "loud"),
    value="orders",
    settled="last_order_at",
)


def upgrade() -> None:
    """Create the tables and their views."""
    op.create_output(FORECASTS)
    op.create_output(TOTALS)
    op.create_alert_ledger(ALERTS)


def downgrade() -> None:
    """Drop them."""
    op.drop_alert_ledger(ALERTS)
    op.drop_output(TOTALS)
    op.drop_output(FORECASTS)

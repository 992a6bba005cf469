"""The stranger's table, and the ledger of its alerts."""

from alembic import op

from forecasting.schema import AlertLedger, Column, Kind, OutputTable

revision = "visits_0001"
down_revision = None
branch_labels = ("visits",)
depends_on = None

EXPECTED_VISITS = OutputTable(
    "expected_visits",
    (
        Column("customer_id", Kind.ID),
        Column("orders", Kind.NUMBER),
        Column("habit", Kind.TEXT),
        Column("last_order_at", Kind.TIMESTAMP),
    ),
    key=("customer_id",),
)

SELDOM_VISITORS = AlertLedger(
    name="seldom_visitors",
    output="expected_visits",
    entity="customer_id",
    level="habit",
    levels=("regular", "seldom"),
    value="orders",
    settled="last_order_at",
    copied=(Column("orders", Kind.NUMBER),),
)


def upgrade() -> None:
    """Create the tables and their views."""
    op.create_output(EXPECTED_VISITS)
    op.create_alert_ledger(SELDOM_VISITORS)


def downgrade() -> None:
    """Drop them."""
    op.drop_alert_ledger(SELDOM_VISITORS)
    op.drop_output(EXPECTED_VISITS)

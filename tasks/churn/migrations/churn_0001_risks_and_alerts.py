"""Customers at risk, and the alerts about them."""

from __future__ import annotations

from alembic import op

from forecasting.schema import AlertLedger, Column, Kind, OutputTable

revision = "churn_0001"
down_revision = None
branch_labels = ("churn",)
depends_on = None

BANDS = ("low", "medium", "high")

PROBABILITY = Column("probability", Kind.NUMBER, minimum=0, maximum=1)
HORIZON = Column("horizon_days", Kind.INTEGER)
REASONS = Column("reasons", Kind.JSON)
EXPECTED = Column("expected_next_purchase_date", Kind.DATE, required=False, future=True)
VALUE = Column("value", Kind.NUMBER, required=False)
VALUE_AT_RISK = Column("value_at_risk", Kind.NUMBER, required=False)

RISKS = OutputTable(
    "churn_risks",
    (
        Column("customer_id", Kind.ID),
        Column("as_of", Kind.TIMESTAMP),
        HORIZON,
        PROBABILITY,
        Column("band", Kind.TEXT, choices=BANDS),
        EXPECTED,
        REASONS,
        VALUE,
        VALUE_AT_RISK,
        Column("orders", Kind.INTEGER),
        Column("first_purchase_at", Kind.TIMESTAMP),
        Column("last_purchase_at", Kind.TIMESTAMP),
        Column("usual_gap_days", Kind.NUMBER, required=False),
        Column("region", Kind.TEXT, required=False),
    ),
    key=("customer_id",),
)

ALERTS = AlertLedger(
    name="churn_alerts",
    output="churn_risks",
    entity="customer_id",
    level="band",
    levels=BANDS,
    value="value_at_risk",
    settled="last_purchase_at",
    copied=(PROBABILITY, HORIZON, REASONS, EXPECTED, VALUE, VALUE_AT_RISK),
)


def upgrade() -> None:
    op.create_output(RISKS)  # type: ignore[attr-defined]
    op.create_alert_ledger(ALERTS)  # type: ignore[attr-defined]


def downgrade() -> None:
    op.drop_alert_ledger(ALERTS)  # type: ignore[attr-defined]
    op.drop_output(RISKS)  # type: ignore[attr-defined]

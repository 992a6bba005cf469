"""The tables that churn writes, its alerts and its report, as plain data."""

from __future__ import annotations

from forecasting.schema import AlertLedger, Column, Kind, OutputTable, Report
from tasks.churn.options import BANDS

PROBABILITY = Column("probability", Kind.NUMBER, minimum=0, maximum=1, description="of buying nothing in the horizon")
HORIZON = Column("horizon_days", Kind.INTEGER, description="days without a purchase that `probability` speaks of")
REASONS = Column(
    "reasons",
    Kind.JSON,
    description='a list of {"fact", "text", "effect"}, what agrees with the band first; "effect" is what it adds',
)
EXPECTED = Column(
    "expected_next_purchase_date",
    Kind.DATE,
    required=False,
    future=True,
    description="by then the next purchase is as likely made as not; null where that is years away",
)
VALUE = Column("value", Kind.NUMBER, required=False, description="spent in the last `value_days`, less returns")
VALUE_AT_RISK = Column("value_at_risk", Kind.NUMBER, required=False, description="probability x value")

CHURN_RISKS = OutputTable(
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
        Column("orders", Kind.INTEGER, description="purchases seen, ever"),
        Column("first_purchase_at", Kind.TIMESTAMP),
        Column("last_purchase_at", Kind.TIMESTAMP),
        Column("usual_gap_days", Kind.NUMBER, required=False, description="between days with a purchase, the median"),
        Column("region", Kind.TEXT, required=False),
    ),
    key=("customer_id",),
    description="every customer who bought lately, and how likely they are to buy nothing more",
)

CHURN_ALERTS = AlertLedger(
    name="churn_alerts",
    output="churn_risks",
    entity="customer_id",
    level="band",
    levels=BANDS,
    value="value_at_risk",
    settled="last_purchase_at",
    copied=(PROBABILITY, HORIZON, REASONS, EXPECTED, VALUE, VALUE_AT_RISK),
)

OUTPUTS = (CHURN_RISKS,)

REPORTS = (Report("retention", "Customers at risk"),)

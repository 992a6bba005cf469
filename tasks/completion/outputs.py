"""The tables that completion writes, and its report, as plain data."""

from __future__ import annotations

from forecasting.schema import Column, Kind, OutputTable, Report

ORDER_ID = Column("order_id", Kind.ID)
AS_OF = Column("as_of", Kind.TIMESTAMP, description="what was known then was used; forecasts lie after it")
STAGE = Column("stage", Kind.TEXT, description="the latest status known then; placed is the order itself")
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
        Column("completes_p10", Kind.TIMESTAMP, future=True, description="one in ten is complete before it"),
        Column("completes_p50", Kind.TIMESTAMP, future=True, description="complete by then as likely as not"),
        Column("completes_p90", Kind.TIMESTAMP, future=True, description="nine in ten are complete by then"),
        PROMISED,
        Column(
            "late_probability",
            Kind.NUMBER,
            required=False,
            minimum=0,
            maximum=1,
            description="of completing after the promise; null without one",
        ),
        PLACED,
        Column("stage_at", Kind.TIMESTAMP, description="when the order reached its stage"),
        ORIGIN,
        REGION,
    ),
    key=("order_id", "as_of", "stage"),
    description="every open order, and when it will be complete",
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
        Column("limit_days", Kind.NUMBER, description="open for longer than this, an order counts as lost"),
        ORIGIN,
        REGION,
    ),
    key=("order_id",),
    description="orders open for so long that no forecast is made: lost, or completed without anybody's telling",
)

COMPLETED_ORDERS = OutputTable(
    "completed_orders",
    (ORDER_ID, PLACED, Column("completed_at", Kind.TIMESTAMP), PROMISED, ORIGIN, REGION),
    key=("order_id",),
    description="orders completed in the five weeks before: what earlier forecasts are held against",
)

ROUTE_TIMES = OutputTable(
    "route_times",
    (
        Column("origin", Kind.TEXT, description="region or area that orders come from; empty where unknown"),
        Column("destination", Kind.TEXT, description="region that they go to; empty where unknown"),
        Column("completed", Kind.INTEGER, description="orders completed in the last 28 days"),
        Column("open", Kind.INTEGER, description="orders open now"),
        Column("median_days", Kind.NUMBER, required=False, description="from placed to complete, in the last 28 days"),
        Column("before_days", Kind.NUMBER, required=False, description="the same in the 84 days before those"),
        Column("late_share", Kind.NUMBER, required=False, minimum=0, maximum=1, description="of those with a promise"),
        Column("expected_late", Kind.NUMBER, required=False, description="open orders expected to miss the promise"),
        Column("latitude", Kind.NUMBER, required=False, description="middle of the destinations"),
        Column("longitude", Kind.NUMBER, required=False),
    ),
    key=("origin", "destination"),
    description="how long orders take from where to where, lately and before",
)

OUTPUTS = (ORDER_COMPLETIONS, STALLED_ORDERS, COMPLETED_ORDERS, ROUTE_TIMES)

REPORTS = (Report("fulfilment", "Open orders"),)

"""The tables that recommendation writes, and its report, as plain data."""

from __future__ import annotations

from forecasting.schema import Column, Kind, OutputTable

RECOMMENDATIONS = OutputTable(
    "recommendations",
    (
        Column("entity_kind", Kind.TEXT, choices=("customer", "session")),
        Column("entity_id", Kind.ID),
        Column("rank", Kind.INTEGER, description="1 is the best"),
        Column("item_id", Kind.ID),
        Column("score", Kind.NUMBER, description="falls with the rank; comparable within one list only"),
        Column("reason", Kind.TEXT, description="why, in words for a web page"),
        Column("seen", Kind.INTEGER, description="source rows of the session (orders of a customer) that were seen"),
    ),
    key=("entity_kind", "entity_id", "rank"),
    description="the items to show each customer and anonymous session",
)

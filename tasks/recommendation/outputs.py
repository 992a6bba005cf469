"""The tables that recommendation writes, and its report, as plain data."""

from __future__ import annotations

from forecasting.schema import Column, Kind, OutputTable, Report
from tasks.recommendation.journal import ENTITY_KINDS, EVENT_KINDS

RECOMMENDATIONS = OutputTable(
    "recommendations",
    (
        Column("entity_kind", Kind.TEXT, choices=ENTITY_KINDS),
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

RECOMMENDATION_ITEMS = OutputTable(
    "recommendation_items",
    (
        Column("item_id", Kind.ID),
        Column("title", Kind.TEXT, required=False, description="what `items` calls it"),
        Column("category", Kind.TEXT, required=False, description="its category in `items`"),
        Column("price", Kind.NUMBER, required=False, description="its price in `items`"),
        Column("since", Kind.TIMESTAMP, description="from when on events count as recent, the same in every row"),
        Column("events_recent", Kind.INTEGER, description="views, carts and purchases since then, all together"),
        Column("purchases_recent", Kind.INTEGER, description="purchases among them"),
        Column("share_recent", Kind.NUMBER, description="share of all recent events, 0 to 1"),
        Column(
            "withheld",
            Kind.TEXT,
            required=False,
            choices=("not in items", "denied", "out of stock"),
            description="why nobody may be shown it; null where everybody may",
        ),
    ),
    key=("item_id",),
    description="every item known at the cutoff and how much it was wanted lately, beside what is shown",
)

RECOMMENDATION_SAMPLES = OutputTable(
    "recommendation_samples",
    (
        Column("entity_kind", Kind.TEXT, choices=ENTITY_KINDS),
        Column("entity_id", Kind.ID),
        Column("place", Kind.INTEGER, description="order in which to show them, from 1"),
        Column("region", Kind.TEXT, required=False),
        Column("steps", Kind.INTEGER, description="orders (events of sessions) seen; 0 for a new customer"),
        Column("events", Kind.INTEGER, description="rows of its history seen"),
    ),
    key=("entity_kind", "entity_id"),
    description="a few customers and sessions, the same from run to run, for people to look at",
)

RECOMMENDATION_HISTORIES = OutputTable(
    "recommendation_histories",
    (
        Column("entity_kind", Kind.TEXT, choices=ENTITY_KINDS),
        Column("entity_id", Kind.ID),
        Column("position", Kind.INTEGER, description="1 is the newest"),
        Column("item_id", Kind.ID),
        Column("title", Kind.TEXT, required=False, description="what `items` calls it"),
        Column("kind", Kind.TEXT, choices=EVENT_KINDS),
        Column("occurred_at", Kind.TIMESTAMP, description="when it happened, or became known where that was later"),
    ),
    key=("entity_kind", "entity_id", "position"),
    description="what the sampled customers and sessions did last",
)

OUTPUTS = (RECOMMENDATIONS, RECOMMENDATION_ITEMS, RECOMMENDATION_SAMPLES, RECOMMENDATION_HISTORIES)

REPORTS = (Report("merchandising", "Merchandising"),)

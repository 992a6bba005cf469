"""Lists for customers and sessions, and what the merchandisers' page shows beside them."""

from __future__ import annotations

from alembic import op

from forecasting.schema import Column, Kind, OutputTable

revision = "recommendation_0001"
down_revision = None
branch_labels = ("recommendation",)
depends_on = None

ENTITY = (
    Column("entity_kind", Kind.TEXT, choices=("customer", "session")),
    Column("entity_id", Kind.ID),
)

TABLES = (
    OutputTable(
        "recommendations",
        (
            *ENTITY,
            Column("rank", Kind.INTEGER),
            Column("item_id", Kind.ID),
            Column("score", Kind.NUMBER),
            Column("reason", Kind.TEXT),
            Column("seen", Kind.INTEGER),
        ),
        key=("entity_kind", "entity_id", "rank"),
    ),
    OutputTable(
        "recommendation_items",
        (
            Column("item_id", Kind.ID),
            Column("title", Kind.TEXT, required=False),
            Column("category", Kind.TEXT, required=False),
            Column("price", Kind.NUMBER, required=False),
            Column("since", Kind.TIMESTAMP),
            Column("events_recent", Kind.INTEGER),
            Column("purchases_recent", Kind.INTEGER),
            Column("share_recent", Kind.NUMBER),
            Column("withheld", Kind.TEXT, required=False, choices=("not in items", "denied", "out of stock")),
        ),
        key=("item_id",),
    ),
    OutputTable(
        "recommendation_samples",
        (
            *ENTITY,
            Column("place", Kind.INTEGER),
            Column("region", Kind.TEXT, required=False),
            Column("steps", Kind.INTEGER),
            Column("events", Kind.INTEGER),
        ),
        key=("entity_kind", "entity_id"),
    ),
    OutputTable(
        "recommendation_histories",
        (
            *ENTITY,
            Column("position", Kind.INTEGER),
            Column("item_id", Kind.ID),
            Column("title", Kind.TEXT, required=False),
            Column("kind", Kind.TEXT, choices=("view", "cart", "purchase")),
            Column("occurred_at", Kind.TIMESTAMP),
        ),
        key=("entity_kind", "entity_id", "position"),
    ),
)


def upgrade() -> None:
    for table in TABLES:
        op.create_output(table)  # type: ignore[attr-defined]


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_output(table)  # type: ignore[attr-defined]

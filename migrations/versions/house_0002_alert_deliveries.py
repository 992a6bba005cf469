"""The outbox of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "house_0002"
down_revision = "house_0001"
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=nullable, **options)


def upgrade() -> None:
    op.create_table(
        "alert_deliveries",
        _text("delivery_id", primary_key=True),
        _text("ledger"),
        _text("alert_id"),
        _text("task"),
        _text("run_id"),
        _instant("as_of"),
        _text("channel"),
        _text("event"),
        sa.Column("payload", sa.JSON, nullable=False),
        _text("state"),
        sa.Column("attempts", sa.Integer, nullable=False),
        _instant("created_at"),
        _instant("next_attempt_at"),
        _text("leased_by", nullable=True),
        _instant("leased_until", nullable=True),
        _instant("delivered_at", nullable=True),
        _text("last_error", nullable=True),
    )
    op.create_index("alert_deliveries_by_alert", "alert_deliveries", ["alert_id", "channel"])
    op.create_index("alert_deliveries_by_run", "alert_deliveries", ["run_id", "channel"])
    pending = sa.column("state", sa.Text) == sa.literal_column("'pending'")
    op.create_index(
        "alert_deliveries_due",
        "alert_deliveries",
        ["channel", "next_attempt_at", "delivery_id"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    unsettled = sa.column("state", sa.Text) != sa.literal_column("'delivered'")
    op.create_index(
        "alert_deliveries_unsettled",
        "alert_deliveries",
        ["channel"],
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )


def downgrade() -> None:
    op.drop_table("alert_deliveries")

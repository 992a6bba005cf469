"""Ledgers, claims and the publication pointer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "house_0001"
down_revision = None
branch_labels = ("house",)
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=nullable, **options)


def upgrade() -> None:
    op.create_table(
        "runs",
        _text("run_id", primary_key=True),
        _text("task"),
        _instant("slot"),
        _instant("as_of"),
        _text("state"),
        _text("trigger"),
        _text("model_id", nullable=True),
        _instant("started_at"),
        _instant("finished_at", nullable=True),
        sa.Column("rows", sa.BigInteger),
        _text("error", nullable=True),
        _text("subject", nullable=True),
        sa.Column("fallback", sa.Boolean),
        _instant("published_at", nullable=True),
        sa.Column("exit_code", sa.Integer),
        sa.Column("fence", sa.BigInteger, nullable=False),
        _text("code_version", nullable=True),
        sa.Column("config", sa.JSON),
        _instant("data_from", nullable=True),
        _instant("data_until", nullable=True),
    )
    op.create_index("runs_by_task", "runs", ["task", "started_at"])
    op.create_table(
        "run_metrics",
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
        _text("slice", primary_key=True),
        _text("subject", primary_key=True),
        _text("metric", primary_key=True),
        sa.Column("value", sa.Double),
    )
    op.create_table(
        "models",
        _text("model_id", primary_key=True),
        _text("task"),
        _instant("created_at"),
        _text("encoder", nullable=True),
        _instant("trained_until"),
        _text("uri"),
        _text("sha256"),
        sa.Column("champion", sa.Boolean, nullable=False),
        _text("run_id", nullable=True),
        sa.Column("config", sa.JSON),
        sa.Column("recipe", sa.JSON),
    )
    op.create_index("models_by_task", "models", ["task", "created_at"])
    champion = sa.column("champion", sa.Boolean)
    op.create_index(
        "models_one_champion", "models", ["task"], unique=True, sqlite_where=champion, postgresql_where=champion
    )
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", row_id, primary_key=True, autoincrement=True),
        _text("run_id"),
        _text("source"),
        sa.Column("row", sa.JSON, nullable=False),
        _text("reason"),
    )
    op.create_index("quarantine_by_run", "quarantine", ["run_id", "source"])
    op.create_table(
        "publications",
        _text("task", primary_key=True),
        _text("run_id"),
        _instant("as_of"),
        sa.Column("fence", sa.BigInteger, nullable=False),
        _instant("published_at"),
    )
    op.create_table(
        "claims",
        _text("task", primary_key=True),
        sa.Column("slot", sa.DateTime(timezone=True), primary_key=True),
        _text("owner"),
        sa.Column("fence", sa.BigInteger, nullable=False),
        _text("state"),
        _instant("claimed_at"),
        _instant("heartbeat_at"),
        _instant("lease_expires_at"),
        _text("run_id", nullable=True),
    )
    op.create_table(
        "loads",
        _text("source", primary_key=True),
        _text("sha256", primary_key=True),
        _text("file"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        _instant("loaded_at"),
    )


def downgrade() -> None:
    for table in ("loads", "claims", "publications", "quarantine", "models", "run_metrics", "runs"):
        op.drop_table(table)

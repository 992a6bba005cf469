"""Why a run's rows are whose they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "house_0003"
down_revision = "house_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("reason", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "reason")

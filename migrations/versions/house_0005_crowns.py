"""Who reigned when, so that a crown can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "house_0005"
down_revision = "house_0004"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MODELS = sa.table("models", *map(sa.column, ("model_id", "task", "run_id", "created_at", "champion")))
_RUNS = sa.table("runs", *map(sa.column, ("run_id", "subject", "published_at")))


def upgrade() -> None:
    crowns = op.create_table(
        "crowns",
        sa.Column("crown_id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("crowned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("crowned_by", sa.Text, nullable=True),
    )
    op.create_index("crowns_by_task", "crowns", ["task", "crown_id"])
    _fill(crowns)


def _fill(crowns: sa.Table) -> None:
    """Until now every published run that had fitted a model crowned it, and nothing else did: the reigns up to that of
    today's champion can be told from the runs."""
    crowned_at = sa.func.coalesce(_RUNS.c.published_at, _MODELS.c.created_at)
    crowned = sa.or_(sa.and_(_RUNS.c.published_at.is_not(None), _RUNS.c.subject == "model"), _MODELS.c.champion)
    fitted = _MODELS.outerjoin(_RUNS, _RUNS.c.run_id == _MODELS.c.run_id)
    told = sa.select(_MODELS.c.task, _MODELS.c.model_id, crowned_at.label("crowned_at"), _MODELS.c.champion)
    reigns = told.select_from(fitted).where(crowned).subquery()
    last = sa.select(reigns.c.task, reigns.c.crowned_at).where(reigns.c.champion).subquery()
    rows = (
        sa.select(reigns.c.task, reigns.c.model_id, reigns.c.crowned_at, sa.literal("run"))
        .join(last, last.c.task == reigns.c.task)
        .where(sa.or_(reigns.c.champion, reigns.c.crowned_at < last.c.crowned_at))
        .order_by(reigns.c.crowned_at, reigns.c.champion, reigns.c.model_id)
    )
    op.execute(sa.insert(crowns).from_select(["task", "model_id", "crowned_at", "cause"], rows))


def downgrade() -> None:
    op.drop_table("crowns")

"""The stranger's table."""

from alembic import op

from forecasting.schema import Column, Kind, OutputTable

revision = "visits_0001"
down_revision = None
branch_labels = ("visits",)
depends_on = None

EXPECTED_VISITS = OutputTable(
    "expected_visits",
    (Column("customer_id", Kind.ID), Column("orders", Kind.NUMBER)),
    key=("customer_id",),
)


def upgrade() -> None:
    """Create the table and its view."""
    op.create_output(EXPECTED_VISITS)


def downgrade() -> None:
    """Drop them."""
    op.drop_output(EXPECTED_VISITS)

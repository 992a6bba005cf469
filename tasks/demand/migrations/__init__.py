"""Demand's lineage of Alembic revisions (branch `demand`)."""

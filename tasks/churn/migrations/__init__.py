"""Churn's lineage of Alembic revisions (branch `churn`)."""

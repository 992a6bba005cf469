"""Completion's lineage of Alembic revisions (branch `completion`)."""

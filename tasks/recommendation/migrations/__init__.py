"""Recommendation's lineage of Alembic revisions (branch `recommendation`)."""

"""Alembic revisions of the idle task's tables."""

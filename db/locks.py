"""Taking turns inside transactions."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa


def one_at_a_time(connection: sa.Connection, subject: str) -> None:
    """Waits until no other transaction holds this subject, and holds it until this one ends.

    PostgreSQL: an advisory lock, so that nothing that readers use is locked. SQLite: nothing to do, `writing()`
    admits one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"forecasting:{subject}".encode()).digest()[:8], signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.cast(number, sa.BigInteger))))

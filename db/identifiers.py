"""Identifiers of runs and models, unique and in the order of time when sorted as text, and many of them at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime


def new_identifier() -> str:
    """Such as 20111110T020000123456-9f3a1c (UTC, microseconds; the tail keeps hosts apart)."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"


def in_chunks(identifiers: Sequence[str]) -> Iterator[Sequence[str]]:
    """Identifiers a few hundred at a time: databases bound how many one statement may name."""
    for start in range(0, len(identifiers), 500):
        yield identifiers[start : start + 500]

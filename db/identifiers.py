"""Identifiers of runs and models: unique, and in the order of time when sorted as text."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_identifier() -> str:
    """Such as 20111110T020000123456-9f3a1c (UTC, microseconds; the tail keeps hosts apart)."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"

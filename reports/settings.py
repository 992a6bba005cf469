"""What the caller of a report may say beyond task and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from forecasting.schema import ConfigurationError
from reports.view import ExtraTable


@dataclass(frozen=True)
class Settings:
    """`shop`: whose report it is. `currency`: the sign before amounts. `rows` and `charts`: how many on the page.
    `tables`: small tables of the caller's own at its end. `gate_metric`: the task's, for the line about trials."""

    shop: str = ""
    currency: str = ""
    rows: int = 200
    charts: int = 9
    tables: Sequence[ExtraTable] = ()
    gate_metric: str | None = None

    @classmethod
    def of(cls, extra: Mapping[str, Any] | None) -> Settings:
        """From plain keys. Raises ConfigurationError for one that is not known."""
        known = [one.name for one in fields(cls)]
        if unknown := sorted(set(extra or {}) - set(known)):
            raise ConfigurationError(f"reports take no {unknown[0]!r}.", remedy=f"They take: {', '.join(known)}.")
        return cls(**(extra or {}))

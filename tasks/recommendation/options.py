"""What a shop may say about its recommendations."""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.schema import ConfigurationError
from tasks.recommendation.index import require_library


@dataclass(frozen=True)
class RecommendationOptions:
    """Options of `[tasks.recommendation]`.

    `k`: items for every customer and session. `exclude_seen`: never show what the entity has had to do with.
    `exclude_out_of_stock`: nor what the latest stock count says is gone. `deny`, `deny_categories`: items and
    categories never to show. `per_category`: at most so many items of one category in a list, None for any number.
    `session_days`: an anonymous session gets a list while its last event is at most so many days older than the
    newest event known. `features`: extra columns of `interactions` (or `orders`) that describe an event: numbers,
    flags or text. `encoder`: of the sequence model. `hidden`: its width. `epochs`: at most so many.
    `nearest`: of a very large catalogue only so many items are scored for a case, found by an approximate index, and
    those that its evidence names; needs the extra `approximate`. None: every item, exactly.
    """

    k: int = 20
    exclude_seen: bool = False
    exclude_out_of_stock: bool = True
    deny: tuple[str, ...] = ()
    deny_categories: tuple[str, ...] = ()
    per_category: int | None = None
    session_days: float = 30.0
    features: tuple[str, ...] = ()
    encoder: str = "gru"
    hidden: int = 100
    epochs: int = 10
    nearest: int | None = None

    def __post_init__(self) -> None:
        for name in ("k", "hidden", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1.")
        if self.per_category is not None and self.per_category < 1:
            raise ConfigurationError("per_category must be at least 1, or left out.")
        if self.session_days <= 0:
            raise ConfigurationError("session_days must be positive.")
        if self.nearest is not None:
            if self.nearest < self.k:
                raise ConfigurationError("nearest must be at least k, or left out.")
            require_library()

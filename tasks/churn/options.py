"""What a shop may say about its churn."""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.schema import ConfigurationError

BANDS = ("low", "medium", "high")
"""How likely a customer is to leave, from unlikely to likely."""


@dataclass(frozen=True)
class ChurnOptions:
    """Options of `[tasks.churn]`.

    `horizon_days`: a customer who buys nothing for so long is called lost. `active_days`: customers are watched who
    bought within so many days before the cutoff. `medium_from`, `high_from`: the probabilities from which a
    customer's band is medium, or high. `reasons`: at most so many for each customer. `value_days`: what a customer is
    worth is what they spent in so many days. `features`: extra columns of `orders`: numbers, flags or text.
    `encoder`: of the sequence model. `hidden`: its width. `epochs`: at most so many. `alert_from`: the mildest band
    worth an alert. `alert_cooldown_days`: how long no second alert of the same band is raised. `alert_least_value`:
    no alert where probability x value of the customer is smaller, in the currency of the orders. `alert_start_limit`:
    at most so many on the first night and whenever another method or other options made the rows of the night before,
    of the most valuable customers: what worsened then cannot be told from what is merely seen otherwise.
    """

    horizon_days: int = 90
    active_days: int = 180
    medium_from: float = 0.35
    high_from: float = 0.65
    reasons: int = 3
    value_days: int = 365
    features: tuple[str, ...] = ()
    encoder: str = "gru"
    hidden: int = 32
    epochs: int = 10
    alert_from: str = "medium"
    alert_cooldown_days: float = 30.0
    alert_least_value: float = 0.0
    alert_start_limit: int = 100

    def __post_init__(self) -> None:
        for name in ("horizon_days", "active_days", "value_days", "reasons", "hidden", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1.")
        if not 0 < self.medium_from < self.high_from < 1:
            raise ConfigurationError("medium_from must be above 0 and below high_from, and that below 1.")
        if self.alert_from not in BANDS[1:]:
            raise ConfigurationError('alert_from must be "medium" or "high".')
        for name in ("alert_cooldown_days", "alert_least_value", "alert_start_limit"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative.")

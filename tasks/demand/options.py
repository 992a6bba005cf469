"""The options of `[tasks.demand]`: a frozen dataclass, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from forecasting.schema import ConfigurationError

Missing = Literal["auto", "zero", "unobserved"]

DEFAULT_HORIZON = {"D": 28, "W": 8, "M": 6}
PERIODS_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0}
DAYS_A_PERIOD = {"D": 1.0, "W": 7.0, "M": 365.25 / 12}
SEASON = {"D": 7, "W": 52, "M": 12}


@dataclass(frozen=True)
class DemandOptions:
    """How demand is forecast.

    `frequency`: D, W or M. `horizon`: steps of the frequency, 0 for the default (28 D, 8 W, 6 M). `known_ahead`
    and `features` name columns of `sales`, extra ones included: known for the periods to come, or known only
    up to the cutoff. `encoder`: a registered encoder. `members`: how many networks are averaged, 0 for the
    default (2 D, 6 W, 4 M). `missing` says what a period without a row means: "zero" sales, "unobserved", or
    "auto", which takes it as unobserved where the source itself writes down most of its periods without sales as
    explicit zeros. `service_level` and `lead_time_days` hold for items that `supply` does not know. `history_rows`:
    how many past periods of each series are published for charts, 0 for the default (91 D, 78 W, 36 M).
    """

    frequency: str = "D"
    horizon: int = 0
    known_ahead: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    encoder: str = "gru"
    members: int = 0
    missing: str = "auto"
    service_level: float = 0.95
    lead_time_days: float = 7.0
    history_rows: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_ahead", tuple(self.known_ahead))
        object.__setattr__(self, "features", tuple(self.features))
        if self.frequency not in DEFAULT_HORIZON:
            raise ConfigurationError(
                f"tasks.demand: frequency {self.frequency!r} is unknown.",
                remedy='Use "D" (days), "W" (weeks) or "M" (months).',
            )
        if self.horizon < 0:
            raise ConfigurationError(
                f"tasks.demand: horizon {self.horizon} is negative.", remedy="Give the number of steps to forecast."
            )
        if self.missing not in get_args(Missing):
            raise ConfigurationError(
                f"tasks.demand: missing {self.missing!r} is unknown.",
                remedy=f"Use one of {', '.join(get_args(Missing))}.",
            )
        if not 0 < self.service_level < 1:
            raise ConfigurationError(
                f"tasks.demand: service_level {self.service_level} is no probability.",
                remedy="Give a number between 0 and 1, such as 0.95.",
            )
        if self.lead_time_days < 0 or self.members < 0 or self.history_rows < 0:
            raise ConfigurationError("tasks.demand: lead_time_days, history_rows and members must not be negative.")
        reserved = {"item_id", "location_id", "date", "quantity", "known_at"}
        both = set(self.known_ahead) & set(self.features)
        if both or reserved & {*self.known_ahead, *self.features}:
            wrong = sorted(both or reserved & {*self.known_ahead, *self.features})
            raise ConfigurationError(
                f"tasks.demand: {', '.join(wrong)} cannot be used like this in known_ahead and features.",
                remedy="Name each feature column once, in known_ahead or in features; keys and quantity are neither.",
            )

    @property
    def steps(self) -> int:
        """The horizon in periods."""
        return self.horizon or DEFAULT_HORIZON[self.frequency]

    @property
    def networks(self) -> int:
        """How many networks are averaged: where there are few cutoffs to learn from, many that learn little each."""
        return self.members or {"D": 2, "W": 6, "M": 4}[self.frequency]

    @property
    def season(self) -> int:
        """Periods of one season: the lag of the seasonal naive forecast and of MASE."""
        return SEASON[self.frequency]

    @property
    def days_a_period(self) -> float:
        """Mean length of a period in days."""
        return DAYS_A_PERIOD[self.frequency]

    @property
    def published_history(self) -> int:
        """Past periods of each series in `demand_history`."""
        return self.history_rows or {"D": 91, "W": 78, "M": 36}[self.frequency]

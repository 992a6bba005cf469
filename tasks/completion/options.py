"""What a shop may say about its open orders."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from forecasting.schema import ConfigurationError


@dataclass(frozen=True)
class CompletionOptions:
    """Options of `[tasks.completion]`.

    `stages`: statuses of `order_events` at which an order is forecast, and "placed", the order itself; none: all there
    are. `features`: extra columns of `orders`: numbers, flags or text; what orders of the same text (a carrier) did
    lately plays a part. `country`: ISO 3166 code ("BR") whose public holidays count beside those of `calendar`.
    `timezone`: IANA name of where days begin and people work; a promise at the first instant of a day there means that
    day, and is kept until its end. `lost_after_days`: an order open for longer than this counts as lost and is no
    longer forecast; 0: learnt, beyond nearly all that were ever completed. `recent`: how many orders of the same origin
    and route the sequence model looks at. `encoder`: of the sequence model. `hidden`: its width. `epochs`: at most so
    many.
    """

    stages: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    country: str = ""
    timezone: str = "UTC"
    lost_after_days: float = 0.0
    recent: int = 8
    encoder: str = "gru"
    hidden: int = 32
    epochs: int = 12

    def __post_init__(self) -> None:
        for name in ("stages", "features"):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ConfigurationError(f"{name} names {', '.join(twice)} twice.", remedy="Name each once.")
        for name in ("recent", "hidden", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1.")
        if not self.lost_after_days >= 0:
            raise ConfigurationError("lost_after_days must not be negative.", remedy="0 lets it be learnt.")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise ConfigurationError(
                f"{self.timezone!r} is no time zone.", remedy='Use an IANA name such as "Europe/Berlin" or "UTC".'
            ) from error

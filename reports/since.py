"""What became of earlier customers at risk and of warnings about them, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class BandSince:
    """What became of the customers of one band. `expected`: mean probability said of buying nothing in the horizon;
    `spread`: standard deviation of the share who buy nothing, were each probability right. `bought`: how many bought
    within the days looked at."""

    band: str
    customers: int
    bought: int
    expected: float
    spread: float

    @property
    def quiet(self) -> float:
        """Share who bought nothing."""
        return 1 - self.bought / self.customers


@dataclass(frozen=True)
class LookBack:
    """An earlier run's customers and what they did in the `days` from its `as_of` on, the worst band first.
    `complete`: the whole horizon has passed, so that what was said can be held against what happened."""

    run_id: str
    as_of: datetime
    days: float
    horizon_days: int
    bands: Sequence[BandSince]

    @property
    def complete(self) -> bool:
        """Whether the chances said can be held against what happened: all their days have passed."""
        return self.days >= self.horizon_days

    @property
    def together(self) -> BandSince:
        """All bands as one."""
        number = sum(band.customers for band in self.bands)
        return BandSince(
            "all",
            number,
            sum(band.bought for band in self.bands),
            sum(band.expected * band.customers for band in self.bands) / number,
            math.sqrt(sum((band.spread * band.customers) ** 2 for band in self.bands)) / number,
        )


@dataclass(frozen=True)
class WarningsSince:
    """What became of the warnings raised from `since` (UTC) on; one that a worse one replaced counts no more.
    `bought`: closed because the customer bought. `waiting`: nobody has seen to them. `seen`: somebody has.
    `lapsed`: the customer is watched no more. `by_hand`: closed by a person."""

    since: datetime
    bought: int = 0
    waiting: int = 0
    seen: int = 0
    lapsed: int = 0
    by_hand: int = 0

    @property
    def raised(self) -> int:
        """All of them."""
        return self.bought + self.waiting + self.seen + self.lapsed + self.by_hand

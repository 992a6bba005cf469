"""What the page of open orders shows, as plain data: orders and their windows, stalled ones, routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from reports import wording
from reports.arrived import LookBack
from reports.local_time import LocalTime
from reports.punctual import FulfilmentTrials
from reports.shown import PastTrial
from reports.view import Page

NEAR_DAYS = 3
"""A customer is told of a promise that will be missed when it falls on today or one of so many days after it, or is
past: earlier, things may still change; later is too late."""

WATCH = 0.2
"""From this chance of being late on an order is shown where its promise is near."""


@dataclass(frozen=True)
class OpenOrder:
    """One open order. Instants are UTC. One in ten is complete before `p10`, as many before as after `p50`, nine in ten
    before `p90`. `promised_at` as the shop gave it; `due_at`: until when the promise is kept; `late_probability` of
    missing that; None without a promise. `known`: whether the page before named it as one that will be late, None where
    there was no such page."""

    order_id: str
    stage: str
    stage_at: datetime
    placed_at: datetime
    p10: datetime
    p50: datetime
    p90: datetime
    promised_at: datetime | None = None
    due_at: datetime | None = None
    late_probability: float | None = None
    origin: str | None = None
    region: str | None = None
    near: bool = False
    known: bool | None = None

    @property
    def likely_late(self) -> bool:
        """Whether it is more likely late than not."""
        return (self.late_probability or 0.0) >= wording.LIKELY

    @property
    def overdue(self) -> bool:
        """Whether the promise is past: nothing keeps it any more."""
        return self.late_probability is not None and self.late_probability >= 1

    @property
    def tell(self) -> bool:
        """Whether the customer should be told today."""
        return self.likely_late and self.near

    @property
    def new(self) -> bool:
        """Whether the page before did not name it."""
        return self.tell and self.known is False

    @property
    def state(self) -> str:
        """Words by which the list can be filtered."""
        soon = self.tell and not self.overdue
        words = [("tell", soon), ("overdue", self.overdue), ("new", self.new), ("later", not self.near)]
        return " ".join(word for word, holds in words if holds)


@dataclass(frozen=True)
class StalledOrder:
    """An order open for longer than `limit_days`, of which no forecast is made. Instants are UTC."""

    order_id: str
    stage: str
    placed_at: datetime
    days_open: float
    limit_days: float
    promised_at: datetime | None = None
    origin: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class Route:
    """From where to where orders go, empty where unknown. `completed` in the last 28 days, in the median after
    `median_days`; `before_days`: the same in the 84 days before. `late_share` of those with a promise;
    `expected_late`: open orders expected to miss theirs."""

    origin: str
    destination: str
    completed: int
    open: int
    median_days: float | None = None
    before_days: float | None = None
    late_share: float | None = None
    expected_late: float | None = None

    @property
    def slower(self) -> float | None:
        """By how many days it became slower, None where that is not known."""
        if self.median_days is None or self.before_days is None:
            return None
        return self.median_days - self.before_days


@dataclass(frozen=True)
class Place:
    """A destination on the map, all routes to it together: days from placed to complete lately, orders completed lately
    and open ones."""

    name: str
    latitude: float
    longitude: float
    days: float
    orders: int


@dataclass(frozen=True)
class Totals:
    """Sums over all open orders. `promised`: those with a promise. `expected_late`: the sum of their chances, those
    `overdue` among them. `tell`: whose customers should be told today, `new` of them not named by the page before,
    which was made as of `before`. `later`: likely late, with a promise further away. `due_today_late`: of those
    promised for today (`due_today`), those that will likely miss it. `limit_days`: open for longer, an order is
    stalled."""

    open: int = 0
    promised: int = 0
    expected_late: float = 0.0
    tell: int = 0
    overdue: int = 0
    later: int = 0
    due_today: int = 0
    due_today_late: int = 0
    stalled: int = 0
    new: int = 0
    limit_days: float | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class FulfilmentPage(Page):
    """Everything on the page. `orders`: those at risk, the most urgent first; without any promise, those expected last.
    `stalled`: those that may still be saved first. `routes`: those that matter most first, of `routes_known`.
    `places`: for the map, empty where no coordinates are known. `local`: the time zone of what is shown."""

    totals: Totals
    orders: Sequence[OpenOrder]
    stalled: Sequence[StalledOrder] = ()
    routes: Sequence[Route] = ()
    routes_known: int = 0
    places: Sequence[Place] = ()
    back: LookBack | None = None
    trials: FulfilmentTrials | None = None
    past: Sequence[PastTrial] = ()
    local: LocalTime = field(kw_only=True, default=LocalTime("UTC", UTC, date(1970, 1, 1)))

    @property
    def today(self) -> date:
        """The day on which the page is to be read."""
        return self.local.today

    @property
    def promises(self) -> bool:
        """Whether any open order has a promise."""
        return self.totals.promised > 0

    @property
    def stalled_promises(self) -> bool:
        """Whether any stalled order shown has one."""
        return any(one.promised_at is not None for one in self.stalled)

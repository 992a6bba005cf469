"""What CRM's page shows, as plain data: customers, their risk and the warnings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from reports.chances import ChurnTrials, PastChances
from reports.since import LookBack, WarningsSince
from reports.view import Page

BANDS = ("high", "medium", "low")
"""Bands of risk, the worst first."""

WAITING = ("open", "delivered")
"""States of an alert that nobody has seen to yet."""


@dataclass(frozen=True)
class Reason:
    """What moves a customer's chance of leaving, in words. `effect`: what it adds to the probability."""

    text: str
    effect: float | None = None


@dataclass(frozen=True)
class Warned:
    """The alert about a customer that is not closed. Instants are UTC."""

    alert_id: str
    state: str
    as_of: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether nobody has seen to it yet."""
        return self.state in WAITING


@dataclass(frozen=True)
class Customer:
    """One customer at risk. `probability`: of buying nothing in the horizon, 0 to 1. `value`: what they spent lately,
    `value_at_risk` = probability x value, None where unknown. `expected`: by then the next purchase is as likely made
    as not, None where that is years away."""

    customer_id: str
    probability: float
    band: str
    last_purchase_at: datetime
    first_purchase_at: datetime
    orders: int
    expected: date | None = None
    usual_gap_days: float | None = None
    value: float | None = None
    value_at_risk: float | None = None
    region: str | None = None
    reasons: Sequence[Reason] = ()
    warning: Warned | None = None

    @property
    def waiting(self) -> bool:
        """Whether a warning about the customer waits for somebody to see to it."""
        return self.warning is not None and self.warning.waiting

    @property
    def state(self) -> str:
        """Words by which the list can be filtered."""
        warned = "" if self.warning is None else "waiting" if self.waiting else "seen"
        return f"{self.band} {warned}".strip()


@dataclass(frozen=True)
class Totals:
    """Sums over all customers watched. `bands`: customers by band. `value`, `value_at_risk`: money, None where no
    customer's is known; `valued`: customers whose is. `waiting`, `seen`: warnings not closed, by whether somebody has
    seen to them. `value_days`, `medium_from`, `high_from`: the run's options where it noted them."""

    bands: Mapping[str, int]
    horizon_days: int | None = None
    value: float | None = None
    value_at_risk: float | None = None
    valued: int = 0
    waiting: int = 0
    seen: int = 0
    value_days: int | None = None
    active_days: int | None = None
    medium_from: float | None = None
    high_from: float | None = None

    @property
    def watched(self) -> int:
        """Customers watched."""
        return sum(self.bands.values())

    @property
    def high(self) -> int:
        """Customers of the worst band."""
        return self.bands.get("high", 0)


@dataclass(frozen=True)
class RetentionPage(Page):
    """Everything on the page. `customers`: those to call first. `back`: earlier runs looked at, the latest first."""

    totals: Totals
    customers: Sequence[Customer]
    back: Sequence[LookBack] = ()
    since: WarningsSince | None = None
    trials: ChurnTrials | None = None
    past: Sequence[PastChances] = ()

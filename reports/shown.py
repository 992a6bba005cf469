"""What the merchandisers' page shows, as plain data: items and how much they are shown, people and their lists,
figures of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reports.tried import Tried
from reports.view import Page

NOTABLE = 1.5
"""An item counts as over- or under-shown where its shares differ at least by this factor."""


@dataclass(frozen=True)
class ShownItem:
    """One item of the shop. `shown`: its share of all places, each weighted by one over its rank; `wanted`: its share
    of recent events; both 0 to 1. `lists`: how many lists it is on, `places` = `lists` over all lists' lengths."""

    item_id: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    events_recent: int = 0
    purchases_recent: int = 0
    wanted: float = 0.0
    withheld: str | None = None
    lists: int = 0
    shown: float = 0.0

    @property
    def name(self) -> str:
        """The title, or the id where the shop gave none."""
        return self.title or self.item_id

    @property
    def gap(self) -> float:
        """Share shown less share wanted: positive where it is over-shown."""
        return self.shown - self.wanted

    @property
    def over(self) -> bool:
        """Shown notably more than wanted."""
        return self.shown > 0 and self.shown >= NOTABLE * self.wanted

    @property
    def under(self) -> bool:
        """Wanted notably more than shown."""
        return self.wanted > 0 and self.wanted >= NOTABLE * self.shown

    @property
    def state(self) -> str:
        """Words by which the list of items can be filtered."""
        words = [("over", self.over), ("under", self.under), ("unseen", not self.lists), ("withheld", self.withheld)]
        return " ".join(word for word, holds in words if holds)


@dataclass(frozen=True)
class Coverage:
    """Sums over all lists and items. `allowed`: items not withheld. `shown`: items on any list. `places`: rows of all
    lists; `longest`: of the longest list. `top_places` and `top_wanted`: shares, 0 to 1, of the ten items shown most
    and of the ten most wanted. `withheld`: items by reason. `since`: from when on events count as recent, UTC."""

    items: int
    allowed: int
    shown: int
    customers: int
    sessions: int
    places: int
    longest: int
    top_places: float
    top_wanted: float
    withheld: Mapping[str, int] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def lists(self) -> int:
        """Customers and sessions that are shown anything."""
        return self.customers + self.sessions


@dataclass(frozen=True)
class Event:
    """Something that a sampled customer did with an item, `at` an instant in UTC."""

    name: str
    item_id: str
    kind: str
    at: datetime


@dataclass(frozen=True)
class Place:
    """A place on a sampled customer's list."""

    rank: int
    name: str
    item_id: str
    score: float
    reason: str


@dataclass(frozen=True)
class Person:
    """A sampled customer or session: what it did last, newest first, and its list, best first."""

    kind: str
    entity_id: str
    region: str | None
    steps: int
    events: int
    history: Sequence[Event] = ()
    shown: Sequence[Place] = ()


@dataclass(frozen=True)
class Group:
    """A figure for one kind of case, of the model and of the best simple rule; None where it was not measured."""

    name: str
    model: float | None
    rival: float | None


@dataclass(frozen=True)
class Trials(Tried):
    """The latest trials. `k`: length of the lists judged. `groups`: share found by length of history and kind of
    entity."""

    k: int = field(kw_only=True)
    groups: Sequence[Group] = ()

    def value(self, subject: str | None, metric: str) -> float | None:
        """A figure at k, None where it was not measured."""
        return self.subjects.get(subject or "", {}).get(f"{metric}@{self.k}")


@dataclass(frozen=True)
class PastTrial:
    """A figure of the trials of one run (share of next items found, days off), of the model and of the best simple
    rule."""

    as_of: datetime
    model: float | None
    rival: float | None
    rival_name: str | None
    fallback: bool


@dataclass(frozen=True)
class MerchandisingPage(Page):
    """Everything on the page. `items`: those shown or wanted most; `over` and `under`: the widest gaps."""

    coverage: Coverage
    items: Sequence[ShownItem]
    over: Sequence[ShownItem]
    under: Sequence[ShownItem]
    people: Sequence[Person]
    trials: Trials | None = None
    past: Sequence[PastTrial] = ()

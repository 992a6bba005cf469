"""How much each item is shown, counted by the database over all lists at once, beside how much it is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports.published import relation
from reports.shown import Coverage, ShownItem

LISTS = "current_recommendations"
ITEMS = "current_recommendation_items"
LIST_COLUMNS = {
    "entity_kind": Kind.TEXT,
    "entity_id": Kind.ID,
    "rank": Kind.INTEGER,
    "item_id": Kind.ID,
    "score": Kind.NUMBER,
    "reason": Kind.TEXT,
}
ITEM_COLUMNS = {
    "item_id": Kind.ID,
    "title": Kind.TEXT,
    "category": Kind.TEXT,
    "price": Kind.NUMBER,
    "since": Kind.TIMESTAMP,
    "events_recent": Kind.INTEGER,
    "purchases_recent": Kind.INTEGER,
    "share_recent": Kind.NUMBER,
    "withheld": Kind.TEXT,
}
TOP = 10
"""Items whose share says how concentrated the lists are."""


@dataclass(frozen=True)
class Exposure:
    """All items of the shop, the most shown first, and sums over them."""

    items: Sequence[ShownItem]
    coverage: Coverage

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the items that have one."""
        return {item.item_id: item.title for item in self.items if item.title}

    def most(self, count: int) -> list[ShownItem]:
        """The items that matter most, by the larger of the shares shown and wanted; the most shown first."""
        chosen = sorted(self.items, key=lambda item: (-max(item.shown, item.wanted), item.item_id))[:count]
        return sorted(chosen, key=_by_shown)

    def over(self, count: int) -> list[ShownItem]:
        """The items whose share of places exceeds their share of events the furthest."""
        return sorted((item for item in self.items if item.over), key=lambda item: (-item.gap, item.item_id))[:count]

    def under(self, count: int) -> list[ShownItem]:
        """The items whose share of events exceeds their share of places the furthest."""
        return sorted((item for item in self.items if item.under), key=lambda item: (item.gap, item.item_id))[:count]


def exposure(warehouse: Warehouse, connection: Connection, task: str) -> Exposure:
    """What is published, by item. One statement goes through all lists.

    A place counts one over its rank: how likely a person is to look at it falls about so (Joachims, Swaminathan and
    Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017, section 5.1, with eta = 1).
    """
    lists = relation(warehouse, connection, LISTS, LIST_COLUMNS)
    first = lists.c.rank == 1
    rows = connection.execute(
        sa.select(
            lists.c.item_id,
            sa.func.count().label("lists"),
            sa.func.sum(1.0 / lists.c.rank).label("weight"),
            sa.func.sum(sa.case((sa.and_(first, lists.c.entity_kind == "customer"), 1), else_=0)).label("customers"),
            sa.func.sum(sa.case((sa.and_(first, lists.c.entity_kind != "customer"), 1), else_=0)).label("sessions"),
            sa.func.max(lists.c.rank).label("longest"),
        )
        .where(lists.c.task == task)
        .group_by(lists.c.item_id)
    ).all()
    shown = {row.item_id: row for row in rows}
    weight = sum(float(row.weight) for row in rows) or 1.0
    view = relation(warehouse, connection, ITEMS, ITEM_COLUMNS)
    items, since = [], None
    for row in connection.execute(sa.select(view).where(view.c.task == task), execution_options={"yield_per": 2000}):
        mine, since = shown.pop(row.item_id, None), row.since
        items.append(
            ShownItem(
                row.item_id,
                row.title,
                row.category,
                row.price,
                row.events_recent,
                row.purchases_recent,
                row.share_recent,
                row.withheld,
                mine.lists if mine else 0,
                float(mine.weight) / weight if mine else 0.0,
            )
        )
    items += [ShownItem(row.item_id, lists=row.lists, shown=float(row.weight) / weight) for row in shown.values()]
    items.sort(key=_by_shown)
    customers, sessions = sum(row.customers for row in rows), sum(row.sessions for row in rows)
    longest = max((row.longest for row in rows), default=0)
    return Exposure(items, _coverage(items, customers, sessions, longest, since))


def _coverage(items: list[ShownItem], customers: int, sessions: int, longest: int, since: datetime | None) -> Coverage:
    places = sum(item.lists for item in items)
    return Coverage(
        items=len(items),
        allowed=sum(item.withheld is None for item in items),
        shown=sum(item.lists > 0 for item in items),
        customers=customers,
        sessions=sessions,
        places=places,
        longest=longest,
        top_places=sum(sorted((item.lists for item in items), reverse=True)[:TOP]) / max(places, 1),
        top_wanted=sum(sorted((item.wanted for item in items), reverse=True)[:TOP]),
        withheld=dict(Counter(item.withheld for item in items if item.withheld).most_common()),
        since=since,
    )


def _by_shown(item: ShownItem) -> tuple[float, float, str]:
    return -item.shown, -item.wanted, item.item_id

"""The sampled customers and sessions: what they did last and what they are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports.exposure import LIST_COLUMNS, LISTS
from reports.published import relation
from reports.shown import Event, Person, Place

SAMPLES = "current_recommendation_samples"
HISTORIES = "current_recommendation_histories"
SAMPLE_COLUMNS = {
    "entity_kind": Kind.TEXT,
    "entity_id": Kind.ID,
    "place": Kind.INTEGER,
    "region": Kind.TEXT,
    "steps": Kind.INTEGER,
    "events": Kind.INTEGER,
}
HISTORY_COLUMNS = {
    "entity_kind": Kind.TEXT,
    "entity_id": Kind.ID,
    "position": Kind.INTEGER,
    "item_id": Kind.ID,
    "title": Kind.TEXT,
    "kind": Kind.TEXT,
    "occurred_at": Kind.TIMESTAMP,
}
AT_MOST = 200
"""People that are read: a sample is small, and a task may publish a larger one."""


def people(warehouse: Warehouse, connection: Connection, task: str, titles: Mapping[str, str]) -> list[Person]:
    """The published sample in its order; `titles` of items where they have one."""
    samples = relation(warehouse, connection, SAMPLES, SAMPLE_COLUMNS)
    found = connection.execute(
        sa.select(samples).where(samples.c.task == task).order_by(samples.c.place, samples.c.entity_id).limit(AT_MOST)
    ).all()
    keys = [(row.entity_kind, row.entity_id) for row in found]
    history: dict[tuple[str, str], list[Event]] = defaultdict(list)
    shown: dict[tuple[str, str], list[Place]] = defaultdict(list)
    events = relation(warehouse, connection, HISTORIES, HISTORY_COLUMNS)
    for row in connection.execute(_of(events, task, keys, "position")):
        event = Event(row.title or row.item_id, row.item_id, row.kind, row.occurred_at)
        history[row.entity_kind, row.entity_id].append(event)
    lists = relation(warehouse, connection, LISTS, LIST_COLUMNS)
    for row in connection.execute(_of(lists, task, keys, "rank")):
        place = Place(row.rank, titles.get(row.item_id, row.item_id), row.item_id, row.score, row.reason)
        shown[row.entity_kind, row.entity_id].append(place)
    return [
        Person(row.entity_kind, row.entity_id, row.region, row.steps, row.events, history[key], shown[key])
        for row, key in zip(found, keys, strict=True)
    ]


def _of(table: sa.Table, task: str, keys: list[tuple[str, str]], order: str) -> sa.Select[tuple[object, ...]]:
    """The rows of some people, each by the range of the primary key that holds it."""
    pair = sa.tuple_(table.c.entity_kind, table.c.entity_id)
    return (
        sa.select(table)
        .where(table.c.task == task, pair.in_(keys))
        .order_by(table.c.entity_kind, table.c.entity_id, table.c[order])
    )

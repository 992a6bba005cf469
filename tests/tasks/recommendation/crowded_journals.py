"""Random journals in which customers and sessions share items, as events and as journals."""

from __future__ import annotations

import numpy as np
from small_journals import catalogue, journal

from tasks.recommendation.journal import Journal

Event = tuple[str, float, int, int]


def random_events(random: np.random.Generator, items: int = 12, entities: int = 25, days: float = 20.0) -> list[Event]:
    """(entity, day, item, kind): sessions of single events within an hour, baskets of customers, and sequences of
    others; some rows are exact duplicates."""
    events: list[Event] = []
    for number in range(entities):
        kind = random.integers(3)
        name = f"s{number}" if kind == 0 else f"c{number}"
        at = random.random() * days
        for step in range(random.integers(1, 7)):
            many = random.integers(1, 6) if kind == 1 else 1
            at = at + (0.001 if kind == 0 else random.random() * 4)
            rows = [(name, at, int(item), int(random.integers(3))) for item in random.integers(0, items, many)]
            events += rows + (rows[:1] if step == 1 and kind == 1 else [])
    return events


def random_journal(seed: int, items: int = 12, entities: int = 25) -> Journal:
    events = random_events(np.random.default_rng(seed), items, entities)
    regions = {event[0]: f"r{hash_of(event[0]) % 3}" for event in events if hash_of(event[0]) % 4}
    return journal(catalogue(items), events, regions=regions)


def hash_of(name: str) -> int:
    return sum(map(ord, name))

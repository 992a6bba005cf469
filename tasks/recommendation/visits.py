"""What was known of everybody at an instant, cut into visits: the stuff of which the indices of others are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting.clock import visible
from forecasting.histories import ragged_ranges
from forecasting.task import Instant
from tasks.recommendation.journal import CUSTOMER, Journal

DAY = np.timedelta64(1, "D")

ROWS = 3_000_000
"""The memory of others ends where this many later rows are known: it bounds time and space in any shop."""

LENGTH = 200
"""Rows of one visit that count, its last ones: a customer with 50,000 events says no more than others."""


@dataclass(frozen=True, eq=False)
class Visits:
    """V visits, the latest first: one session each, or all that a customer did outside of sessions.

    `offsets`: int64 [V + 1]. `entity`: int64 [V]. `customer`: bool [V], whether that is one. Of the m rows, in order
    of time within a visit: `item` int32 [m]; `position` int32 [m], the number of the step within its visit, from 0;
    `days` float32 [m], from the row to the instant. `items`: how many the catalogue has.
    """

    offsets: np.ndarray
    entity: np.ndarray
    customer: np.ndarray
    item: np.ndarray
    position: np.ndarray
    days: np.ndarray
    items: int

    def __len__(self) -> int:
        """How many visits there are."""
        return len(self.entity)

    @cached_property
    def visit(self) -> np.ndarray:
        """The visit of each row, int64 [m]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def basket(self) -> np.ndarray:
        """The number, int64 [m], of the step of each row among those of all visits."""
        steps = self.position[self.offsets[1:] - 1].astype(np.int64) + 1
        return np.repeat(np.cumsum(steps) - steps, np.diff(self.offsets)) + self.position

    @cached_property
    def sequence(self) -> np.ndarray:
        """Whether the order of a visit's items says something, bool [V]: one after the other, not baskets."""
        steps = self.position[self.offsets[1:] - 1] + 1
        return np.diff(self.offsets) < 2 * steps


def visits(journal: Journal, instant: Instant, rows: int = ROWS, length: int = LENGTH) -> Visits:
    """The visits known at an instant: of the latest `rows` rows the last `length` of each visit."""
    events = journal.events
    row = np.flatnonzero(visible(events.occurred_at, None, instant))
    at = events.occurred_at[row]
    if len(row) > rows:
        oldest = np.partition(at, len(at) - rows)[len(at) - rows]
        row = row[at >= oldest]
    entity = np.searchsorted(events.offsets, row, side="right") - 1
    session = events.columns["session"][row].astype(np.int64)
    sessions = int(session.max(initial=-1)) + 1
    key = np.where(session >= 0, session, sessions + entity)
    order = np.argsort(key, kind="stable")
    row, entity, key = row[order], entity[order], key[order]

    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.empty(0, np.int64)
    counts = np.diff(np.append(first, len(key)))
    last = events.occurred_at[row[first + counts - 1]]
    # Of visits that end at one instant the one first in the journal goes before. The numbers of sessions would not do:
    # they go by the rows of the source, where what comes later may stand in front.
    latest = np.lexsort((row[first], -last.astype("datetime64[us]").astype(np.int64)))
    owner = entity[first][latest]
    kept = np.minimum(counts, length)[latest]
    chosen = ragged_ranges((first + counts)[latest] - kept, kept)
    row = row[chosen]
    offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    position = _positions(events.columns["step"][row], offsets)
    days = (np.subtract(instant, events.occurred_at[row]) / DAY).astype(np.float32)
    return Visits(
        offsets,
        owner,
        journal.kind[owner] == CUSTOMER,
        events.columns["item"][row].astype(np.int32),
        position,
        days,
        len(journal.catalogue),
    )


def _positions(step: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The number of each row's step among those of its visit: steps of a visit need not follow each other (another
    session of the customer may run beside it)."""
    change = np.ones(len(step), np.int64)
    change[1:] = step[1:] != step[:-1]
    begins = offsets[:-1][np.diff(offsets) > 0]
    change[begins] = 1
    number = np.cumsum(change)
    return (number - np.repeat(number[begins], np.diff(offsets)[np.diff(offsets) > 0])).astype(np.int32)

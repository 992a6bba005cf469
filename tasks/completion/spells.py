"""Spells: the times that orders spent at a status, as it was heard of, and how each ended."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from tasks.completion.heard import NEVER, Heard


@dataclass(frozen=True, eq=False)
class Spells:
    """R spells; instants are int64 microseconds.

    `order`: int64 [R]. `event`: int64 [R], the row of `Orders.events` with which each began. `begin`, `end`: [R], the
    cutoffs c that see the order at that status are those with begin <= c < end; `end` is NEVER for what goes on.
    `origin`: [R], the event's own time, from which the spell's age counts. `completed`: bool [R], whether it ended with
    the completion; otherwise with an event of another status or the same again, or as the order was cancelled.
    """

    order: np.ndarray
    event: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    origin: np.ndarray
    completed: np.ndarray

    @staticmethod
    def of(heard: Heard) -> Spells:
        """Of all events. One that was heard of only after a later one, or after the end of its order, makes none."""
        following = _heard_next(heard)
        gone = heard.gone[heard.order_of]
        end = np.minimum(following, gone)
        row = np.flatnonzero(heard.event < end)
        completed = heard.completed[heard.order_of] == end
        return Spells(
            heard.order_of[row],
            row,
            heard.event[row],
            end[row],
            heard.occurred[row],
            (completed & (end < NEVER))[row],
        )

    def take(self, index: np.ndarray) -> Spells:
        """Some of the spells, by int64 positions or a bool mask."""
        return Spells(*(getattr(self, column.name)[index] for column in fields(self)))


def _heard_next(heard: Heard) -> np.ndarray:
    """When the first of the events after each one of the same order is heard of, int64 [R], NEVER for none."""
    following = np.full(len(heard.event), NEVER)
    same = heard.order_of[1:] == heard.order_of[:-1]
    following[:-1][same] = heard.event[1:][same]
    # as often as events were heard of in another order than they happened: mostly not at all
    while len(later := np.flatnonzero(same & (following[1:] < following[:-1]))):
        following[later] = following[later + 1]
    return following

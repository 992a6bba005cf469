"""How long what is finished took, each span from the moment at which its end was heard of."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from tasks.completion.earlier import known_before
from tasks.completion.heard import NEVER, Heard, log_days
from tasks.completion.orders import Orders


@dataclass(frozen=True, eq=False)
class Spans:
    """R spans of orders, in ascending order of `seen`.

    `seen`: int64 [R] microseconds, the first cutoff that sees the span's end. `began`: int64 [R], the first cutoff that
    saw its begin. `order`: int64 [R]. `event`: int64 [R], row of `Orders.events` with which it began, or which ended
    it; `status`: int64 [R], the code of that event. `log_days`: float64 [R], its length.
    """

    seen: np.ndarray
    began: np.ndarray
    order: np.ndarray
    event: np.ndarray
    status: np.ndarray
    log_days: np.ndarray

    @staticmethod
    def of(
        orders: Orders, seen: np.ndarray, began: np.ndarray, order: np.ndarray, event: np.ndarray, length: np.ndarray
    ) -> Spans:
        """Of spans in any order, those that are ever seen; `length`: int64 [R] microseconds."""
        kept = np.flatnonzero(seen < NEVER)
        kept = kept[np.argsort(seen[kept], kind="stable")]
        status = orders.events.columns["status"][event[kept]].astype(np.int64)
        return Spans(seen[kept], began[kept], order[kept], event[kept], status, log_days(length[kept]))

    def take(self, index: np.ndarray) -> Spans:
        """Some of the spans, by ascending int64 positions or a bool mask."""
        return Spans(*(getattr(self, column.name)[index] for column in fields(self)))


def remaining(orders: Orders, heard: Heard) -> Spans:
    """From each event of an order to its completion; `status` is that of the event. The event PLACED gives the whole
    duration of the order."""
    completed = heard.completed[heard.order_of]
    length = heard.completed_at[heard.order_of] - heard.occurred
    seen = np.where((completed < NEVER) & (length > 0), np.maximum(completed, heard.event), NEVER)
    return Spans.of(orders, seen, heard.event, heard.order_of, np.arange(len(seen)), length)


def gaps(orders: Orders, heard: Heard) -> Spans:
    """To each event of an order from the one before that was known by then; `event` and `status` are those of the
    latter. Nothing of orders that were complete or cancelled by then."""
    before, _ = orders.once(known_before)
    row = np.flatnonzero(before >= 0)
    before = before[row]
    seen = heard.event[row]
    seen = np.where(seen >= heard.gone[heard.order_of[row]], NEVER, seen)
    length = heard.occurred[row] - heard.occurred[before]
    return Spans.of(orders, seen, heard.event[before], heard.order_of[row], row, length)

"""What all looks at the past share: when things were heard of, spans that ended, and the norm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting.histories import changes
from tasks.completion.expected import Expected
from tasks.completion.heard import Heard
from tasks.completion.orders import Orders
from tasks.completion.spans import Spans, remaining


@dataclass(frozen=True, eq=False)
class Past:
    """All that happened, each thing with the cutoff that first sees it. `status`: int64 [R], of each event."""

    orders: Orders
    heard: Heard
    remaining: Spans
    expected: Expected
    status: np.ndarray

    @staticmethod
    def of(orders: Orders) -> Past:
        """Of all orders."""
        heard = Heard.of(orders)
        spans = remaining(orders, heard)
        status = orders.events.columns["status"].astype(np.int64)
        return Past(orders, heard, spans, Expected.of(orders, heard, spans), status)

    @cached_property
    def placements(self) -> np.ndarray:
        """The first cutoff that sees each order, int64 [N] microseconds, ascending."""
        return np.sort(self.heard.order)

    @cached_property
    def completions(self) -> np.ndarray:
        """The first cutoff that sees each completion, int64 [N] microseconds, ascending; NEVER at the end."""
        return np.sort(self.heard.completed)

    @cached_property
    def _firsts(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys order x statuses + status, int64 ascending, and the event of each that is heard of first."""
        key = self.heard.order_of * len(self.orders.statuses) + self.status
        row = np.lexsort((self.heard.event, key))
        row = row[changes(key[row])]
        return key[row], row

    def first_events(self, order: np.ndarray, status: np.ndarray) -> np.ndarray:
        """The event of an order (int64 [n]) with a status (int64 [n]) that was heard of first, as a row of
        `Orders.events`, int64 [n]; -1 where there never is one."""
        keys, rows = self._firsts
        wanted = order * len(self.orders.statuses) + status
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, rows[place], -1)

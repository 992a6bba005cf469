"""Which events came before each, as far as that was known by then."""

from __future__ import annotations

import numpy as np

from tasks.completion.orders import Orders
from tasks.completion.records import TICK


def known_before(orders: Orders) -> tuple[np.ndarray, np.ndarray]:
    """(row, count), int64 [R] each: of the events of its order before each one (by the rows' order) that a cutoff saw
    which saw this one first, the latest as a row, -1 for none, and how many there were.

    The row above is not the same: what is told of late may come to stand between two events long after they were seen,
    and nothing learnt of them may change by it.
    """
    events = orders.events
    every = np.arange(len(events.occurred_at))
    first = np.repeat(events.offsets[:-1], events.lengths)
    row = np.where(every > first, every - 1, -1)
    count = every - first
    if events.on_time:
        return row, count
    seen = np.maximum(events.occurred_at + TICK, events.known_at)
    falls = np.flatnonzero((seen[1:] < seen[:-1]) & (first[1:] == first[:-1])) + 1
    mine = every[np.isin(first, first[falls])]  # orders of which something was told of late: few, as a rule
    row[mine], count[mine] = -1, 0
    back = 1
    while len(mine := mine[mine - back >= first[mine]]):  # as often as such an order has events
        other = mine - back
        known = seen[other] <= seen[mine]
        count[mine] += known
        row[mine] = np.where(known & (row[mine] < 0), other, row[mine])
        back += 1
    return row, count

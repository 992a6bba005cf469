"""Status events, and how long their orders took from there: what baselines learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.task import Cases, Instant
from tasks.completion.durations import SHORTEST_DAYS
from tasks.completion.folds import event_cases
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes

RECENT_DAYS = 240.0
"""Events so old teach nothing where there are enough younger ones: what orders take drifts."""

ENOUGH = 200
"""Events of completed orders that are enough."""

MOST_EVENTS = 100_000
"""Events that baselines learn from: more take longer and tell no more."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Watched:
    """n events at which orders are forecast, as known at an instant, in order of their cutoffs: rows `event` of
    `orders.events` and their orders, int64 [n]; `days` float64 [n] from the event to completion where `completed` (bool
    [n]), else as long as the order has been watched without one; `ago` float64 [n], days from the event to that
    instant. `lost`: the share of orders that are never completed."""

    event: np.ndarray
    order: np.ndarray
    days: np.ndarray
    completed: np.ndarray
    ago: np.ndarray
    lost: float

    def __len__(self) -> int:
        """How many events there are."""
        return len(self.event)

    def take(self, index: np.ndarray) -> Watched:
        """Those at `index`, positions or a mask."""
        return replace(
            self,
            event=self.event[index],
            order=self.order[index],
            days=self.days[index],
            completed=self.completed[index],
            ago=self.ago[index],
        )


def watched(orders: Orders, options: CompletionOptions, until: Instant) -> Watched:
    """The events at a stage that are known at `until`, of orders neither complete nor cancelled; an order is watched
    until it counts as lost."""
    events = orders.events
    row = np.arange(len(events.occurred_at))
    row = row[events.visible(row, until)]
    cases = event_cases(orders, row)
    cases = cases.take(cases.cutoff <= until)
    limit = limit_days(orders, options, until)
    became = outcomes(orders, cases, until, limit)
    kept = became.completed | (became.days > 0)
    cases, became = cases.take(kept), became.take(kept)
    days = np.maximum(became.days + elapsed_days(orders, cases), SHORTEST_DAYS)
    ago = (until - events.occurred_at[cases.columns["event"]]) / _DAY
    return Watched(cases.columns["event"], cases.entity, days, became.completed, ago, lost_share(orders, until, limit))


def lost_share(orders: Orders, until: Instant, limit: float) -> float:
    """The share of the orders placed `limit` days before `until` or earlier, and not cancelled, that were not completed
    within so many days; 0 where there is none."""
    if not np.isfinite(limit):
        return 0.0
    days = np.timedelta64(round(limit * 86_400e6), "us")
    every = slice(None)
    old = orders.placed(every, until) & (orders.placed_at + days <= until) & ~orders.cancelled(every, until)
    in_time = orders.completed(every, until) & (orders.completed_at - orders.placed_at <= days)
    return float((old & ~in_time).sum() / max(old.sum(), 1))


def lately(orders: Orders, seen: Watched) -> Watched:
    """Those of the last RECENT_DAYS; all where those are not ENOUGH. About MOST_EVENTS at the most: those of some
    orders, by a hash of their ids, the same ones whoever else there is."""
    young = seen.ago <= RECENT_DAYS
    if np.count_nonzero(seen.completed & young) >= ENOUGH:
        seen = seen.take(young)
    if len(seen) <= MOST_EVENTS:
        return seen
    hashed = stable_hash(orders.events.entities[seen.order])
    return seen.take(hashed < np.uint64(MOST_EVENTS / len(seen) * 2.0**64))


def elapsed_days(orders: Orders, cases: Cases) -> np.ndarray:
    """Days from each case's latest event to its cutoff, float64 [n]."""
    return (cases.cutoff - orders.events.occurred_at[cases.columns["event"]]) / _DAY

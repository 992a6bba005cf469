"""How much work waits at a place as of a cutoff, against how much is usual there.

Where orders pile up, the next ones wait; and where what was shipped does not arrive, something is wrong on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import stages
from tasks.completion.heard import DAY, NEVER, Heard, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.pools import pooled
from tasks.completion.running_totals import RunningTotals

FORGOTTEN_DAYS = 60
"""An order open for longer than this no longer counts as waiting: lost ones would count for ever."""

USUAL_DAYS = 28
"""Over how many days before the cutoff is looked for what is usual, at the hour of the cutoff on the same weekday."""


@dataclass(frozen=True, eq=False)
class Ledger:
    """When what belongs to groups came and went; `began`: the first cutoff, in microseconds, that sees any of it."""

    came: RunningTotals
    went: RunningTotals
    began: int

    def figures(self, group: np.ndarray, cutoff: np.ndarray, name: str) -> dict[str, np.ndarray]:
        """What is there of the group of each case (int64 [n]) at its cutoff (int64 [n] microseconds), as log(1 + x),
        and the log of that against what is usual, one added to each; float64 [n] each, by `name` and NAME_pace."""
        now = self._there(group, cutoff)
        before = [self._there(group, cutoff - days * DAY) for days in range(7, USUAL_DAYS + 1, 7)]
        return {name: np.log1p(now), f"{name}_pace": self._pace(now, np.mean(before, axis=0), cutoff)}

    def arrivals(self, group: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
        """What came in the last week, as `figures` has it, and against an average week of the last four."""
        week, month = (self.seen(group, cutoff) - self.seen(group, cutoff - days * DAY) for days in (7, USUAL_DAYS))
        return {"came": np.log1p(week), "came_pace": self._pace(week, month * 7 / USUAL_DAYS, cutoff)}

    def seen(self, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """How many of the group ever came, float64 [n]."""
        return _count(self.came, group, cutoff)

    def _there(self, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """How many came and have not gone, float64 [n]: a difference of counts, and so exact."""
        return _count(self.came, group, cutoff) - _count(self.went, group, cutoff)

    def _pace(self, now: np.ndarray, usual: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        return np.where(cutoff - USUAL_DAYS * DAY >= self.began, np.log((now + 1) / (usual + 1)), np.nan)


def _count(rows: RunningTotals, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    return rows.between(group, np.zeros_like(cutoff), rows.rank(cutoff))[0]


@dataclass(frozen=True, eq=False)
class Movements:
    """What comes and goes, whatever it is grouped by: int64 [R] microseconds each, the first cutoffs that see it, in
    ascending order, and which row of R each is (`first`, `last`)."""

    came: np.ndarray
    went: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @staticmethod
    def of(came: np.ndarray, went: np.ndarray) -> Movements:
        """From rows in any order; what goes before it came was never there."""
        went = np.maximum(went, came)
        first, last = np.argsort(came, kind="stable"), np.argsort(went, kind="stable")
        return Movements(came[first], went[last], first, last)

    def ledger(self, group: np.ndarray) -> Ledger:
        """The ledger of rows by group, int [R], -1 for none."""
        came, went = RunningTotals.of(self.came, group[self.first]), RunningTotals.of(self.went, group[self.last])
        return Ledger(came, went, int(self.came[0]) if len(self.came) else NEVER)


@dataclass(frozen=True, eq=False)
class Books:
    """Of orders by origin (int64 [N], `pooled`), of orders at a status in groups of origin x statuses + status; of all
    orders, and of all at a status."""

    origin: np.ndarray
    orders: Ledger
    stages: Ledger
    every: Ledger
    every_stage: Ledger

    @staticmethod
    def of(orders: Orders) -> Books:
        """Of all orders."""
        past = orders.once(Past.of)
        heard, count = past.heard, len(orders.statuses)
        gone = np.minimum(heard.gone, heard.order + FORGOTTEN_DAYS * DAY)
        whole = Movements.of(heard.order, gone)
        at_stage = Movements.of(heard.event, np.minimum(_followed(heard), gone[heard.order_of]))
        nowhere = np.zeros(len(orders), np.int64)
        origin = pooled(orders, "origin")
        by_stage = origin[heard.order_of] * count + past.status
        return Books(
            origin, whole.ledger(origin), at_stage.ledger(by_stage), whole.ledger(nowhere), at_stage.ledger(past.status)
        )


def backlog_figures(orders: Orders, cases: Cases) -> dict[str, np.ndarray]:
    """How much work there is at the case's origin, float64 [n] each: orders that are `open`, those whose latest status
    is that of the case itself (`waiting`), and those that `came` in the last week. And each against what is usual there
    (`..._pace`, NaN before there is enough of records), less the same of all orders: a season is busy everywhere,
    passes, and does not come back as it was. Where all orders seen so far came from one origin, nothing is taken off.
    """
    books, cutoff = orders.once(Books.of), microseconds(cases.cutoff)
    status = stages(orders, cases).astype(np.int64)
    mine = books.origin[cases.entity]
    everywhere = np.zeros_like(mine)
    found = books.orders.figures(mine, cutoff, "open") | books.orders.arrivals(mine, cutoff)
    found |= books.stages.figures(mine * len(orders.statuses) + status, cutoff, "waiting")
    every = books.every.figures(everywhere, cutoff, "open") | books.every.arrivals(everywhere, cutoff)
    every |= books.every_stage.figures(status, cutoff, "waiting")
    others = books.orders.seen(mine, cutoff) < books.every.seen(everywhere, cutoff)
    for name, values in every.items():
        if name.endswith("_pace"):
            found[name] = np.where(others, found[name] - values, found[name])
    return {f"origin_{name}": values for name, values in found.items()}


def _followed(heard: Heard) -> np.ndarray:
    """The first cutoff that sees a later event of the same order, int64 [R] microseconds: until then the status of an
    event is the latest. NEVER where none follows."""
    size = len(heard.event)
    by_seen = np.argsort(heard.event, kind="stable")
    rank = np.empty(size, np.int64)
    rank[by_seen] = np.arange(size)
    # From the end, orders come in falling order: their numbers keep each one's minimum from the next one's.
    lowest = np.minimum.accumulate((rank + heard.order_of * size)[::-1])[::-1] - heard.order_of * size
    found = np.full(size, NEVER)
    follows = np.flatnonzero(heard.order_of[1:] == heard.order_of[:-1])
    found[follows] = heard.event[by_seen[lowest[follows + 1]]]
    return found

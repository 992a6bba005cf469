"""How much work waits at a place as of a cutoff, against how much is usual there.

Where orders pile up, the next ones wait; and where what was shipped does not arrive, something is wrong on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import stages
from tasks.completion.heard import DAY, NEVER, Heard, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.running_totals import RunningTotals

PLACES = ("origin", "origin_area", "destination")
"""Labels of where work piles up."""

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

    def figures(self, group: np.ndarray, cutoff: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
        """What is there of the group of each case (int [n], -1 unknown) at its cutoff (int64 [n] microseconds), as
        log(1 + x), and the log of that against what is usual, one added to each; NaN where unknown."""
        known = group >= 0
        now = self._there(group, cutoff)
        before = [self._there(group, cutoff - days * DAY) for days in range(7, USUAL_DAYS + 1, 7)]
        pace = np.log((now + 1) / (np.mean(before, axis=0) + 1))
        told = known & (cutoff - USUAL_DAYS * DAY >= self.began)
        return {prefix: np.where(known, np.log1p(now), np.nan), f"{prefix}_pace": np.where(told, pace, np.nan)}

    def arrivals(self, group: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
        """What came in the last week, as `figures` has it, and against an average week of the last four."""
        known = group >= 0
        week, month = (
            self.came.between(group, self.came.rank(cutoff - days * DAY), self.came.rank(cutoff))[0]
            for days in (7, USUAL_DAYS)
        )
        told = known & (cutoff - USUAL_DAYS * DAY >= self.began)
        pace = np.log((week + 1) / (month * 7 / USUAL_DAYS + 1))
        return {"came": np.where(known, np.log1p(week), np.nan), "came_pace": np.where(told, pace, np.nan)}

    def _there(self, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """How many came and have not gone, float64 [n]: a difference of counts, and so exact."""
        nothing = np.zeros_like(cutoff)
        came, went = (rows.between(group, nothing, rows.rank(cutoff))[0] for rows in (self.came, self.went))
        return came - went


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
    """Ledgers by label: of orders, and of orders at a status, in groups of label x statuses + status."""

    orders: Mapping[str, Ledger]
    stages: Mapping[str, Ledger]

    @staticmethod
    def of(orders: Orders) -> Books:
        """Of all orders that have one of the labels PLACES."""
        past = orders.once(Past.of)
        heard, count = past.heard, len(orders.statuses)
        gone = np.minimum(heard.gone, heard.order + FORGOTTEN_DAYS * DAY)
        whole = Movements.of(heard.order, gone)
        at_stage = Movements.of(heard.event, np.minimum(_followed(heard), gone[heard.order_of]))
        codes = {name: orders.labels[name].astype(np.int64) for name in PLACES if name in orders.labels}
        held = {name: code[heard.order_of] for name, code in codes.items()}
        return Books(
            {name: whole.ledger(code) for name, code in codes.items()},
            {name: at_stage.ledger(_coded(code, past.status, count)) for name, code in held.items()},
        )


def backlog_figures(orders: Orders, cases: Cases) -> dict[str, np.ndarray]:
    """Of the group that each label of PLACES gives a case, float64 [n] each, NaN where unknown: orders that are `open`,
    those whose latest status is that of the case itself (`waiting`), each against what is usual (`..._pace`), and
    orders that `came` in the last week, against those of the last four (`came_pace`)."""
    books, cutoff = orders.once(Books.of), microseconds(cases.cutoff)
    found: dict[str, np.ndarray] = {}
    for name in books.orders:
        mine = orders.labels[name][cases.entity].astype(np.int64)
        here = _coded(mine, stages(orders, cases), len(orders.statuses))
        figures = books.orders[name].figures(mine, cutoff, "open") | books.orders[name].arrivals(mine, cutoff)
        figures |= books.stages[name].figures(here, cutoff, "waiting")
        found |= {f"{name}_{figure}": values for figure, values in figures.items()}
    return found


def _coded(group: np.ndarray, status: np.ndarray, statuses: int) -> np.ndarray:
    return np.where(group >= 0, group * statuses + status, -1)


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

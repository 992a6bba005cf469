"""How much work waits at a place as of a cutoff, against how much is usual there.

Where orders pile up, the next ones wait; and where what was shipped does not arrive, something is wrong on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import stages
from tasks.completion.heard import DAY, NEVER, Heard, microseconds
from tasks.completion.past import Past
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

    @staticmethod
    def of(came: np.ndarray, went: np.ndarray, group: np.ndarray) -> Ledger:
        """`came`, `went`: int64 [R] microseconds, the first cutoffs that see it; `group`: int [R], -1 for none."""
        went = np.maximum(went, came)
        first, last = np.argsort(came, kind="stable"), np.argsort(went, kind="stable")
        return Ledger(
            RunningTotals.of(came[first], group[first]),
            RunningTotals.of(went[last], group[last]),
            int(came.min(initial=NEVER)),
        )

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


def backlog_figures(past: Past, cases: Cases, labels: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Of the group that each of `labels` gives a case, float64 [n] each, NaN where unknown: orders that are `open`,
    those whose latest status is that of the case itself (`waiting`), each against what is usual (`..._pace`), and
    orders that `came` in the last week, against those of the last four (`came_pace`)."""
    orders, heard, cutoff = past.orders, past.heard, microseconds(cases.cutoff)
    gone = np.minimum(heard.gone, heard.order + FORGOTTEN_DAYS * DAY)
    status, count = past.status, len(orders.statuses)
    replaced = np.minimum(_followed(heard), gone[heard.order_of])
    found: dict[str, np.ndarray] = {}
    for label in labels:
        code = orders.labels[label].astype(np.int64)
        mine = code[cases.entity]
        every = Ledger.of(heard.order, gone, code)
        figures = every.figures(mine, cutoff, "open") | every.arrivals(mine, cutoff)
        held = code[heard.order_of]
        at_stage = Ledger.of(heard.event, replaced, np.where(held >= 0, held * count + status, -1))
        here = np.where(mine >= 0, mine * count + stages(orders, cases), -1)
        figures |= at_stage.figures(here, cutoff, "waiting")
        found |= {f"{label}_{name}": values for name, values in figures.items()}
    return found


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

"""How many orders are open at a place as of a cutoff, against how many are usual there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.histories import Histories
from forecasting.task import Cases
from tasks.completion.orders import Orders

FORGOTTEN_DAYS = 60
"""An order open for longer than this no longer counts as work to be done: it would count for ever."""

_WEEKS_BACK = (7, 14, 21, 28)
_MICROSECOND = np.timedelta64(1, "us")


@dataclass(frozen=True, eq=False)
class Ledger:
    """When orders of each group came and went, as anybody could know it: `came` and `went` are histories of groups.

    Orders of no group (code -1) are in neither."""

    came: Histories
    went: Histories

    def open(self, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """Open orders of groups, int64 [n] codes of 0 and above, that cutoffs (datetime64[us] [n]) know of: int64 [n].
        Differences of counts, and so exact."""
        return self._before(self.came, group, cutoff) - self._before(self.went, group, cutoff)

    def arrived(self, group: np.ndarray, cutoff: np.ndarray, days: int) -> np.ndarray:
        """Orders that came in the last `days` before the cutoffs, int64 [n]."""
        back = cutoff - np.timedelta64(days, "D")
        return self._before(self.came, group, cutoff) - self._before(self.came, group, back)

    @staticmethod
    def _before(rows: Histories, group: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        return rows.stop(group, cutoff) - rows.offsets[group]


def ledger(orders: Orders, codes: np.ndarray, groups: int) -> Ledger:
    """The ledger of orders grouped by `codes`, int [N] of 0 ... groups - 1, -1 for none."""
    came = np.maximum(orders.placed_at + _MICROSECOND, orders.known_at)
    completed = np.maximum(orders.completed_at + _MICROSECOND, orders.completion_known_at)
    cancelled = orders.cancelled_at + _MICROSECOND
    went = np.fmin(np.fmin(completed, cancelled), came + np.timedelta64(FORGOTTEN_DAYS, "D"))
    return Ledger(_by_group(came, codes, groups), _by_group(np.maximum(went, came), codes, groups))


def _by_group(instants: np.ndarray, codes: np.ndarray, groups: int) -> Histories:
    """`instants` as of which a cutoff counts a row, as histories: a row counts where it is at or before the cutoff."""
    kept = np.flatnonzero(codes >= 0)
    order = kept[np.lexsort((instants[kept], codes[kept]))]
    offsets = np.append(0, np.cumsum(np.bincount(codes[kept], minlength=groups))).astype(np.int64)
    at = instants[order] - _MICROSECOND  # `Histories.stop` asks for what occurred before the cutoff
    return Histories(np.arange(groups).astype(object), offsets, at, at)


def backlog(orders: Orders, cases: Cases, group: str) -> dict[str, np.ndarray]:
    """Of the group of a label (`origin`), float64 [n] each, NaN where a case has no group: `open` orders, how many that
    is against the mean of the same hour one to four weeks ago (`open_pace`), orders that `came` in the last week, and
    those against the last four weeks (`came_pace`). Counts as log(1 + x), paces as logs of ratios, one added to each.
    """
    codes = orders.labels[group]
    book = ledger(orders, codes, len(orders.label_names[group]))
    found = {name: np.full(len(cases), np.nan) for name in ("open", "open_pace", "came", "came_pace")}
    known = np.flatnonzero(codes[cases.entity] >= 0)
    if not len(known):
        return found
    mine, cutoff = codes[cases.entity[known]].astype(np.int64), cases.cutoff[known]
    now = book.open(mine, cutoff)
    before = sum(book.open(mine, cutoff - np.timedelta64(days, "D")) for days in _WEEKS_BACK) / len(_WEEKS_BACK)
    week, month = book.arrived(mine, cutoff, 7), book.arrived(mine, cutoff, 28)
    found["open"][known] = np.log1p(now)
    # before there are four weeks of records, what is usual is not known
    begun = book.came.occurred_at.min() <= cutoff - np.timedelta64(_WEEKS_BACK[-1], "D")
    found["open_pace"][known] = np.where(begun, np.log((now + 1) / (before + 1)), np.nan)
    found["came"][known] = np.log1p(week)
    found["came_pace"][known] = np.where(begun, np.log((week + 1) / (month / 4 + 1)), np.nan)
    return found

"""Whether orders are completed faster or slower than usual of late, told from those still open as well as from those
done.

Completions in a window over those expected among all orders open in it: an order that should have arrived and has not
says so on that very day, weeks before its own long duration is known. A strike shows within days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasks.completion.heard import DAY, NEVER
from tasks.completion.running_totals import FIXED, RunningTotals
from tasks.completion.usual_pace import Pace

PRIOR = 8.0
"""Ends that the pace of everybody counts in that of a group, and the usual pace in that of everybody."""

EVERYBODY = "all"
"""The name of all orders together."""


def ended_over_expected(
    pace: Pace, labels: Mapping[str, np.ndarray], order: np.ndarray, cutoff: np.ndarray, days: int
) -> dict[str, np.ndarray]:
    """log (ends observed + PRIOR) / (ends expected + PRIOR) of the spells of `pace` in the `days` before the last
    midnight (UTC) of each cutoff: float64 [n], of all orders (EVERYBODY), and for each of `labels` (int [N] by name, -1
    for none) of the group of each case, where all the others' ratio counts PRIOR times. `order`: int64 [n]; `cutoff`:
    int64 [n] microseconds. 0 where no pace is known.

    Whole days, as ends depend on the hour; and whole weeks are better still.
    """
    until = cutoff // DAY * DAY
    since = until - days * DAY
    midnights = np.unique(np.concatenate([since, until]))
    everybody = np.zeros(int(max(pace.spells.order.max(initial=0), order.max(initial=0))) + 1, np.int64)
    groups = {
        name: _Needed.of(label, order, midnights, since, until)
        for name, label in {EVERYBODY: everybody, **labels}.items()
    }
    going_on = _going_on(pace, midnights, groups)

    over = np.flatnonzero(pace.spells.end < NEVER)
    over = over[np.argsort(pace.spells.end[over], kind="stable")]
    end = pace.spells.end[over]
    ended, gathered = pace.ended[over].astype(np.float64), pace.accrued(over, end)
    figures: dict[str, np.ndarray] = {}
    for name, group in groups.items():
        totals = RunningTotals.of(end, group.label[pace.spells.order[over]], ended, gathered)
        _, (observed, expected) = totals.between(group.label[order], totals.rank(since), totals.rank(until))
        expected += group.look_up(going_on[name], order, np.searchsorted(midnights, until))
        expected -= group.look_up(going_on[name], order, np.searchsorted(midnights, since))
        usual = 1.0 if name == EVERYBODY else np.exp(figures[EVERYBODY])
        figures[name] = np.log((observed + PRIOR * usual) / (np.maximum(expected, 0.0) + PRIOR))
    return figures


@dataclass(frozen=True, eq=False)
class _Needed:
    """Groups at midnights that cases ask for. `label`: int64 [N], the group of each order, -1 for none. `keys`: int64,
    ascending: group x midnights + place among the midnights."""

    label: np.ndarray
    midnights: int
    keys: np.ndarray

    @staticmethod
    def of(label: np.ndarray, order: np.ndarray, midnights: np.ndarray, *asked: np.ndarray) -> _Needed:
        """What cases of orders (int64 [n]) ask for: at each of `asked`, int64 [n] each, all among `midnights`."""
        needed = _Needed(label.astype(np.int64), len(midnights), np.empty(0, np.int64))
        keys = np.unique(np.concatenate([needed.key(order, np.searchsorted(midnights, at)) for at in asked]))
        return _Needed(needed.label, len(midnights), keys[keys >= 0])

    def key(self, order: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Of orders at places among the midnights, int64; -1 without a group."""
        group = self.label[order]
        return np.where(group >= 0, group * self.midnights + place, -1)

    def find(self, order: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The position of each in `keys`, int64; `len(keys)` for what nobody needs."""
        key = self.key(order, place)
        at = np.searchsorted(self.keys, key)
        there = np.append(self.keys, -2)[at] == key
        return np.where(there, at, len(self.keys))

    def look_up(self, values: np.ndarray, order: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The `values`, float64 of each of `keys`, of orders at places; 0 for what has none."""
        return np.append(values, 0.0)[self.find(order, place)]


def _going_on(pace: Pace, midnights: np.ndarray, groups: Mapping[str, _Needed]) -> dict[str, np.ndarray]:
    """What the spells that go on at midnights have gathered by then, for each key of each group: float64."""
    sums = {name: np.zeros(len(group.keys) + 1) for name, group in groups.items()}
    for spell, place in pace.pairs(midnights):
        # whole numbers, whose sums do not depend on what else is added up
        gathered = np.rint(pace.accrued(spell, midnights[place]) * FIXED)
        order = pace.spells.order[spell]
        for name, group in groups.items():
            sums[name] += np.bincount(group.find(order, place), gathered, minlength=len(group.keys) + 1)
    return {name: total[:-1] / FIXED for name, total in sums.items()}

"""Whether orders move on faster or slower than usual of late, told from those still open as well as from those done.

Completions in a window over those expected among all orders open in it: an order that should have arrived and has not
says so on that very day, weeks before its own long duration is known. A strike shows within days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.completion.earlier import known_before
from tasks.completion.heard import DAY, NEVER
from tasks.completion.levels import Levels
from tasks.completion.past import Past
from tasks.completion.running_totals import FIXED, RunningTotals
from tasks.completion.spans import gaps
from tasks.completion.spells import Spells
from tasks.completion.usual_pace import Pace

PRIOR = 8.0
"""Ends that the pace of everybody counts in that of a group."""

WINDOWS = (3, 7, 14, 28)
"""Days over which ends of all orders are counted."""

GROUP_WINDOWS = (7, 28)

_NORM_DAYS = 90.0


def drift_figures(past: Past, order: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    """Figures by name, float64 [n], of cases of orders (int64 [n]) at cutoffs (int64 [n] microseconds): the log of what
    ended over what was expected to, up to the midnight before the cutoff, 0 where that is unknown; `done`: orders that
    were completed; `moved`: that went on to another status. Of all, and of the groups of each label, in which all count
    PRIOR times."""
    orders, statuses = past.orders, len(past.orders.statuses)
    spells = Spells.of(past.heard)
    figures: dict[str, np.ndarray] = {}
    done = Pace.of(
        spells, spells.completed, past.status[spells.event], past.expected.at_event[spells.event], statuses
    )
    figures |= _named("done", ended_over_expected(done, orders.labels, order, cutoff))
    if statuses > 1:
        moved = Pace.of(spells, spells.moved, past.status[spells.event], _until_next(past)[spells.event], statuses)
        labels = {name: label for name, label in orders.labels.items() if name in ("origin", "origin_area")}
        figures |= _named("moved", ended_over_expected(moved, labels, order, cutoff))
    return figures


def _named(prefix: str, figures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{prefix}_{name}": values for name, values in figures.items()}


def _until_next(past: Past) -> np.ndarray:
    """The mean log days lately from each event to the next one of its order, as of the cutoff that first sees it: of
    the same status and origin, float64 [R]."""
    orders, heard = past.orders, past.heard
    spans = gaps(orders, heard)
    spans = replace(spans, status=past.status[orders.once(known_before)[0][spans.event]])
    level = np.full(len(past.status), np.nan)
    labels = [np.zeros(len(orders), np.int64), *(orders.labels[name] for name in ("origin",) if name in orders.labels)]
    for label in labels:
        levels = Levels.of(spans, label, len(orders.statuses), spans.log_days)
        level, _ = levels.at(heard.order_of, past.status, heard.event, _NORM_DAYS, level)
    return level


@dataclass(frozen=True, eq=False)
class _Group:
    """Groups by `label` (int64 [N], -1: none) at midnights: `needed`: int64, ascending, group x midnights + midnight."""

    label: np.ndarray
    needed: np.ndarray
    midnights: int

    def keys(self, order: np.ndarray, place: np.ndarray) -> np.ndarray:
        label = self.label[order].astype(np.int64)
        return np.where(label >= 0, label * self.midnights + place, -1)


def ended_over_expected(
    pace: Pace, labels: Mapping[str, np.ndarray], order: np.ndarray, cutoff: np.ndarray
) -> dict[str, np.ndarray]:
    """log (ends observed + prior) / (ends expected + prior) of the spells of `pace` in the days before the last midnight
    (UTC) of each cutoff, by "all_3d", "all_7d", ... and "LABEL_7d", ...: float64 [n]. `labels`: int [N] by name."""
    midnight = cutoff // DAY * DAY
    instants = np.unique(np.concatenate([midnight, *(midnight - days * DAY for days in WINDOWS)]))
    groups: dict[str, tuple[_Group, Sequence[int]]] = {}
    for name, label in {"all": np.zeros(len(pace.spells.order), np.int64), **labels}.items():
        every = name == "all"
        if every:
            label = np.zeros(int(max(pace.spells.order.max(initial=0), order.max(initial=0))) + 1, np.int64)
        windows = WINDOWS if every else GROUP_WINDOWS
        group = _Group(label, np.empty(0, np.int64), len(instants))
        places = [np.searchsorted(instants, midnight - days * DAY) for days in (0, *windows)]
        needed = np.unique(np.concatenate([group.keys(order, place) for place in places]))
        groups[name] = (replace(group, needed=needed[needed >= 0]), windows)
    gathered = _gathered(pace, instants, {name: group for name, (group, _) in groups.items()})

    over = np.flatnonzero(pace.spells.end < NEVER)
    over = over[np.argsort(pace.spells.end[over], kind="stable")]
    end = pace.spells.end[over]
    total = pace.accrued(over, end)
    figures: dict[str, np.ndarray] = {}
    for name, (group, windows) in groups.items():
        label = group.label[pace.spells.order[over]]
        totals = RunningTotals.of(end, label, pace.ended[over].astype(np.float64), total)
        mine = group.label[order].astype(np.int64)
        until = totals.rank(midnight)
        now = _look_up(group, gathered[name], order, np.searchsorted(instants, midnight))
        for days in windows:
            since = midnight - days * DAY
            before = _look_up(group, gathered[name], order, np.searchsorted(instants, since))
            _, (observed, expected) = totals.between(mine, totals.rank(since), until)
            expected = np.maximum(expected + now - before, 0.0)
            pace_of_all = 1.0 if name == "all" else np.exp(figures[f"all_{days}d"])
            figures[f"{name}_{days}d"] = np.log((observed + PRIOR * pace_of_all) / (expected + PRIOR))
    return figures


def _gathered(pace: Pace, instants: np.ndarray, groups: Mapping[str, _Group]) -> dict[str, np.ndarray]:
    """What the spells that go on at midnights have gathered by then, by group: float64, for each key needed."""
    sums = {name: np.zeros(len(group.needed)) for name, group in groups.items()}
    for spell, place in pace.pairs(instants):
        # whole numbers, whose sums do not depend on what else is added up
        value = np.rint(pace.accrued(spell, instants[place]) * FIXED)
        order = pace.spells.order[spell]
        for name, group in groups.items():
            if not len(group.needed):
                continue
            key = group.keys(order, place)
            at = np.minimum(np.searchsorted(group.needed, key), len(group.needed) - 1)
            hit = group.needed[at] == key
            sums[name] += np.bincount(at[hit], value[hit], minlength=len(group.needed))
    return {name: total / FIXED for name, total in sums.items()}


def _look_up(group: _Group, gathered: np.ndarray, order: np.ndarray, place: np.ndarray) -> np.ndarray:
    key = group.keys(order, place)
    at = np.minimum(np.searchsorted(group.needed, key), max(len(group.needed) - 1, 0))
    return np.where(key >= 0, gathered[at], 0.0) if len(gathered) else np.zeros(len(order))

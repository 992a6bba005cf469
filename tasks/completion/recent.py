"""The latest orders of the same group, as a sequence: those completed, and those open for longer than usual."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasting.histories import Histories
from forecasting.task import Cases
from tasks.completion.heard import DAY, NEVER, log_days, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.pools import pooled
from tasks.completion.snapshot import Steps

NAMES = (
    "log_days",
    "surprise",
    "log_rest",
    "rest_surprise",
    "complete",
    "since",
    "distance",
    "same_origin",
    "same_destination",
    "lateness",
)
"""Columns of the steps: the log of the days from placed to complete, or so far; that less what was expected when it was
placed; the log of the days from the stage of the case to complete, and that less what was expected then (NaN where it
is not complete or had no such stage); 1 complete, 0 open; log(1 + days) since it was completed or went over what was
expected; log of its distance over that of the case (50 km added to both); whether it has the same origin and the same
destination; how late it was by its promise, sign(x) log(1 + |x|) of days."""

_NEAR_KM = 50.0
_BLOCK = 1 << 14


def recent(orders: Orders, cases: Cases, group: str, length: int, *, pool: bool = False) -> Steps:
    """The last `length` orders of the same `group` (a name of `Orders.labels`) that were completed, or are open and
    took longer already than was expected when they were placed, as each cutoff sees them: by the time at which that was
    heard or happened, newest last. `codes`: the status of the latest event. A case without a group has no steps;
    with `pool`, orders without one are one group (`tasks.completion.pools`).
    """
    past, told = orders.once(Past.of), orders.once(_ToldBy(group, pool))
    blocks = [
        _block(past, told, cases.take(np.arange(start, min(start + _BLOCK, len(cases)))), length)
        for start in range(0, max(len(cases), 1), _BLOCK)
    ]
    return replace(
        blocks[0],
        values=np.concatenate([block.values for block in blocks]),
        codes=np.concatenate([block.codes for block in blocks]),
        lengths=np.concatenate([block.lengths for block in blocks]),
    )


@dataclass(frozen=True, eq=False)
class _Told:
    """`label`: int [N], the group of each order, -1 for none. `rows`: what is told of each group (`_told`)."""

    label: np.ndarray
    rows: Histories


@dataclass(frozen=True)
class _ToldBy:
    """What `Orders.once` makes for a group: no case has a part in it."""

    group: str
    pool: bool

    def __call__(self, orders: Orders) -> _Told:
        label = orders.labels.get(self.group, np.full(len(orders), -1))
        label = pooled(orders, self.group) if self.pool else label
        return _Told(label, _told(orders.once(Past.of), label))


def _told(past: Past, label: np.ndarray) -> Histories:
    """What is told of each group, as histories by code: `order`, and whether it is `complete`. An order that goes over
    what was expected is told of until it is open no more, and again when it is complete."""
    heard, orders = past.heard, past.orders
    first = orders.events.offsets[:-1]  # the event PLACED
    expected = past.expected.at_event[first]
    known = np.isfinite(expected)
    span = np.exp(np.clip(np.where(known, expected, 0.0), -20, 15)) * DAY
    over = np.where(known, np.maximum(heard.placed + span.astype(np.int64), heard.order), NEVER)
    over = np.where(over < heard.gone, over, NEVER)
    complete = np.where(heard.completed_at > heard.placed, heard.completed, NEVER)
    count = len(orders)
    order = np.concatenate([np.arange(count), np.arange(count)])
    at = np.concatenate([over, complete])
    until = np.concatenate([heard.gone - 1, np.full(count, NEVER)])
    kept = np.flatnonzero((at < NEVER) & (label[order] >= 0))
    kept = kept[np.lexsort((at[kept], label[order[kept]]))]
    groups = int(label.max(initial=-1)) + 1
    offsets = np.concatenate([[0], np.cumsum(np.bincount(label[order[kept]], minlength=groups))]).astype(np.int64)
    instants = (at[kept] - 1).astype("datetime64[us]")
    return Histories(
        np.arange(groups).astype(object),
        offsets,
        instants,
        instants,
        {"order": order[kept], "complete": kept >= count},
        withdrawn_at=np.where(until[kept] < NEVER, until[kept].astype("datetime64[us]"), np.datetime64("NaT", "us")),
    )


def _block(past: Past, told: _Told, cases: Cases, length: int) -> Steps:
    orders, label, rows = past.orders, told.label, told.rows
    n = len(cases)
    values = np.zeros((n, length, len(NAMES)), np.float32)
    codes = np.full((n, length), -1, np.int32)
    lengths = np.zeros(n, np.int64)
    grouped = np.flatnonzero(label[cases.entity] >= 0) if n else np.empty(0, np.int64)
    if not len(grouped) or not len(rows.occurred_at):
        return Steps(values, codes, lengths, NAMES)
    window, mask = rows.window(label[cases.entity[grouped]], cases.cutoff[grouped], length)
    lengths[grouped] = mask.sum(axis=1)
    step, place = np.nonzero(mask)
    row = window[step, place]
    at = place - (length - lengths[grouped])[step]
    case = grouped[step]
    order, complete = rows.columns["order"][row], rows.columns["complete"][row]
    cutoff = microseconds(cases.cutoff)[case]
    values[case, at] = np.column_stack(_values(past, cases, case, order, complete, cutoff, rows.occurred_at[row]))
    latest, there = orders.events.window(order, cases.cutoff[case], 1)
    codes[case, at] = np.where(there[:, 0], past.status[latest[:, 0]], -1)
    return Steps(values, codes, lengths, NAMES)


def _values(
    past: Past,
    cases: Cases,
    case: np.ndarray,
    order: np.ndarray,
    complete: np.ndarray,
    cutoff: np.ndarray,
    told: np.ndarray,
) -> list[np.ndarray]:
    """Columns NAMES of steps: `order` int64 [m] as the cutoffs (int64 [m]) of cases (positions int64 [m]) see it."""
    orders, heard = past.orders, past.heard
    end = np.where(complete, heard.completed_at[order], cutoff)
    whole = log_days(end - heard.placed[order])
    first = orders.events.offsets[order]
    event = past.first_events(order, past.status[cases.columns["event"][case]])
    had = complete & (event >= 0)
    had &= heard.event[event] <= cutoff
    length = np.where(had, heard.completed_at[order] - heard.occurred[event], 0)
    rest = np.where(had & (length > 0), log_days(length), np.nan)
    mine = cases.entity[case]
    distance = np.log(orders.distance_km[order] + _NEAR_KM) - np.log(orders.distance_km[mine] + _NEAR_KM)
    due = microseconds(orders.due_at)[order]
    late = np.where(due < NEVER, (end - due) / DAY, np.nan)
    return [
        whole,
        whole - past.expected.at_event[first],
        rest,
        rest - past.expected.at_event[event],
        complete.astype(np.float64),
        np.log1p(np.maximum(cutoff - told.astype(np.int64), 0) / DAY),
        distance,
        *(_same(orders, name, mine, order) for name in ("origin", "destination")),
        np.sign(late) * np.log1p(np.abs(late)),
    ]


def _same(orders: Orders, name: str, mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether two orders have the same label, float64; NaN where one is unknown."""
    if name not in orders.labels:
        return np.full(len(mine), np.nan)
    one, two = orders.labels[name][mine], orders.labels[name][other]
    return np.where((one >= 0) & (two >= 0), (one == two).astype(np.float64), np.nan)

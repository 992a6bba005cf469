"""An order's own events as of a cutoff: how old they are, and the sequence that the network reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecasting.features.local_time import wall_clock
from forecasting.features.time import harmonics, log_gaps
from forecasting.histories import changes, ragged_ranges
from forecasting.task import Cases
from tasks.completion.orders import Orders
from tasks.completion.snapshot import Steps

OWN_STEPS = 16
"""How many of its own events an order's sequence holds at most: the latest ones."""

OWN_COLUMNS = ("gap", "age", "day_sin", "day_cos", "week_sin", "week_cos")
"""log(1 + days since the event before), log(1 + days to the cutoff), the hour and the weekday on the wall."""

_DAY = np.timedelta64(1, "D")


def own_figures(orders: Orders, cases: Cases, stages: Sequence[str]) -> dict[str, np.ndarray]:
    """Figures of each case's own events, float64 [n] each: log(1 + days) since the order was placed (`age`), since the
    latest event (`since_event`), between that and the one before (`last_gap`, NaN for the first), since each of
    `stages` was first reached (`since:STAGE`, NaN where it was not); log(1 + x) of how many `events` there were, and
    of how often the case's own status came `before`."""
    events, count = orders.events, len(cases)
    begin, stop = events.offsets[cases.entity], events.stop(cases.entity, cases.cutoff)
    row, case = ragged_ranges(begin, stop - begin), np.repeat(np.arange(count), stop - begin)
    if not events.on_time:
        seen = events.visible(row, cases.cutoff[case])
        row, case = row[seen], case[seen]
    age = (cases.cutoff[case] - events.occurred_at[row]) / _DAY
    status = events.columns["status"][row]
    own = events.columns["status"][cases.columns["event"]]
    latest, before_that = np.full(count, np.nan), np.full(count, np.nan)
    latest[case] = age  # of several, numpy keeps the last assignment: the newest
    follows = np.flatnonzero(~changes(case))
    before_that[case[follows]] = age[follows - 1]
    again = np.bincount(case[status == own[case]], minlength=count) - 1
    found = {
        "age": np.log1p((cases.cutoff - orders.placed_at[cases.entity]) / _DAY),
        "since_event": np.log1p(latest),
        "last_gap": np.log1p(before_that - latest),
        "events": np.log1p(np.bincount(case, minlength=count).astype(np.float64)),
        "before": np.log1p(np.maximum(again, 0).astype(np.float64)),
    }
    for stage in stages:
        code = np.flatnonzero(orders.statuses == stage)
        reached = np.full(count, np.nan)
        mine = np.flatnonzero(np.isin(status, code))[::-1]
        reached[case[mine]] = age[mine]  # backwards, so that the first one stays
        found[f"since:{stage}"] = np.log1p(reached)
    return found


def own_steps(orders: Orders, cases: Cases) -> Steps:
    """The last OWN_STEPS events that each case sees, columns OWN_COLUMNS, codes of `Orders.statuses`; as long as the
    longest of them."""
    events = orders.events
    longest = int(events.lengths[cases.entity].max(initial=1))
    row, mask = events.window(cases.entity, cases.cutoff, min(longest + 1, OWN_STEPS + 1))
    at = np.where(mask, events.occurred_at[row], cases.cutoff[:, None]) if len(events.occurred_at) else row
    gaps = log_gaps(at, mask)[:, 1:]  # one more is looked at, so that the oldest has its gap too
    at, row, mask = at[:, 1:], row[:, 1:], mask[:, 1:]
    walls = wall_clock(at, orders.timezone)
    ages = np.log1p(np.maximum((cases.cutoff[:, None] - at) / _DAY, 0.0))
    values = np.concatenate([np.stack([gaps, ages], -1), harmonics(walls, "day"), harmonics(walls, "week")], axis=-1)
    codes = np.where(mask, events.columns["status"][row], -1).astype(np.int32)
    return left_aligned(values.astype(np.float32), codes, mask, OWN_COLUMNS)


def left_aligned(values: np.ndarray, codes: np.ndarray, mask: np.ndarray, names: tuple[str, ...]) -> Steps:
    """Steps from windows whose rows stand at the right end, as `Histories.window` gives them: float32 [n, T, C], int32
    [n, T] and bool [n, T]."""
    lengths = mask.sum(axis=1).astype(np.int64)
    width = max(int(lengths.max(initial=0)), 1)
    place = np.arange(width) + mask.shape[1] - lengths[:, None]
    held = np.arange(width) < lengths[:, None]
    place = np.minimum(place, mask.shape[1] - 1)
    moved = np.take_along_axis(values, place[:, :, None], axis=1)
    moved[~held] = 0.0
    return Steps(moved, np.where(held, np.take_along_axis(codes, place, axis=1), -1).astype(np.int32), lengths, names)

"""Which orders are forecast when: at an instant, in a backtest, and where a recipe is judged."""

from __future__ import annotations

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.histories import changes
from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Fold, Instant
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes

MOST_FOLDS = 3
"""Stretches of orders on which the gate judges."""

LEAST_JUDGED = 200
"""Cases of completed orders on which a stretch judges at the least."""

LEAST_TAUGHT = 200
"""Completed orders from which a model may be fitted."""

SETTLED = 0.97
"""Share of the orders of a stretch that are complete, of those that ever will be, once it judges."""

MOST_DAYS = 28
"""Days that a stretch takes where nothing speaks against it."""

MOST_CASES = 15_000
"""Cases of all stretches together: more take longer and tell no more."""

_LENGTHS = (7, 10, 14, 21, 28, 42, 56, 84, 126, 182, 364)
_DAY, _YEAR = np.timedelta64(1, "D"), np.timedelta64(365, "D")
_DAY_US = 86_400e6


def cases_at(orders: Orders, options: CompletionOptions, as_of: Instant) -> Cases:
    """Every open order at an instant that does not count as lost, at the latest of its events with a status of
    `Orders.stages`; an order without one is left out. By order.

    Columns: `event`, int64 [n], that row of `Orders.events`; `as_of`, datetime64[us] [n], the instant itself."""
    event = open_events(orders, as_of)
    entity = owners(orders, event)
    limit = limit_days(orders, options, as_of)
    kept = (as_of - orders.placed_at[entity]) / _DAY <= limit
    return _at(orders, event[kept], as_of)


def stalled_at(orders: Orders, options: CompletionOptions, as_of: Instant) -> Cases:
    """Every open order at an instant that counts as lost, as `cases_at` has the others."""
    event = open_events(orders, as_of)
    limit = limit_days(orders, options, as_of)
    kept = (as_of - orders.placed_at[owners(orders, event)]) / _DAY > limit
    return _at(orders, event[kept], as_of)


def open_events(orders: Orders, as_of: Instant) -> np.ndarray:
    """The latest event at a stage that an instant sees of each open order, rows of `Orders.events` int64, ascending."""
    events = orders.events
    every = np.arange(len(events.occurred_at))
    row = every[events.visible(every, as_of) & _at_stage(orders)]  # those of cancelled orders are withdrawn
    entity = owners(orders, row)
    last = row[changes(entity[::-1])[::-1]]
    return last[~orders.completed(owners(orders, last), as_of)]


def event_cases(orders: Orders, rows: np.ndarray) -> Cases:
    """The cases that events make (rows of `Orders.events`, int64), in order of cutoff: those at a stage of orders that
    the case's own cutoff does not see completed or cancelled.

    Columns: `event`, int64 [n], the row; `as_of`, datetime64[us] [n], the event's own instant, or that at which it
    became known."""
    rows = rows[_at_stage(orders)[rows]]
    entity, cutoff = owners(orders, rows), orders.events.columns["cutoff"][rows]
    going = ~orders.completed(entity, cutoff) & ~orders.cancelled(entity, cutoff)
    rows, entity, cutoff = rows[going], entity[going], cutoff[going]
    order = np.argsort(cutoff, kind="stable")
    rows = rows[order]
    return Cases(entity[order], cutoff[order], {"event": rows, "as_of": orders.events.columns["as_of"][rows]})


def backtest_cases(orders: Orders, options: CompletionOptions, start: Instant, end: Instant) -> Cases:
    """Every order placed in [start, end), once per event at a stage, as `event_cases` has them. An order of which
    something is heard is not lost; only the option `lost_after_days` ends its cases."""
    entity = np.repeat(np.arange(len(orders)), orders.events.lengths)
    placed = orders.placed_at[entity]
    cases = event_cases(orders, np.flatnonzero((placed >= start) & (placed < end)))
    if options.lost_after_days > 0:
        age = (cases.cutoff - orders.placed_at[cases.entity]) / _DAY
        cases = cases.take(age <= options.lost_after_days)
    return cases


def owners(orders: Orders, rows: np.ndarray) -> np.ndarray:
    """The order of each event, int64 [n]."""
    return np.searchsorted(orders.events.offsets, rows, side="right") - 1


def _at_stage(orders: Orders) -> np.ndarray:
    """Whether orders are forecast at each event, bool [R]."""
    return np.isin(orders.statuses, orders.stages)[orders.events.columns["status"]]


def _at(orders: Orders, event: np.ndarray, as_of: Instant) -> Cases:
    cutoff = np.full(len(event), as_of, "datetime64[us]")
    return Cases(owners(orders, event), cutoff, {"event": event, "as_of": cutoff})


def folds(orders: Orders, options: CompletionOptions, as_of: Instant) -> list[Fold]:
    """Up to three consecutive stretches of days (UTC), with the cases of the orders that were placed on them and are
    known to be completed as of `as_of`; one fit before the first.

    The newest ends so early that nearly all (SETTLED) of its orders that ever will be complete are so by `as_of`,
    judging by how long orders took. Stretches are about MOST_DAYS long; shorter where these hold more than MOST_CASES
    cases in all (of a shop with more on seven days, orders are drawn by a hash of their id) or where history is short,
    longer where they hold fewer than LEAST_JUDGED each.

    Raises NotEnoughData where fewer than LEAST_TAUGHT orders are known to be completed by the first stretch, or too few
    after.
    """
    as_of = as_of.astype("datetime64[us]")
    cases = _completed_cases(orders, as_of)
    placed = orders.placed_at[cases.entity]
    edges = _edges(orders, np.sort(placed), as_of)
    cases = _thinned(orders, cases.take((placed >= edges[0]) & (placed < edges[-1])))
    stretch = np.searchsorted(edges, orders.placed_at[cases.entity], side="right") - 1
    return [Fold(edges[0], cases.take(stretch == number)) for number in range(len(edges) - 1)]


def settled_days(orders: Orders, as_of: Instant) -> float:
    """Days after which nearly all (SETTLED) orders are complete that ever will be, as known at `as_of`, of those placed
    in the year before; NaN where none is known to be.

    By the estimate of Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the
    American Statistical Association 53, 1958, in which orders still open and cancelled ones are censored.
    """
    end = orders.observed(as_of)
    mine = np.flatnonzero(orders.placed(slice(None), as_of) & (orders.placed_at >= end - _YEAR))
    outcome = outcomes(orders, Cases(mine, orders.placed_at[mine]), as_of)
    outcome = outcome.take(outcome.days > 0)
    if not outcome.completed.any():
        return np.nan
    place = np.lexsort((~outcome.completed, outcome.days))
    days, completed = outcome.days[place], outcome.completed[place]
    at_risk = np.arange(len(days), 0, -1)
    done = 1 - np.cumprod(1 - completed / at_risk)
    return float(days[np.searchsorted(done, SETTLED * done[-1])])


def _completed_cases(orders: Orders, as_of: Instant) -> Cases:
    """The cases before an instant of the orders that it sees completed."""
    every = np.arange(len(orders.events.occurred_at))
    rows = every[orders.completed(owners(orders, every), as_of)]
    cases = event_cases(orders, rows)
    return cases.take(cases.cutoff < as_of)


def _edges(orders: Orders, placed: np.ndarray, as_of: Instant) -> np.ndarray:
    """Where the stretches begin, and where the last one ends, datetime64[us], at midnights in UTC. `placed`: when the
    orders of the cases of all completed orders were placed, datetime64[us], ascending."""
    done = orders.completed(slice(None), as_of)
    heard = np.sort(np.maximum(orders.completed_at[done], orders.completion_known_at[done]))
    if len(heard) < LEAST_TAUGHT:
        raise NotEnoughData(
            f"{_orders(len(heard))} known to be complete as of {_day(as_of)}, and {LEAST_TAUGHT} are needed to fit a"
            " model.",
            remedy="A baseline is published until there are more; or map `completed_at` of orders.",
        )
    settled = settled_days(orders, as_of)
    last = orders.observed(as_of) - np.timedelta64(0 if np.isnan(settled) else round(settled * _DAY_US), "us")
    last = last.astype("datetime64[D]")
    wanted = _days_of(placed, last)
    lengths = sorted(_LENGTHS, key=lambda days: abs(np.log(days / wanted)))
    for least in (max(LEAST_TAUGHT, len(heard) // 3), LEAST_TAUGHT):  # rather a short judgement than little to learn
        for count in range(MOST_FOLDS, 0, -1):
            for days in lengths:
                edges = (last - days * np.arange(count, -1, -1)).astype("datetime64[us]")
                judged = np.diff(np.searchsorted(placed, edges))
                if judged.min() >= LEAST_JUDGED and np.searchsorted(heard, edges[0]) >= least:
                    return edges
    raise NotEnoughData(
        f"{_orders(len(heard))} known to be complete as of {_day(as_of)}, and nearly all are that were placed before"
        f" {_day(last)}; but no day divides these so that {LEAST_TAUGHT} orders were complete by then, to fit a model,"
        f" and {LEAST_JUDGED} events of orders placed after it are left to judge it by.",
        remedy="A baseline is published until there is more history.",
    )


def _days_of(placed: np.ndarray, last: np.datetime64) -> float:
    """How long stretches ought to be, in days: of the cases (when their orders were placed, ascending) of the MOST_DAYS
    before `last`, no more than MOST_CASES in all."""
    edges = (last - np.array([MOST_DAYS, 0]) * _DAY).astype("datetime64[us]")
    inside = max(int(np.diff(np.searchsorted(placed, edges))[0]), 1)
    return float(np.clip(MOST_DAYS * MOST_CASES / MOST_FOLDS / inside, _LENGTHS[0], MOST_DAYS))


def _thinned(orders: Orders, cases: Cases) -> Cases:
    """About MOST_CASES of the cases, all those of an order or none."""
    if len(cases) <= 1.5 * MOST_CASES:
        return cases
    entity, place = np.unique(cases.entity, return_inverse=True)
    drawn = stable_hash(orders.events.entities[entity]) < np.uint64(MOST_CASES / len(cases) * 2.0**64)
    return cases.take(drawn[place])


def _orders(count: int) -> str:
    return f"{count} order{'s are' if count != 1 else ' is'}"


def _day(instant: Instant) -> str:
    return str(np.datetime_as_string(instant, "D"))

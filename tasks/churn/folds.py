"""Who is watched when: at an instant, in a backtest, and where a recipe is judged."""

from __future__ import annotations

import numpy as np

from forecasting.histories import changes
from forecasting.schema import NotEnoughData
from forecasting.splits import rolling_cutoffs
from forecasting.task import Cases, Fold, Instant
from tasks.churn.customers import Customers
from tasks.churn.options import ChurnOptions
from tasks.churn.orders import TICK

MOST_FOLDS = 3
"""Cutoffs at which the gate judges."""

LEAST_ELIGIBLE = 200
"""Eligible customers from which a model may be fitted and judged."""

LEAST_WATCHED_DAYS = 14
"""A cutoff teaches once so many days after it are known."""

LEAST_HISTORY_DAYS = 28
"""A cutoff that teaches sees so many days of the shop."""

_DAY = np.timedelta64(1, "D")


def eligible(customers: Customers, cutoffs: np.ndarray, active_days: int) -> Cases:
    """Every customer with a purchase in [cutoff - active_days, cutoff), at each of `cutoffs` (datetime64[us] [K]): by
    cutoff as given, then by customer."""
    purchases = customers.purchases
    cutoffs = np.atleast_1d(np.asarray(cutoffs, "datetime64[us]"))
    owner = np.repeat(np.arange(len(customers)), purchases.lengths)
    found = []
    for cutoff in cutoffs:  # few: they lie days apart
        row = np.flatnonzero(purchases.occurred_at >= cutoff - active_days * _DAY)
        mine = owner[row[purchases.visible(row, cutoff)]]  # ascending
        found.append(mine[changes(mine)])
    entity = np.concatenate([np.empty(0, np.int64), *found]).astype(np.int64)
    return Cases(entity, np.repeat(cutoffs, [len(part) for part in found]))


def cases_at(customers: Customers, options: ChurnOptions, as_of: Instant) -> Cases:
    """Every eligible customer at an instant."""
    return eligible(customers, np.array([as_of]), options.active_days)


def backtest_cases(
    customers: Customers, options: ChurnOptions, start: Instant, end: Instant, every_days: int | None
) -> Cases:
    """Every eligible customer at `start`, and every so many days after it before `end`; None: at `start` alone."""
    start, end = start.astype("datetime64[us]"), end.astype("datetime64[us]")
    cutoffs = np.arange(start, end, (every_days or 1) * _DAY)
    return eligible(customers, cutoffs if every_days else cutoffs[:1], options.active_days)


def folds(customers: Customers, options: ChurnOptions, as_of: Instant) -> list[Fold]:
    """The latest cutoff whose label window had closed at `as_of`, and up to two before it, a quarter of the horizon
    apart, each at the beginning of a day in UTC; one fit before the first. Fewer where history is short.

    Raises NotEnoughData where fewer than LEAST_ELIGIBLE customers are eligible at `as_of` or at every such cutoff,
    where no label window has closed, and where what is known at the first cutoff could teach nothing.
    """
    as_of = as_of.astype("datetime64[us]")
    now = len(cases_at(customers, options, as_of))
    if now < LEAST_ELIGIBLE:
        raise NotEnoughData(
            f"{_bought(customers, options, as_of, now)}, and {LEAST_ELIGIBLE} are needed to judge a model.",
            remedy="A baseline is published until there are more; or set a larger active_days.",
        )
    cutoffs = closed_cutoffs(customers, options, as_of)
    if not len(cutoffs):
        raise NotEnoughData(
            f"no label window of {options.horizon_days} days has closed as of {_day(as_of)}: purchases are known from"
            f" {_day(customers.begun(as_of))} to {_day(customers.observed(as_of) - TICK)}.",
            remedy="A baseline is published until there is more; or choose a shorter horizon_days.",
        )
    per_cutoff = [cases_at(customers, options, cutoff) for cutoff in cutoffs]
    enough = [number for number, cases in enumerate(per_cutoff) if len(cases) >= LEAST_ELIGIBLE]
    if not enough:
        raise NotEnoughData(
            f"{max(map(len, per_cutoff))} customers were eligible at {_day(cutoffs[-1])} or before, the latest day of"
            f" which the following {options.horizon_days} are known, and {LEAST_ELIGIBLE} are needed to judge a model.",
            remedy="A baseline is published until there are more; or choose a shorter horizon_days.",
        )
    taught = [number for number in enough if _teaches(customers, options, cutoffs[number])]
    if not taught:
        raise NotEnoughData(
            f"a model that is judged from {_day(cutoffs[enough[-1]])} on has nothing to learn from: it takes"
            f" {LEAST_ELIGIBLE} eligible customers after {LEAST_HISTORY_DAYS} days of history, and what they did in"
            f" {LEAST_WATCHED_DAYS} days more, all known by then.",
            remedy="A baseline is published until there is more; or choose a shorter horizon_days.",
        )
    return [Fold(cutoffs[taught[0]], per_cutoff[number]) for number in taught]


def closed_cutoffs(customers: Customers, options: ChurnOptions, as_of: Instant) -> np.ndarray:
    """The latest cutoffs whose label windows had closed at an instant, datetime64[us], ascending, at most MOST_FOLDS;
    none that sees no purchase."""
    begun = customers.begun(as_of)
    if np.isnat(begun):
        return np.empty(0, "datetime64[us]")
    end = customers.observed(as_of).astype("datetime64[D]").astype("datetime64[us]")
    step = max(options.horizon_days // 4, 1) * _DAY
    return rolling_cutoffs(end, options.horizon_days * _DAY, MOST_FOLDS, step=step, earliest=begun + TICK)


def _teaches(customers: Customers, options: ChurnOptions, until: Instant) -> bool:
    """Whether what is known at `until` has enough customers who were watched for long enough."""
    latest = customers.observed(until) - LEAST_WATCHED_DAYS * _DAY
    if (
        not latest - customers.begun(until).astype("datetime64[D]") >= LEAST_HISTORY_DAYS * _DAY
    ):  # nor where nothing is known: NaT
        return False
    return len(cases_at(customers, options, latest)) >= LEAST_ELIGIBLE


def _bought(customers: Customers, options: ChurnOptions, as_of: Instant, count: int) -> str:
    """How many customers bought lately, in words."""
    if np.isnat(customers.begun(as_of)):
        return f"no customer is known to have bought before {_day(as_of)}"
    span = f"bought in the {options.active_days} days before {_day(as_of)}"
    if not count:
        return f"no customer {span}, the last purchase known is of {_day(customers.observed(as_of) - TICK)}"
    return f"{count} customer{'s' * (count > 1)} {span}"


def _day(instant: Instant) -> str:
    return str(np.datetime_as_string(instant, "D"))

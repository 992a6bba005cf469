"""The shop's activity by week and the regression of the hazard, each found in the light of the other."""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases, Instant
from tasks.churn.activity import Activity
from tasks.churn.hazard_regression import HazardRegression, exposure, fit_regression, supported
from tasks.churn.outcomes import Outcomes
from tasks.churn.snapshot import Snapshot

_ROUNDS = 2
_WEEK = np.timedelta64(7, "D")


def fit_with_activity(
    snapshot: Snapshot,
    cases: Cases,
    outcome: Outcomes,
    edges: np.ndarray,
    first: Instant,
    end: Instant,
    *,
    start: HazardRegression | None = None,
    share: float = 1.0,
) -> tuple[HazardRegression, Activity]:
    """A regression in operational days, and the activity that makes them. `outcome` of n training `cases` in calendar
    days; `edges`: float64 [K + 1] days, of which those are used that have support; `first`, `end`: datetime64[us],
    between which purchases are known. `start`: a regression on whose columns and edges to go on. `share`: of all
    training cases that these are drawn from.

    The activity begins flat each time: were it to go on from where it was, tenure and activity would ever further
    explain the same drift, each in the place of the other."""
    activity = Activity.flat(first, end)
    regression = start
    for _ in range(_ROUNDS + 1):
        lived = activity.operational(cases, outcome)
        kept = start.edges if start is not None else supported(edges, lived)
        again = regression if regression is not None and len(regression.edges) == len(kept) else None
        regression = fit_regression(snapshot, lived, kept, again, share)
        rates = regression.rates(snapshot)
        activity = activity.adjusted(*purchases_by_week(rates, kept, cases, outcome, activity))
    assert regression is not None
    return regression, activity


def purchases_by_week(
    rates: np.ndarray, edges: np.ndarray, cases: Cases, outcome: Outcomes, activity: Activity
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By week of `activity`, float64 [W] each: next purchases observed; those expected by `rates` (float64 [n, K] an
    operational day, between `edges`) of the time in which cases were watched; and how many different purchases the
    observed ones are, as cases of one customer at several cutoffs wait for the same one."""
    weeks = len(activity.weekly)
    lived = activity.operational(cases, outcome)
    watched, bought = exposure(lived, edges)
    begin = activity.clock(cases.cutoff)[:, None] + edges[:-1]
    limits = activity.clock(activity.origin + np.arange(weeks + 1) * _WEEK)
    expected = np.diff(_accrued(begin.ravel(), (begin + watched).ravel(), rates.ravel(), limits))
    counted = bought.any(axis=1)
    at = cases.cutoff[counted] + np.rint(outcome.days[counted] * 86_400e6).astype("timedelta64[us]")
    week = np.clip((at - activity.origin) // _WEEK, 0, weeks - 1).astype(np.int64)
    observed = np.bincount(week, minlength=weeks).astype(np.float64)
    second = ((at - activity.origin) // np.timedelta64(1, "s")).astype(np.int64)
    _, one_of_each = np.unique(cases.entity[counted] * (second.max(initial=0) + 1) + second, return_index=True)
    return observed, expected, np.bincount(week[one_of_each], minlength=weeks).astype(np.float64)


def _accrued(begin: np.ndarray, end: np.ndarray, rate: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """The sum of `rate` x time over all spans [begin, end) up to each of `limits` (ascending), float64: a piecewise
    linear function of the limit, whose slope rises by the rate where a span begins and falls where it ends."""
    total = np.zeros(len(limits))
    for at, sign in ((begin, 1.0), (end, -1.0)):
        place = np.searchsorted(limits, at)
        slope = np.cumsum(np.bincount(place, rate, minlength=len(limits) + 1))[:-1]
        offset = np.cumsum(np.bincount(place, rate * at, minlength=len(limits) + 1))[:-1]
        total += sign * (limits * slope - offset)
    return total

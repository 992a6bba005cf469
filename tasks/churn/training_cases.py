"""Which customers at which cutoffs teach."""

from __future__ import annotations

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Instant
from tasks.churn.customers import Customers
from tasks.churn.folds import LEAST_HISTORY_DAYS, LEAST_WATCHED_DAYS, eligible
from tasks.churn.options import ChurnOptions

EVERY_DAYS = 7
"""Cutoffs that teach lie a week apart, so that each sees the same weekdays ahead of it."""

MOST_CUTOFFS = 104
"""Two years of cutoffs, so that a season is seen twice."""

MOST_CASES = 60_000

_DAY = np.timedelta64(1, "D")


def training_cutoffs(customers: Customers, until: Instant) -> np.ndarray:
    """The cutoffs that teach as of `until`, datetime64[us], ascending; each is followed by at least LEAST_WATCHED_DAYS
    of which purchases are known. Empty where the shop's history is too short."""
    end, first = customers.observed(until), first_purchase(customers, until)
    if np.isnat(end):
        return np.empty(0, "datetime64[us]")
    latest = end - LEAST_WATCHED_DAYS * _DAY
    room = (latest - (first + LEAST_HISTORY_DAYS * _DAY)) / (EVERY_DAYS * _DAY)
    count = int(np.clip(np.floor(room) + 1, 0, MOST_CUTOFFS))
    return (latest - np.arange(count)[::-1] * EVERY_DAYS * _DAY).astype("datetime64[us]")


def training_cases(customers: Customers, options: ChurnOptions, until: Instant, most: int = MOST_CASES) -> Cases:
    """Eligible customers at the cutoffs that teach, at most `most`: a sample by a hash of the customer's id, another
    one at each cutoff, that does not depend on who else there is. Raises NotEnoughData where nobody is.
    """
    cutoffs = training_cutoffs(customers, until)
    cases = eligible(customers, cutoffs, options.active_days)
    if not len(cases):
        raise NotEnoughData(
            f"The shop's purchases before {until} reach back less than {LEAST_HISTORY_DAYS + LEAST_WATCHED_DAYS} days,"
            " or nobody bought lately: there are no customers of whom it is known what they did next.",
            remedy="Load more history, or run again when there is some.",
        )
    share = most / len(cases)
    if share >= 1:
        return cases
    place = stable_hash(customers.purchases.entities)[cases.entity]
    place += np.searchsorted(cutoffs, cases.cutoff).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return cases.take(place < np.uint64(share * 2.0**64))


def first_purchase(customers: Customers, until: Instant) -> Instant:
    """The first instant of the day (UTC) of the first purchase seen at `until`, datetime64[us]; NaT without any."""
    return customers.begun(until).astype("datetime64[D]").astype("datetime64[us]")

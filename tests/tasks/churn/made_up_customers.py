"""Customers who buy at rates of their own, in a shop whose activity changes, as arrays at once."""

from __future__ import annotations

import numpy as np

from forecasting.histories import Histories
from tasks.churn.customers import Customers

BEGIN = np.datetime64("2023-01-02", "us")
DAY = np.timedelta64(1, "D")


def customers_at(entity: np.ndarray, day: np.ndarray, count: int) -> Customers:
    """`count` customers; purchase i is made by `entity`[i] so many days (float) after BEGIN."""
    order = np.lexsort((day, entity))
    entity, at = entity[order], BEGIN + np.rint(day[order] * 86_400e6).astype("timedelta64[us]")
    rows = len(at)
    columns = {
        "kind": np.zeros(rows, np.int8),
        "value": np.full(rows, 20.0),
        "units": np.full(rows, np.nan),
        "items": np.full(rows, np.nan),
        "category": np.full(rows, -1, np.int32),
    }
    offsets = np.concatenate([[0], np.cumsum(np.bincount(entity, minlength=count))])
    names = np.array([f"c{number:05d}" for number in range(count)], object)
    events = Histories(names, offsets, at, at, columns, {"category": np.empty(0, object)})
    place = np.full(count, np.nan)
    return Customers(events, events, np.full(count, -1, np.int32), np.empty(0, object), place, place)


def steady_shop(count: int, days: int, seed: int = 0, activity: np.ndarray | None = None) -> Customers:
    """Customers who come over time, buy at gamma-distributed rates and leave after a geometric number of purchases.
    `activity`: float64 [weeks], how much faster than usual time passes in each."""
    random = np.random.default_rng(seed)
    weeks = int(np.ceil(days / 7))
    clock = np.append(0.0, np.cumsum(7.0 * (np.ones(weeks) if activity is None else activity)))
    orders = random.geometric(random.beta(1, 4, count))
    gap = random.exponential(1.0, (count, min(int(orders.max()), 200))) / random.gamma(2, 0.02, count)[:, None]
    gap[:, 0] = random.uniform(0, clock[-1], count)
    lived = np.cumsum(gap, axis=1)
    made = (np.arange(lived.shape[1]) < orders[:, None]) & (lived < clock[-1])
    entity, _ = np.nonzero(made)
    day = np.interp(lived[made], clock, 7.0 * np.arange(weeks + 1))
    kept = day < days
    return customers_at(entity[kept], day[kept], count)

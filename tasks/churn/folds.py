"""Who is watched when: at an instant, in a backtest, and where a recipe is judged."""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases
from tasks.churn.customers import Customers

_DAY = np.timedelta64(1, "D")


def eligible(customers: Customers, cutoffs: np.ndarray, active_days: int) -> Cases:
    """Every customer with a purchase in [cutoff - active_days, cutoff), at each of `cutoffs` (datetime64[us] [K]): by
    cutoff as given, then by customer."""
    purchases = customers.purchases
    every = np.arange(len(customers))
    found = []
    for cutoff in np.asarray(cutoffs, "datetime64[us]"):  # few: cutoffs are weeks apart
        row, mask = purchases.window(every, np.broadcast_to(cutoff, every.shape), 1)
        recent = mask[:, 0]
        if len(purchases.occurred_at):
            recent = recent & (purchases.occurred_at[row[:, 0]] >= cutoff - active_days * _DAY)
        found.append(np.flatnonzero(recent))
    counts = [len(part) for part in found]
    return Cases(
        np.concatenate([np.empty(0, np.int64), *found]).astype(np.int64),
        np.repeat(np.asarray(cutoffs, "datetime64[us]"), counts),
    )

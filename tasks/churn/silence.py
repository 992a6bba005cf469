"""Whether the shop is silent, or its warehouse was not filled: customers look alike in both."""

from __future__ import annotations

import numpy as np

from forecasting.task import Instant
from tasks.churn.customers import Customers

LEAST_DAYS = 3
"""Days without a purchase that are nothing to speak of."""

_YEAR = np.timedelta64(365, "D")
_DAY = np.timedelta64(1, "D")


def silence(customers: Customers, as_of: Instant) -> str | None:
    """What to tell of the days up to `as_of` of which no purchase is known, where there are more of them than ever in
    the year before; None otherwise."""
    purchases = customers.purchases
    at = purchases.occurred_at[purchases.visible(np.arange(len(purchases.occurred_at)), as_of)]
    if not len(at):
        return None
    last = at.max()
    days = np.unique(at[at >= last - _YEAR].astype("datetime64[D]"))
    longest = int(np.diff(days).astype(np.int64).max(initial=1)) - 1
    gone = int((as_of - customers.observed(as_of)) / _DAY)
    if gone < LEAST_DAYS or gone <= longest:
        return None
    return (
        f"no purchase is known of the {gone} days before {np.datetime_as_string(as_of, 'D')}, and in the year before"
        f" the shop was never silent for more than {longest}. If orders are missing, customers look as if they had"
        " stopped to buy, and alerts say so: load them, and run again."
    )

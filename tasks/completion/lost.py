"""When an order has been open for so long that it counts as lost."""

from __future__ import annotations

import numpy as np

from forecasting.task import Instant
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders

LEAST_COMPLETED = 50
"""Completions from which a limit is learnt."""

_LEVEL, _MARGIN = 0.998, 1.5
_DAY = np.timedelta64(1, "D")


def limit_days(orders: Orders, options: CompletionOptions, until: Instant) -> float:
    """Days after which an open order counts as lost, as of `until`: the option `lost_after_days`; where that is 0, half
    as long again as all but two in a thousand of the orders took that are known to be completed. Infinite where fewer
    than LEAST_COMPLETED are."""
    if options.lost_after_days > 0:
        return options.lost_after_days
    taken = whole_days(orders, until)
    if len(taken) < LEAST_COMPLETED:
        return np.inf
    return float(_MARGIN * np.quantile(taken, _LEVEL))


def whole_days(orders: Orders, until: Instant) -> np.ndarray:
    """Days from placed to complete of every order known to be completed as of `until`, float64; without those that were
    complete at once."""
    known = orders.completed(slice(None), until)
    days = (orders.completed_at[known] - orders.placed_at[known]) / _DAY
    return days[days > 0]

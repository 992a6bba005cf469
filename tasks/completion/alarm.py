"""The drift alarm: whether orders move so much faster or slower than usual that forecasts should not be trusted alone.

The speed of time follows such a change by itself; people should know of it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.task import Cases, Instant
from tasks.completion.drift import PRIOR
from tasks.completion.heard import DAY, days_before, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.speed import SURPRISE_DAYS, surprise_of_all

LEAST_CHANGE = np.log(1.3)
"""An alarm is raised where completions are at least so much more, or fewer, than expected (as a logarithm) ..."""

LEAST_Z = 4.0
"""... and that is so many standard deviations of what chance would do."""


def drift_watch(orders: Orders, as_of: Instant) -> Mapping[str, float]:
    """Figures of the last week before the midnight (UTC) before `as_of`: `drift_log_ratio`, of completions to what was
    expected of the orders open then; `drift_z`, their difference in standard deviations of a Poisson count; and
    `drift_alarm`, 1 where both are large, else 0. Empty for a shop without orders."""
    if not len(orders):
        return {}
    here = Cases(np.zeros(1, np.int64), np.array([as_of], "datetime64[us]"))
    ratio = float(surprise_of_all(orders, here)[0])
    midnight = microseconds(here.cutoff) // DAY * DAY
    observed = int(days_before(orders.once(Past.of).completions, midnight, SURPRISE_DAYS)[0])
    expected = max((observed + PRIOR) / np.exp(ratio) - PRIOR, 1.0)
    z = float((observed - expected) / np.sqrt(expected))
    alarm = abs(ratio) >= LEAST_CHANGE and abs(z) >= LEAST_Z
    return {"drift_alarm": float(alarm), "drift_z": z, "drift_log_ratio": ratio}

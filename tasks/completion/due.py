"""Until when a promise is kept."""

from __future__ import annotations

import numpy as np

from forecasting.features.local_time import instants_of, wall_clock
from tasks.completion.records import TICK

_DAY = np.timedelta64(1, "D")


def due_at(promised_at: np.ndarray, timezone: str) -> np.ndarray:
    """Until when promises are kept, datetime64[us] [N], UTC; NaT stays NaT.

    `promised_at`: datetime64[us] [N], UTC. A promise at the first instant of a day in `timezone` (IANA name) means that
    day, and is kept until its last microsecond, whatever clocks do on it; any other one means its instant.
    """
    day = wall_clock(promised_at, timezone).astype("datetime64[D]")
    of_day = instants_of(day, timezone) == promised_at
    return np.where(of_day, instants_of(day + _DAY, timezone) - TICK, promised_at)

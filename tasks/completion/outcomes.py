"""What became of cases: the time to completion, or how long an order was watched without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of n cases. `days` float64 [n]: from the cutoff to the completion where `completed` (bool [n]), else
    how long the order was watched without one: to the end of observation, or to its cancellation; 0 where the cutoff
    itself is not observed yet."""

    days: np.ndarray
    completed: np.ndarray

    def take(self, index: np.ndarray) -> Outcomes:
        """Those of the cases at `index`."""
        return Outcomes(self.days[index], self.completed[index])

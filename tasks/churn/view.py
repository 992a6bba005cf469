"""How the model is shown a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasting.task import Instant
from tasks.churn.snapshot import SEASON, Snapshot

BOUGHT_BEFORE_RECORDS = "bought_before_records"

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class View:
    """Snapshots without what only the cutoff says, as two years of cutoffs say little about seasons and trends;
    `Activity` holds those. And with how likely it is that the customer had bought before the shop's records begin
    (`first`, datetime64[us]): 1 where the first purchase is on their very first day, and half as much for every
    `halving` days later. Customers who seem to come in the first weeks were mostly there before, and have the habits of
    regulars. Later cutoffs see fewer of them: without this figure that looks like a shop whose customers get ever less
    faithful.
    """

    first: Instant
    halving: float

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as the model is shown it; `latest` is the very same object."""
        kept = [column for column, name in enumerate(snapshot.names) if name not in SEASON]
        tenure = np.expm1(snapshot.column("tenure").astype(np.float64))
        after = np.maximum((snapshot.cutoff - self.first) / _DAY - tenure, 0.0)
        before = (0.5 ** (after / self.halving)).astype(np.float32)
        names = (*(snapshot.names[column] for column in kept), BOUGHT_BEFORE_RECORDS)
        return replace(snapshot, features=np.column_stack([snapshot.features[:, kept], before]), names=names)

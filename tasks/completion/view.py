"""What the network sees of a snapshot, and by which clock it learns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.completion.snapshot import Snapshot

EXPECTED = "lately:expected"
"""The figure of a snapshot that says what its route took lately, as the logarithm of days."""

OFFSET = 0.5
"""Power of what is expected of a route that is taken as given, for the network to add the rest."""


def shown(name: str) -> bool:
    """Whether the network sees a figure. What is alike for many orders of a day (what all did lately, or any group in
    the last weeks, backlogs against the usual) tells in training which day it was, whose orders it then knows by heart;
    how fast things move of late is told by the speed of time instead."""
    lately = name.startswith("lately:") and (name.startswith("lately:all_") or name.endswith(("_all", "_28d")))
    return not (lately or name.endswith("_pace"))


@dataclass(frozen=True)
class View:
    """`expected`: the mean of EXPECTED over training cases, which stands for it where it is unknown."""

    expected: float

    @staticmethod
    def fit(snapshot: Snapshot) -> View:
        """From training cases."""
        values = _expected(snapshot)
        known = values[np.isfinite(values)]
        return View(float(known.mean()) if len(known) else 0.0)

    def of(self, snapshot: Snapshot) -> Snapshot:
        """What the network sees."""
        columns = [column for column, name in enumerate(snapshot.names) if shown(name)]
        names = tuple(snapshot.names[column] for column in columns)
        return replace(snapshot, features=snapshot.features[:, columns], names=names)

    def rate(self, snapshot: Snapshot, log_speed: np.ndarray) -> np.ndarray:
        """By how much operational days are multiplied to give those that the network learns, float64 [n], above 0: time
        runs by `log_speed` (float64 [n]), and is longer where more is expected."""
        values = _expected(snapshot)
        far = np.where(np.isfinite(values), values, self.expected) - self.expected
        return np.exp(log_speed - OFFSET * far)


def _expected(snapshot: Snapshot) -> np.ndarray:
    if EXPECTED not in snapshot.names:
        return np.full(len(snapshot), np.nan)
    return snapshot.column(EXPECTED).astype(np.float64)

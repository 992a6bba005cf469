"""Sparse scores: what a source of evidence has to say about some items for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecasting.task import Cases
from tasks.recommendation.journal import Journal


@dataclass(frozen=True, eq=False)
class Candidates:
    """For each of n cases some items, each once, with F values.

    `offsets`: int64 [n + 1]. `item`: int32 [m], ascending within a case. `values`: float32 [m, F].
    """

    offsets: np.ndarray
    item: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.offsets) - 1

    @property
    def case(self) -> np.ndarray:
        """The case of each entry, int64 [m]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class Evidence(Protocol):
    """A source of evidence, fitted on what was known at an instant. `names`: of its F values."""

    names: Sequence[str]

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What it says about the cases. Each sees its own history up to its own cutoff, and of all others what was
        known at the instant of fitting."""
        ...

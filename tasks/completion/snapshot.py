"""What a cutoff shows of an open order: figures, labels, its own events, and what others did lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Steps:
    """Sequences of n cases, oldest first, padded at the end. `values`: float32 [n, T, C], columns called `names`, NaN
    where unknown, 0 in the padding. `codes`: int32 [n, T], a label of each step (a status), -1 for none. `lengths`:
    int64 [n]."""

    values: np.ndarray
    codes: np.ndarray
    lengths: np.ndarray
    names: tuple[str, ...]

    def take(self, index: np.ndarray) -> Steps:
        """The cases at `index`."""
        return replace(self, values=self.values[index], codes=self.codes[index], lengths=self.lengths[index])


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What n cases see as of their cutoffs.

    `features`: float32 [n, F], NaN where unknown, called `names`; days and counts stand as log(1 + x). `stage`: int32
    [n] code into `Orders.statuses`. `labels`: int32 [n] by name, codes into `label_names`, -1 unknown. `own`: the
    order's events up to the cutoff, with codes of statuses. `lately`: by group ("origin", "route"), the latest orders
    of the same group that were completed or are still open, newest last. `cutoff`: datetime64[us] [n]. `due_days`:
    float64 [n], days to the promise, NaN without one.
    """

    features: np.ndarray
    names: tuple[str, ...]
    stage: np.ndarray
    statuses: np.ndarray
    labels: Mapping[str, np.ndarray]
    label_names: Mapping[str, np.ndarray]
    own: Steps
    lately: Mapping[str, Steps]
    cutoff: np.ndarray
    due_days: np.ndarray

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.features)

    def column(self, name: str) -> np.ndarray:
        """One feature, float32 [n]."""
        return self.features[:, self.names.index(name)]

    def take(self, index: np.ndarray) -> Snapshot:
        """The cases at `index` (int64 positions or a bool mask [n])."""
        return replace(
            self,
            features=self.features[index],
            stage=self.stage[index],
            labels={name: codes[index] for name, codes in self.labels.items()},
            own=self.own.take(index),
            lately={name: steps.take(index) for name, steps in self.lately.items()},
            cutoff=self.cutoff[index],
            due_days=self.due_days[index],
        )

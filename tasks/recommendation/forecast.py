"""The forecast of this task: a ranked list for every case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ranking:
    """The best `k` items of n cases, best first.

    `items`: int32 [n, k], positions in the catalogue, -1 where nothing is left to show (only at the end of a list).
    `scores`: float32 [n, k], falling; the model's estimate of the probability that the item is the next one, a
    baseline's own score.
    """

    items: np.ndarray
    scores: np.ndarray

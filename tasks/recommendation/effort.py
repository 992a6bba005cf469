"""How to train a network of the next step, by how much there is to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Effort:
    """`epochs`: at most so many, whatever the options allow. `steps`: batches of an epoch at the least, for which a
    small shop is gone over up to `passes` times. `queries`: steps to be foretold in a batch, about. `negatives`: items
    drawn for a batch, 0 to compare with all; `power`: of the counts, by which they are drawn. `recency`: a step at the
    newest end of what is known counts e^recency times one at the oldest. `average`: decay of the moving average of the
    weights. `length`: steps of a history that are read, its last. `input_dropout` of what the encoder reads, `dropout`
    of its states."""

    epochs: int = 1000
    steps: int = 200
    passes: int = 2
    learning_rate: float = 3e-3
    schedule: Literal["onecycle", "cosine"] = "cosine"
    weight_decay: float = 0.1
    average: float = 0.0
    queries: int = 128
    negatives: int = 0
    power: float = 0.75
    recency: float = 1.5
    length: int = 30
    input_dropout: float = 0.5
    dropout: float = 0.2

    @staticmethod
    def for_items(items: int) -> Effort:
        """What a shop takes in which so many items were wanted: beyond some thousands a batch is compared with those
        drawn for it, and is the larger, since the optimiser visits every item in each step."""
        return Effort() if items <= 8000 else Effort(epochs=7, queries=512, negatives=2048)

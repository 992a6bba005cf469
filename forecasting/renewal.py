"""Renewal: a fitted network goes on learning from where it stands, for a small part of what a fit costs.

What a task does in its `forecasting.task.Renewable.renew`::

    rows = rehearsed(new, renewal.lessons, seed)      # what came since `trained_until`, and some of what was before
    network = copied(champion.network)                # the champion itself stays as it is
    train(network, batches of rows, loss, renewal.training(len(rows), seed), checkpoint=...)  # digest(champion) in key

A network that is taught new cases alone forgets the old ones (McCloskey and Cohen, "Catastrophic interference in
connectionist networks", Psychology of Learning and Motivation 24, 1989); so it rehearses some of them beside (Robins,
"Catastrophic forgetting, rehearsal and pseudorehearsal", Connection Science 7, 1995). The learning rate is a small part
of that of a fit and falls from its height to nothing: weights that are good already are moved, not found anew.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import nn

from forecasting.seeds import derive
from forecasting.trainer import TrainingConfig

NetworkT = TypeVar("NetworkT", bound=nn.Module)

MOST_EPOCHS = 4
"""A renewal reads the same lesson at most so often, however few there are."""


@dataclass(frozen=True)
class Renewal:
    """How to go on: `steps` of the optimiser, about, of `batch` lessons each. `fresh`: the most of the lessons that are
    new ones. `learning_rate`: at its height, some tenths of that of a fit. `average`: decay of the moving average of
    the weights that is kept, 0 for none. The rest as in `forecasting.trainer.TrainingConfig`."""

    steps: int
    batch: int
    learning_rate: float
    fresh: float = 0.5
    weight_decay: float = 0.01
    clip: float | None = 1.0
    average: float = 0.0

    @property
    def lessons(self) -> int:
        """How many different lessons are enough."""
        return self.steps * self.batch

    def training(self, lessons: int, seed: int) -> TrainingConfig:
        """How to train on so many lessons: once each where there are enough, some times where there are few."""
        steps = max(-(-lessons // self.batch), 1)
        return TrainingConfig(
            epochs=int(np.clip(self.steps // steps, 1, MOST_EPOCHS)),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="cosine",
            clip=self.clip,
            average=self.average,
            seed=seed,
        )


def rehearsed(new: np.ndarray, most: int, seed: int, fresh: float = 0.5) -> np.ndarray:
    """Which of n lessons a renewal reads: at most `most` of them, int64 positions, ascending.

    `new`: bool [n], those of which something may have become known since the network was trained: by the clock alone,
    never by what came of them, as lessons chosen by their outcome teach that it comes more often than it does. They
    make up at most `fresh` of what is read, while there are others to fill the rest; both kinds are drawn at random.
    """
    random = np.random.default_rng(derive(seed, "rehearsal"))
    late, early = np.flatnonzero(new), np.flatnonzero(~new)
    size = min(most, len(new))
    count = min(len(late), max(round(fresh * size), size - len(early)))
    chosen = (random.permutation(late)[:count], random.permutation(early)[: size - count])
    return np.sort(np.concatenate(chosen))


def digest(network: nn.Module) -> str:
    """What tells a network from others of its kind, for the key of a checkpoint."""
    found = hashlib.sha256()
    for value in network.state_dict().values():
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def copied(network: NetworkT) -> NetworkT:
    """The same network with weights of its own, to be trained while the champion forecasts on."""
    return copy.deepcopy(network)

"""A small training task for the tests of the trainer; run as a program, it trains with a checkpoint at every step.

`python toy_training.py DIRECTORY OUTPUT`: resumes from DIRECTORY, prints the steps done as it goes, and writes the
final weights to OUTPUT.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from forecasting import artifacts
from forecasting.batches import Batch, Bucketed, declare
from forecasting.callbacks import Callback
from forecasting.checkpoints import Checkpoint
from forecasting.encoders import EncoderConfig, build_encoder
from forecasting.heads import QuantileHead
from forecasting.losses import pinball
from forecasting.seeds import seeded
from forecasting.trainer import TrainingConfig, mean_loss, train

LEVELS = (0.1, 0.5, 0.9)
CONFIG = TrainingConfig(epochs=4, learning_rate=0.02, input_noise=0.05, average=0.9, device="cpu", threads=1, seed=7)


@dataclass(frozen=True)
class Windows(Batch):
    inputs: Tensor = declare("rows steps 3", noisy=True)
    lengths: Tensor = declare("rows", torch.int64)
    target: Tensor = declare("rows")


class Network(nn.Module):
    def __init__(self, encoder: str = "gru"):
        super().__init__()
        self.encoder = build_encoder(encoder, EncoderConfig(inputs=3, hidden=12, dropout=0.1))
        self.head = QuantileHead(12, LEVELS)

    def forward(self, batch: Windows) -> Tensor:
        return self.head(self.encoder(batch.inputs, batch.lengths)[1])


def loss(model: nn.Module, batch: Windows) -> Tensor:
    return pinball(model(batch), batch.target, LEVELS)


def source(rows: int = 300, seed: int = 0) -> Bucketed[Windows]:
    """Sequences of 2 to 9 steps; the target is the sum of the last step's features."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 10, rows)
    inputs = torch.from_numpy(random.normal(size=(rows, 9, 3)).astype(np.float32))
    target = inputs[np.arange(rows), lengths - 1].sum(1)

    def collate(index: np.ndarray) -> Windows:
        steps = lengths[index].max()
        return Windows(inputs[index, :steps], torch.from_numpy(lengths[index]), target[index]).check()

    return Bucketed(lengths, 32, collate)


def network(seed: int = 3, encoder: str = "gru") -> Network:
    with seeded(seed):
        return Network(encoder)


class Tell(Callback):
    def on_step(self, trainer) -> None:
        print(trainer.progress.steps, flush=True)


def main(directory: Path, output: Path, every_seconds: float) -> None:
    model = network()
    validate = partial(mean_loss, batches=source(100, seed=1), loss=loss)
    checkpoint = Checkpoint(directory, every_seconds, key="toy")
    result = train(model, source(), loss, CONFIG, validate=validate, callbacks=[Tell()], checkpoint=checkpoint)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    history = [[record.training_loss, record.validation_loss] for record in result.history]
    artifacts.save(output, tensors, {"history": history, "best_epoch": result.best_epoch})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), every_seconds=0)

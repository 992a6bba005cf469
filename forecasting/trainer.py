"""The training loop: read `Trainer.run` first, it is the table of contents.

The caller builds the model (inside `seeds.seeded`, for the same weights each time), declares where batches come from
(`batches.BatchSource`) and gives the loss of one batch. On the same machine the same seed makes the same weights, bit
for bit, also through any number of kills when there is a checkpoint to resume from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from forecasting.averaging import WeightAverage
from forecasting.batches import Batch, BatchSource
from forecasting.callbacks import Callback
from forecasting.checkpoints import Checkpoint
from forecasting.devices import choose_device, data_parallel, deterministic, mixed_precision, threads
from forecasting.optimisers import build_optimiser, schedule
from forecasting.schema import TrainingDiverged
from forecasting.seeds import derive, seeded

BatchT = TypeVar("BatchT", bound=Batch)

LossFunction = Callable[[nn.Module, BatchT], Tensor]
"""The scalar loss of a model on a batch."""

Validation = Callable[[nn.Module], float]
"""The loss of a model on a time-later slice; smaller is better."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. The batch size belongs to the batch source.

    `schedule_epochs`: the length that the schedule is laid out for, `epochs` by default; a refit for the epochs that
    a search found keeps the search's learning rates by naming the search's epochs here. `clip`: largest gradient
    norm. `patience`: epochs without a better validation before stopping, None to run all. `input_noise`: standard
    deviation of what is added to the inputs declared noisy. `average`: decay of the moving average of the weights
    that is validated and kept, 0 for none. `amp`: bfloat16 where there is CUDA. `threads`: of the CPU, None for
    torch's choice.
    """

    epochs: int = 10
    learning_rate: float = 3e-3
    optimiser: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.01
    momentum: float = 0.9
    schedule: Literal["onecycle", "cosine", "constant"] = "onecycle"
    schedule_epochs: int | None = None
    clip: float | None = 1.0
    patience: int | None = None
    input_noise: float = 0.0
    average: float = 0.0
    amp: bool = False
    device: str = "auto"
    threads: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: its number from 1, mean training loss, loss on the later slice if any, last learning rate."""

    epoch: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float


@dataclass(frozen=True)
class TrainingResult:
    """`epochs` run, and `best_epoch` (from 1), whose weights the model now has: the last one without validation."""

    epochs: int
    best_epoch: int
    best_loss: float | None
    history: tuple[EpochRecord, ...]


@dataclass
class Progress:
    """How far a training has come: whole epochs, steps within the current one, and steps in all."""

    epoch: int = 0
    step: int = 0
    steps: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    history: list[EpochRecord] = field(default_factory=list)


def train(
    model: nn.Module,
    batches: BatchSource[BatchT],
    loss: LossFunction[BatchT],
    config: TrainingConfig,
    *,
    validate: Validation | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train `model` in place, on `config.device`, and leave it there in evaluation mode with its best weights.

    Raises TrainingDiverged when the loss stops being finite.
    """
    return Trainer(model, batches, loss, config, validate, callbacks, checkpoint).run()


class Trainer:
    """One training: small named steps over `progress`, the model, its optimiser, and the best weights so far."""

    def __init__(
        self,
        model: nn.Module,
        batches: BatchSource,
        loss: LossFunction,
        config: TrainingConfig,
        validate: Validation | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoint | None = None,
    ):
        self.config, self.batches, self.loss = config, batches, loss
        self.validate, self.callbacks, self.checkpoint = validate, callbacks, checkpoint
        self.device = choose_device(config.device)
        self.model = model.to(self.device)
        self.replica = data_parallel(self.model)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimiser = build_optimiser(self.parameters, config)
        self.average = WeightAverage(self.parameters, config.average)
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()
        self.running_loss = torch.zeros((), dtype=torch.float64, device=self.device)

    def run(self) -> TrainingResult:
        seed = derive(self.config.seed, "training")
        with threads(self.config.threads), deterministic(self.device), seeded(seed):
            if self.checkpoint:
                self.checkpoint.resume(self)
            self.notify("on_begin")
            try:
                while not self.is_over():
                    self.train_epoch()
                    self.end_epoch()
                self.finish()
            finally:
                self.notify("on_end")
        history = self.progress.history
        return TrainingResult(len(history), self.progress.best_epoch, self.best_loss(), tuple(history))

    def train_epoch(self) -> None:
        """The steps of the current epoch that are still to do."""
        self.replica.train()
        source = self.batches.batches(self.progress.epoch, self.config.seed)
        for batch in islice(source, self.progress.step, None):
            self.train_step(batch)
            self.notify("on_step")
            if self.checkpoint and self.checkpoint.is_due():
                self.save()

    def train_step(self, batch: Batch) -> None:
        config, batch = self.config, batch.to(self.device)
        if config.input_noise:
            batch = batch.with_noise(config.input_noise)
        with mixed_precision(self.device, config.amp):
            loss = self.loss(self.replica, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(self.parameters, config.clip)
        self.set_learning_rate()
        self.optimiser.step()
        self.progress.step += 1
        self.progress.steps += 1
        self.running_loss += loss.detach()
        self.average.update(self.progress.steps)
        # Reading a number off the GPU waits for it, so there the guard looks at the running loss less often.
        if self.device.type == "cpu" or self.progress.step % 50 == 0:
            self.guard()

    def set_learning_rate(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.progress.steps)

    def learning_rate(self, steps: int) -> float:
        """The learning rate after so many steps."""
        total = len(self.batches) * (self.config.schedule_epochs or self.config.epochs)
        return self.config.learning_rate * schedule(self.config.schedule, steps / max(total, 1))

    def guard(self) -> None:
        """Stop at the first loss that is no finite number: the weights are lost from there on."""
        if not math.isfinite(self.running_loss.item()):
            raise self.diverged("the loss")

    def diverged(self, what: str) -> TrainingDiverged:
        place = f"epoch {self.progress.epoch + 1}, step {self.progress.step}"
        return TrainingDiverged(
            f"Training diverged: {what} is not a finite number at {place}"
            f" (learning rate {self.optimiser.param_groups[0]['lr']:.2g}).",
            remedy="Lower the learning rate or the gradient clip, and look for extreme values in the inputs.",
        )

    def end_epoch(self) -> None:
        """Validate, keep the weights if they are the best, and turn to the next epoch."""
        self.guard()
        if not all(torch.isfinite(parameter).all() for parameter in self.parameters):
            raise self.diverged("a weight")
        progress = self.progress
        validation = self.validation_loss()
        training = self.running_loss.item() / max(progress.step, 1)
        last_rate = self.learning_rate(max(progress.steps - 1, 0))
        record = EpochRecord(progress.epoch + 1, training, validation, last_rate)
        progress.history.append(record)
        if validation is None or validation < progress.best_loss:
            progress.best_epoch, progress.best_loss = record.epoch, math.inf if validation is None else validation
            if validation is not None:
                self.best = self.weights()
        progress.epoch, progress.step = progress.epoch + 1, 0
        self.running_loss.zero_()
        self.notify("on_epoch", record)

    def validation_loss(self) -> float | None:
        if self.validate is None:
            return None
        with self.average.applied(), evaluation(self.model):
            loss = float(self.validate(self.model))
        if not math.isfinite(loss):
            raise self.diverged("the loss on the later slice")
        return loss

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as validated."""
        with self.average.applied():
            return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def is_over(self) -> bool:
        patience, progress = self.config.patience, self.progress
        waited = progress.epoch - progress.best_epoch
        return progress.epoch >= self.config.epochs or (patience is not None and waited > patience)

    def finish(self) -> None:
        """Save first, so that a finished training resumes as finished; then take the best weights."""
        if self.checkpoint:
            self.save()
        if self.best:
            self.model.load_state_dict(self.best)
        else:
            self.average.assign()
        self.model.eval()

    def best_loss(self) -> float | None:
        return self.progress.best_loss if math.isfinite(self.progress.best_loss) else None

    def save(self) -> None:
        assert self.checkpoint is not None
        self.guard()
        self.checkpoint.save(self)

    def notify(self, event: str, *details: object) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *details)


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, without gradients; its mode is restored."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def mean_loss(model: nn.Module, batches: BatchSource[BatchT], loss: LossFunction[BatchT]) -> float:
    """Mean loss over a source's first epoch, each batch counting by its rows: a `validate` once its last two arguments
    are bound."""
    device = next(model.parameters()).device
    total, rows = 0.0, 0
    with evaluation(model):
        for batch in batches.batches(0, 0):
            total += loss(model, batch.to(device)).item() * len(batch)
            rows += len(batch)
    return total / max(rows, 1)

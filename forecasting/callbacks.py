"""Callbacks watch a training. The base class does nothing; override what you need."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.schema import ConfigurationError

if TYPE_CHECKING:
    from forecasting.trainer import EpochRecord, Trainer


class Callback:
    """Called by the trainer at each point of a training; may read the trainer, and must not draw random numbers."""

    def on_begin(self, trainer: Trainer) -> None:
        """Before the first step, after any resume."""

    def on_step(self, trainer: Trainer) -> None:
        """After each step of the optimiser."""

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """After each epoch and its validation."""

    def on_end(self, trainer: Trainer) -> None:
        """When the training is over, even by an error."""


class Report(Callback):
    """Tells a function `(done, total, note)` after every epoch, as `forecasting.task.Fit.progress` wants."""

    def __init__(self, tell: Callable[[int, int, str], None]):
        self.tell = tell

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        self.tell(record.epoch, trainer.config.epochs, _describe(record))


class RichProgress(Callback):
    """A progress bar on stderr, where that is a terminal."""

    def __init__(self, title: str = "training"):
        self.title = title

    def on_begin(self, trainer: Trainer) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
        self.steps = len(trainer.batches)
        self.line = self.bar.add_task(
            self.title, total=trainer.config.epochs * self.steps, completed=trainer.progress.steps, note=""
        )
        self.bar.start()

    def on_step(self, trainer: Trainer) -> None:
        self.bar.update(self.line, completed=trainer.progress.steps)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        self.bar.update(self.line, note=_describe(record))

    def on_end(self, trainer: Trainer) -> None:
        self.bar.stop()


class TensorBoard(Callback):
    """Losses and learning rate for TensorBoard, written below `directory`."""

    def __init__(self, directory: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigurationError(
                "TensorBoard is not installed.", remedy="pip install 'shop-forecasting[tensorboard]'"
            ) from error
        self.writer = SummaryWriter(str(directory))

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        self.writer.add_scalar("loss/training", record.training_loss, record.epoch)
        if record.validation_loss is not None:
            self.writer.add_scalar("loss/validation", record.validation_loss, record.epoch)
        self.writer.add_scalar("learning_rate", record.learning_rate, record.epoch)

    def on_end(self, trainer: Trainer) -> None:
        self.writer.close()


def _describe(record: EpochRecord) -> str:
    later = "" if record.validation_loss is None else f", later slice {record.validation_loss:.4g}"
    return f"epoch {record.epoch}: loss {record.training_loss:.4g}{later}"

"""Checkpoints: all that a training needs to go on after a kill, bit for bit as if nothing had happened."""

from __future__ import annotations

import copy
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from forecasting import artifacts
from forecasting.schema import ArtifactError

if TYPE_CHECKING:
    from forecasting.trainer import Trainer

FORMAT = 1

_SLACK_BYTES = 64 << 20
"""What a checkpoint may hold beside copies of the weights."""

_COPIES = 8
"""More copies of the weights than any optimiser of ours keeps: the model, its best, an average, two moments."""

log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """Where and how often to save. `key` says what is being trained (data, cutoff, options): a checkpoint of another
    key, configuration or model is discarded, never resumed. The directory belongs to one training, and is the
    caller's to delete."""

    directory: Path
    every_seconds: float = 30.0
    key: str = ""
    _saved_at: float = field(default_factory=time.monotonic, repr=False)

    def is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, trainer: Trainer) -> None:
        """Write the newest state beside the one before, then delete that one: a kill leaves at least one whole."""
        target = self.directory / f"epoch-{trainer.progress.epoch:06d}-step-{trainer.progress.step:09d}"
        if not target.exists():
            artifacts.save(target, _tensors(trainer), _document(trainer, self.key))
        self._delete(but=target)
        self._saved_at = time.monotonic()

    def resume(self, trainer: Trainer) -> bool:
        """Bring a fresh trainer to the newest whole state of the same training; false where there is none."""
        saved = self._saved()
        bring_back = _fresh_state(trainer) if saved else None
        for directory in reversed(saved):
            try:
                tensors, document = artifacts.load(directory, most_bytes=_most_bytes(trainer))
                if document.get("identity") == _identity(trainer, self.key):
                    _restore(trainer, tensors, document)
                    return True
            except ArtifactError:  # half deleted by a kill: the one before it, or none, will do
                continue
            except Exception as odd:  # whole, and yet no state of this training: somebody else wrote it
                log.warning("The checkpoint %s is refused (%s).", directory, type(odd).__name__)
                assert bring_back is not None
                bring_back()
        self._delete()
        return False

    def _saved(self) -> list[Path]:
        """Checkpoints, oldest first."""
        return sorted(self.directory.glob("epoch-*"))

    def _delete(self, but: Path | None = None) -> None:
        """Delete all checkpoints but one, and what kills left half written: nothing else that lies there."""
        for old in (*self._saved(), *self.directory.glob(".epoch-*")):
            if old == but:
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()


def _identity(trainer: Trainer, key: str) -> dict[str, Any]:
    """What two trainings must share for one to resume the other, as JSON values."""
    shapes = {name: list(value.shape) for name, value in trainer.model.state_dict().items()}
    return {
        "format": FORMAT,
        "key": key,
        "config": asdict(trainer.config),
        "batches": len(trainer.batches),
        "shapes": shapes,
        "torch": torch.__version__,
    }


def _most_bytes(trainer: Trainer) -> int:
    weights = sum(value.nbytes for value in trainer.model.state_dict().values())
    return _COPIES * weights + _SLACK_BYTES


def _fresh_state(trainer: Trainer) -> Callable[[], None]:
    """What brings a trainer back to where it stands now."""
    model = copy.deepcopy(trainer.model.state_dict())
    optimiser = copy.deepcopy(trainer.optimiser.state_dict())
    average = [value.clone() for value in trainer.average.values]
    best, progress, running_loss = trainer.best, copy.deepcopy(trainer.progress), trainer.running_loss.clone()
    random = torch.get_rng_state()

    def bring_back() -> None:
        trainer.model.load_state_dict(model)
        trainer.optimiser.load_state_dict(optimiser)
        for value, before in zip(trainer.average.values, average, strict=True):
            value.copy_(before)
        trainer.best, trainer.progress = best, copy.deepcopy(progress)
        trainer.running_loss.copy_(running_loss)
        torch.set_rng_state(random)

    return bring_back


def _document(trainer: Trainer, key: str) -> dict[str, Any]:
    progress = asdict(trainer.progress)
    if not trainer.best:
        progress["best_loss"] = None  # infinity is no JSON
    return {
        "identity": _identity(trainer, key),
        "progress": progress,
        "running_loss": trainer.running_loss.item(),
    }


def _tensors(trainer: Trainer) -> dict[str, np.ndarray]:
    found: dict[str, Tensor] = {f"model/{name}": value for name, value in trainer.model.state_dict().items()}
    found |= {f"best/{name}": value for name, value in trainer.best.items()}
    found |= {f"average/{k}": value for k, value in enumerate(trainer.average.values)}
    for k, state in trainer.optimiser.state_dict()["state"].items():
        found |= {f"optimiser/{k}/{name}": value for name, value in state.items() if value is not None}
    found["random/cpu"] = torch.get_rng_state()
    if trainer.device.type == "cuda":
        found["random/cuda"] = torch.cuda.get_rng_state(trainer.device)
    return {name: value.detach().cpu().numpy() for name, value in found.items()}


def _restore(trainer: Trainer, arrays: dict[str, np.ndarray], document: dict[str, Any]) -> None:
    """Raises anything at all where they are no state of this training; the trainer is half changed then."""
    from forecasting.trainer import EpochRecord, Progress

    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "average": {}, "optimiser": {}, "random": {}}
    for name, array in arrays.items():
        part, key = name.split("/", 1)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
        parts[part][key] = torch.from_numpy(array.copy())
    trainer.model.load_state_dict(parts["model"])
    _expect_shapes(trainer, parts["best"], parts["optimiser"])
    trainer.best = {name: value.to(trainer.device) for name, value in parts["best"].items()}
    for k, value in enumerate(trainer.average.values):
        value.copy_(parts["average"][str(k)])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimiser"].items():
        number, key = name.split("/", 1)
        state.setdefault(int(number), {})[key] = value
    trainer.optimiser.load_state_dict({**trainer.optimiser.state_dict(), "state": state})
    progress = dict(document["progress"])
    progress["history"] = [EpochRecord(**record) for record in progress["history"]]
    if progress["best_loss"] is None:
        del progress["best_loss"]
    trainer.progress = Progress(**progress)
    counts = (trainer.progress.epoch, trainer.progress.step, trainer.progress.steps, trainer.progress.best_epoch)
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError("a count is none")
    trainer.running_loss.fill_(document["running_loss"])
    torch.set_rng_state(parts["random"]["cpu"])
    if "cuda" in parts["random"]:
        torch.cuda.set_rng_state(parts["random"]["cuda"], trainer.device)


def _expect_shapes(trainer: Trainer, best: dict[str, Tensor], optimiser: dict[str, Tensor]) -> None:
    """Raises ValueError where the best weights, or what the optimiser keeps, belong to other parameters."""
    shapes = {name: value.shape for name, value in trainer.model.state_dict().items()}
    if best and {name: value.shape for name, value in best.items()} != shapes:
        raise ValueError("the best weights are of another model")
    numbered = [parameter for group in trainer.optimiser.param_groups for parameter in group["params"]]
    for name, value in optimiser.items():
        if value.shape not in ((), numbered[int(name.split("/", 1)[0])].shape):
            raise ValueError(f"optimiser/{name} is of another model")

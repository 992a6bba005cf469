"""Batches: what a model sees in one step, declared in one place with shapes, and where they come from.

A task declares its batch as a frozen dataclass::

    @dataclass(frozen=True)
    class Windows(Batch):
        history: Tensor = declare("rows steps 24", noisy=True)
        lengths: Tensor = declare("rows", torch.int64)
        target: Tensor = declare("rows horizon")
        weight: Tensor = declare("rows horizon")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from forecasting.seeds import derive


def declare(shape: str, dtype: torch.dtype = torch.float32, *, noisy: bool = False, optional: bool = False) -> Any:
    """A field of a batch. `shape`: its axes in words, equal words meaning equal sizes throughout the batch, numbers
    fixed sizes, "..." any further axes. `noisy`: training may add input noise to it. `optional`: None by default."""
    axes = tuple(int(axis) if axis.isdecimal() else axis for axis in shape.split())
    metadata = {"axes": axes, "dtype": dtype, "noisy": noisy, "optional": optional}
    return field(default=None, metadata=metadata) if optional else field(metadata=metadata)


@dataclass(frozen=True)
class Batch:
    """Base class of batches: fields are tensors made by `declare`, whose first axis is the rows."""

    def __len__(self) -> int:
        return len(next(value for _, value in self._tensors()))

    def _tensors(self) -> Iterator[tuple[Any, Tensor]]:
        for declared in fields(self):
            value = getattr(self, declared.name)
            if value is not None:
                yield declared, value

    def to(self, device: torch.device) -> Self:
        """The batch on `device`; itself where it is there already."""
        if all(value.device == device for _, value in self._tensors()):
            return self
        return replace(self, **{f.name: value.to(device, non_blocking=True) for f, value in self._tensors()})

    def with_noise(self, scale: float) -> Self:
        """Gaussian noise of standard deviation `scale` added to the fields declared noisy, from torch's generator."""
        noisy = {f.name: value + scale * torch.randn_like(value) for f, value in self._tensors() if f.metadata["noisy"]}
        return replace(self, **noisy)

    def check(self) -> Self:
        """The batch itself. Raises ValueError naming the first field whose dtype or shape is not as declared."""
        sizes: dict[str, int] = {}
        for declared in fields(self):
            value, about = getattr(self, declared.name), declared.metadata
            name = f"{type(self).__name__}.{declared.name}"
            if value is None:
                if not about["optional"]:
                    raise ValueError(f"{name} is missing")
                continue
            if value.dtype != about["dtype"]:
                raise ValueError(f"{name} is {value.dtype}, declared {about['dtype']}")
            _check_shape(name, tuple(value.shape), about["axes"], sizes)
        return self


def _check_shape(name: str, shape: tuple[int, ...], axes: tuple[int | str, ...], sizes: dict[str, int]) -> None:
    """Compare one shape with its axes; `sizes` remembers what each word stood for."""
    named = axes[:-1] if axes[-1:] == ("...",) else axes
    fits = len(shape) == len(axes) or (len(named) < len(axes) and len(shape) >= len(named))
    for size, axis in zip(shape, named, strict=False):
        fits = fits and size == (axis if isinstance(axis, int) else sizes.setdefault(axis, size))
    if not fits:
        known = f", where {sizes}" if sizes else ""
        raise ValueError(f"{name} has shape {shape}, declared {' '.join(map(str, axes))!r}{known}")


BatchT_co = TypeVar("BatchT_co", bound=Batch, covariant=True)


@runtime_checkable
class BatchSource(Protocol[BatchT_co]):
    """Where a trainer gets its batches.

    What `batches` yields depends on `epoch` and `seed` alone, and torch's global generator stays untouched: then a
    training that resumes in the middle of an epoch sees what it would have seen.
    """

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, seed: int) -> Iterator[BatchT_co]:
        """The batches of an epoch (0, 1, ...), in order."""
        ...


def bucketed(lengths: np.ndarray, size: int, epoch: int, seed: int, pool: int = 50) -> list[np.ndarray]:
    """Rows in batches of about equal length, in random order: less padding, hardly less random.

    `lengths`: int [n]. Shuffled rows are sorted by length within pools of `pool` batches, cut into batches of `size`
    (one of them smaller), and the batches shuffled. Returns int64 arrays that hold every row once.
    """
    random = np.random.default_rng(derive(seed, "bucketed", epoch))
    order = random.permutation(len(lengths))
    pools = np.arange(len(order)) // (size * pool)
    order = order[np.lexsort((lengths[order], pools))]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[k] for k in random.permutation(len(batches))]


@dataclass(frozen=True)
class Bucketed(BatchSource[BatchT_co]):
    """A batch source over rows of known length. `collate` turns row numbers, int64 [B], into a batch.

    `shuffle` false keeps the rows in their order, for evaluation.
    """

    lengths: np.ndarray
    size: int
    collate: Callable[[np.ndarray], BatchT_co]
    shuffle: bool = True

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.size)

    def batches(self, epoch: int, seed: int) -> Iterator[BatchT_co]:
        if self.shuffle:
            index = bucketed(self.lengths, self.size, epoch, seed)
        else:
            index = np.split(np.arange(len(self.lengths)), range(self.size, len(self.lengths), self.size))
        return map(self.collate, index)

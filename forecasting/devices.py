"""Where tensors live: CPU, or CUDA where it is present."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from forecasting.schema import ConfigurationError


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1"); "auto" takes CUDA where it is present.

    Raises ConfigurationError for an unknown name, or CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"There is no device {name!r}.", remedy='Use "auto", "cpu" or "cuda".') from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("The device is CUDA, but no GPU is found.", remedy='Use "auto" or "cpu".')
    return device


def mixed_precision(device: torch.device, wanted: bool) -> AbstractContextManager[object]:
    """Autocast to bfloat16 on CUDA, whose range is float32's, so that no loss scaling is needed; nothing elsewhere."""
    if not wanted or device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Within, CUDA computes in the same order each time, where it can; a CPU does so anyway."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS reads when it is first used
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


def data_parallel(model: nn.Module) -> nn.Module:
    """The model to call in training: itself, or its replica where an engine (torchrun, Ray) has begun a process
    group. The trainer wraps here and nowhere else; no task knows."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return nn.parallel.DistributedDataParallel(model)
    return model


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads within; None leaves the number as it is."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

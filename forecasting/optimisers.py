"""Optimisers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from forecasting.schema import ConfigurationError

if TYPE_CHECKING:
    from forecasting.trainer import TrainingConfig


def build_optimiser(parameters: Sequence[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) or SGD with momentum; only matrices decay, not biases or gains. Fused: a
    small network would otherwise spend as long in the optimiser's Python as in its own arithmetic.

    Raises ConfigurationError for an unknown name.
    """
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    if config.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, fused=True)
    raise ConfigurationError(f"There is no optimiser {config.optimiser!r}.", remedy="Choose adamw or sgd.")


def schedule(name: str, done: float) -> float:
    """The share of the learning rate to use when `done` in [0, 1] of the training is over.

    "onecycle" climbs from 1/25 over the first 30% and falls to nothing, both along a cosine (Smith and Topin 2019);
    "cosine" climbs over the first 5% and falls (Loshchilov and Hutter 2017); "constant" is 1. Raises
    ConfigurationError for an unknown name.
    """
    if name == "constant":
        return 1.0
    if name not in ("onecycle", "cosine"):
        raise ConfigurationError(f"There is no schedule {name!r}.", remedy="Choose onecycle, cosine or constant.")
    climb = 0.3 if name == "onecycle" else 0.05
    if done < climb:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * done / climb)) / 2
    part = min((done - climb) / (1 - climb), 1.0)
    return 1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * part)) / 2

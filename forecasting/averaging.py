"""A moving average of a model's weights, often a better forecaster than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of `parameters` (Polyak and Juditsky 1992 average uniformly). A `decay` of 0 keeps
    none, and the methods do nothing."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self.decay = decay
        self.parameters = [parameter.detach() for parameter in parameters] if decay else []
        self.values: list[Tensor] = [parameter.clone() for parameter in self.parameters]

    def update(self, steps: int) -> None:
        """Take the weights after `steps` steps in. The memory grows with the steps, so that early weights fade."""
        if self.values:
            torch._foreach_lerp_(self.values, self.parameters, 1 - min(self.decay, (1 + steps) / (10 + steps)))

    def assign(self) -> None:
        """Give the model its average weights for good."""
        _copy(self.values, self.parameters)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model with its average weights within, with its own again after."""
        own = [parameter.clone() for parameter in self.parameters]
        self.assign()
        try:
            yield
        finally:
            _copy(own, self.parameters)


def _copy(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> None:
    for value, parameter in zip(values, parameters, strict=True):
        parameter.copy_(value)

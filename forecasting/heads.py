"""Heads turn states into forecasts. Tasks choose one or bring their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.schema import ConfigurationError


class QuantileHead(nn.Module):
    """Quantiles that cannot cross: a centre, and softplus steps summed outwards from it on both sides.

    `levels`: strictly increasing, within (0, 1). The centre is the level nearest to one half. Fresh heads answer
    about the quantiles of a normal distribution with standard deviation `spread`, so that training starts from a
    sensible fan. The source of the cumulative form is Gasthaus et al. 2019 (monotone splines), with knots at fixed
    levels.
    """

    def __init__(self, width: int, levels: Sequence[float], spread: float = 1.0):
        super().__init__()
        if not levels or any(not 0 < level < 1 for level in levels) or list(levels) != sorted(set(levels)):
            raise ConfigurationError(
                f"Quantile levels {tuple(levels)} cannot be used.", remedy="Give increasing levels between 0 and 1."
            )
        self.levels = tuple(float(level) for level in levels)
        self.centre = min(range(len(levels)), key=lambda k: abs(levels[k] - 0.5))
        self.linear = nn.Linear(width, len(levels))
        nn.init.normal_(self.linear.weight, std=0.1 / math.sqrt(width))
        with torch.no_grad():
            self.linear.bias.copy_(self._normal_bias(spread))

    def _normal_bias(self, spread: float) -> Tensor:
        """Raw outputs [Q] that give the quantiles of N(0, spread)."""
        z = [spread * NormalDist().inv_cdf(level) for level in self.levels]
        steps = [
            abs(z[k] - z[k - 1 if k > self.centre else k + 1]) if k != self.centre else z[k] for k in range(len(z))
        ]
        # inverse of softplus, log(e^x - 1)
        raw = [step if k == self.centre else math.log(math.expm1(step)) for k, step in enumerate(steps)]
        return torch.tensor(raw)

    def forward(self, states: Tensor) -> Tensor:
        """`states` float [..., W] to quantiles float [..., Q], non-decreasing in the order of `levels`."""
        raw = self.linear(states)
        middle = raw[..., self.centre : self.centre + 1]
        below = middle - F.softplus(raw[..., : self.centre]).flip(-1).cumsum(-1).flip(-1)
        above = middle + F.softplus(raw[..., self.centre + 1 :]).cumsum(-1)
        return torch.cat((below, middle, above), -1)


class MeanHead(nn.Module):
    """A positive mean, through softplus; fresh heads answer about `start`."""

    def __init__(self, width: int, start: float = 1.0, floor: float = 1e-6):
        super().__init__()
        self.floor = floor
        self.linear = nn.Linear(width, 1)
        nn.init.normal_(self.linear.weight, std=0.1 / math.sqrt(width))
        nn.init.constant_(self.linear.bias, math.log(math.expm1(start)))

    def forward(self, states: Tensor) -> Tensor:
        """`states` float [..., W] to means float [...], at least `floor`."""
        return F.softplus(self.linear(states)).squeeze(-1) + self.floor

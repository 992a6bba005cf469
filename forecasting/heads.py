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


class HazardHead(nn.Module):
    """Cumulative hazards of consecutive intervals, constant within each (Kvamme and Borgan 2021, PC-Hazard,
    Lifetime Data Analysis 27, section 3.2): softplus of a linear answer, times the interval's width in units of the
    first. With equal widths it is the logistic discrete-time hazard of Gensheimer and Narasimhan (2019, PeerJ 7:e6257).

    Intervals are answered as steps from the one before, so that decay of weights draws neighbours together and an
    interval that training never saw goes on as the last one that it did. `widths`: of the intervals, positive.
    """

    relative: Tensor

    def __init__(self, width: int, widths: Sequence[float]):
        super().__init__()
        if not widths or min(widths) <= 0:
            raise ConfigurationError(
                f"Intervals of widths {tuple(widths)} cannot be used.", remedy="Make them positive."
            )
        self.register_buffer("relative", torch.tensor([one / widths[0] for one in widths], dtype=torch.float32))
        self.linear = nn.Linear(width, len(widths))
        nn.init.zeros_(self.linear.weight)
        with torch.no_grad():
            nn.init.normal_(self.linear.weight[:1], std=0.1 / math.sqrt(width))
        nn.init.zeros_(self.linear.bias)

    def start_at(self, hazards: Tensor) -> None:
        """Make a fresh head answer about the cumulative hazards given, float [K], NaN where none is known: those go
        on at the rate of the one before, or of the first known."""
        rate = (hazards / self.relative).clamp(min=1e-4)
        known = ~rate.isnan()
        if not known.any():
            return
        last = torch.where(known, torch.arange(len(rate)), -1).cummax(0).values
        rate = rate[torch.where(last < 0, known.int().argmax(), last)]
        raw = rate + torch.log(-torch.expm1(-rate))  # inverse of softplus
        with torch.no_grad():
            self.linear.bias.copy_(torch.cat([raw[:1], raw.diff()]))

    def forward(self, states: Tensor) -> Tensor:
        """`states` float [..., W] to cumulative hazards float [..., K], positive."""
        return F.softplus(self.linear(states).cumsum(-1)) * self.relative

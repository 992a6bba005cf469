"""Losses over masked targets. `weight` is zero where a target is not to be learned from (padding, stock-outs,
unobserved periods): whatever stands in the target there, NaN included, is ignored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from forecasting.schema import ConfigurationError


def weighted_mean(loss: Tensor, weight: Tensor | None = None) -> Tensor:
    """Scalar mean of `loss` under `weight` (same shape, or broadcasting to it); 0 where all weights are zero."""
    if weight is None:
        return loss.mean()
    weight = weight.expand_as(loss)
    return (loss * weight).sum() / weight.sum().clamp(min=torch.finfo(loss.dtype).tiny)


def pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float], weight: Tensor | None = None) -> Tensor:
    """Pinball (quantile) loss, averaged over the levels (Koenker and Bassett 1978).

    `quantiles`: float [..., Q] at `levels`. `target`: float [...]. `weight`: float [...] or None. Returns a scalar.
    """
    error = _visible(target, weight).unsqueeze(-1) - quantiles
    level = torch.tensor(levels, dtype=error.dtype, device=error.device)
    return weighted_mean(torch.maximum(level * error, (level - 1) * error).mean(-1), weight)


def tweedie(mean: Tensor, target: Tensor, power: float = 1.5, weight: Tensor | None = None) -> Tensor:
    """Unit Tweedie deviance (Jørgensen 1987, section 2): 1 is Poisson, between 1 and 2 compound Poisson-gamma.

    `mean`: float [...], positive. `target`: float [...], not negative. Returns a scalar, zero for a perfect mean.
    """
    if not 1 <= power < 2:
        raise ConfigurationError(f"A Tweedie power of {power} cannot be used.", remedy="Give one in [1, 2).")
    target = _visible(target, weight)
    if power == 1:
        deviance = 2 * (torch.xlogy(target, target) - target * mean.log() - target + mean)
    else:
        constant = target.pow(2 - power) / ((1 - power) * (2 - power))
        deviance = 2 * (constant - target * mean.pow(1 - power) / (1 - power) + mean.pow(2 - power) / (2 - power))
    return weighted_mean(deviance, weight)


def poisson(mean: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Poisson deviance: the Tweedie deviance of power 1."""
    return tweedie(mean, target, 1.0, weight)


def squared(mean: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared error, which the mean minimises. `mean`, `target`: float [...]. Returns a scalar."""
    return weighted_mean((_visible(target, weight) - mean).square(), weight)


def censored_hazard(hazard: Tensor, watched: Tensor, event: Tensor) -> Tensor:
    """Negative log-likelihood of when an event came, summed over intervals: float [...].

    `hazard`: float [..., K], cumulative hazard of each interval, taken as constant within it. `watched`: float
    [..., K], the share of the interval in which the event would have been seen, 0 where it had come before or nobody
    looked. `event`: float or bool [..., K], 1 where it came in the watched part: 1 - exp(-share x hazard) is the chance
    of that. Where intervals are watched whole or not at all this is the likelihood of Gensheimer and Narasimhan (2019,
    PeerJ 7:e6257, equation 1); of Kvamme and Borgan (2021, Lifetime Data Analysis 27) where the share varies.
    """
    seen = hazard * watched
    came = torch.log(-torch.expm1(-torch.where(event > 0, seen, 1.0).clamp(min=1e-12)))
    return torch.where(event > 0, -came, seen).sum(-1)


def _visible(target: Tensor, weight: Tensor | None) -> Tensor:
    """Zeros for targets of no weight: a NaN times zero would still be NaN."""
    return target if weight is None else torch.where(weight > 0, target, 0.0)

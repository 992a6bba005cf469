"""The networks' forecast with a share of the task's own baselines, where a later slice shows that this pays.

Unlike forecasters err unlike each other: weeks and months, of which there are few to learn from, gain most. Quantiles
are averaged level by level (Lichtendahl, Grushka-Cockayne and Winkler 2013), so that they stay in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.demand.forecast import DemandForecast

CANDIDATES = ("seasonal_naive", "empirical_quantiles", "moving_average")
"""Baselines that may have a share."""

SHARES = (0.1, 0.2, 0.3, 0.4)
"""Shares tried for each; more would be to give up on the network for one slice."""

_WORTH = 0.005
"""The part of the loss on the slice that a share must save: what one horizon shows is not that exact."""

_LEAST = 200
"""Outcomes from which a slice tells shares apart."""


def find_shares(network: DemandForecast, rivals: Mapping[str, DemandForecast], actual: np.ndarray) -> dict[str, float]:
    """Shares of baselines by name, at most two, each the best where it is added; those left out have none.

    `actual`: float [n, H], what happened, NaN where not observed. The shares of `blended` are cumulative in order: the
    second is a share of the whole, the first of what was there before it.
    """
    known = np.isfinite(actual)
    if known.sum() < _LEAST:
        return {}
    shares: dict[str, float] = {}
    blend, loss = network.quantiles, _loss(network, network.quantiles, actual, known)
    for _ in range(2):
        tried = {
            (name, share): _loss(network, (1 - share) * blend + share * rival.quantiles, actual, known)
            for name, rival in rivals.items()
            if name not in shares
            for share in SHARES
        }
        if not tried:
            break
        name, share = min(tried, key=tried.__getitem__)
        if tried[name, share] > (1 - _WORTH) * loss:
            break
        shares[name], loss = share, tried[name, share]
        blend = (1 - share) * blend + share * rivals[name].quantiles
    return shares


def blended(
    network: DemandForecast, rivals: Mapping[str, DemandForecast], shares: Mapping[str, float]
) -> DemandForecast:
    """The network's forecast with each baseline's share, in the order of `shares`."""
    mean, quantiles, cumulative = network.mean, network.quantiles, network.cumulative
    for name, share in shares.items():
        own, other = np.float32(1 - share), np.float32(share)
        mean = own * mean + other * rivals[name].mean
        quantiles = own * quantiles + other * rivals[name].quantiles
        cumulative = own * cumulative + other * rivals[name].cumulative
    return DemandForecast(mean, quantiles, cumulative, network.levels, network.cumulative_levels)


def restore_shares(learnt: Mapping[str, Any]) -> dict[str, float]:
    """The shares that a recipe holds, in their order."""
    return {str(name): float(share) for name, share in learnt.get("shares", [])}


def _loss(forecast: DemandForecast, quantiles: np.ndarray, actual: np.ndarray, known: np.ndarray) -> float:
    """Pinball loss in units, over all levels."""
    error = actual[known][:, None] - quantiles[known]
    level = np.array(forecast.levels)
    return float(np.maximum(level * error, (level - 1) * error).sum())

"""The networks' forecast with a share of the task's own baselines, where a later slice shows that this pays.

Unlike forecasters err unlike each other: weeks and months, of which there are few to learn from, gain most. Quantiles
are averaged level by level (Lichtendahl, Grushka-Cockayne and Winkler 2013), so that they stay in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecasting.task import Cases
from tasks.demand.baselines import METHODS
from tasks.demand.forecast import DemandForecast, coherent
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

CANDIDATES = ("seasonal_naive", "empirical_quantiles", "moving_average")
"""Baselines that may have a share."""

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares tried for each; more would be to give up on the network for one slice."""

_WORTH = 0.02
"""The part of the loss on the slice that a share must save: what one horizon shows is not that exact."""

_AT_ONCE = 2048

_LEAST = 200
"""Outcomes from which a slice tells shares apart."""


def rival(name: str, grid: SalesGrid, cases: Cases, options: DemandOptions, network: DemandForecast) -> DemandForecast:
    """What the baseline says from each case's own history; where there is none, what the network says."""
    parts = []
    for start in range(0, max(len(cases), 1), _AT_ONCE):
        part = np.arange(start, min(start + _AT_ONCE, len(cases)))
        series, known_by = cases.entity[part], cases.cutoff[part].astype("datetime64[us]")
        raw = METHODS[name](grid, series, grid.period_of(known_by), known_by, options)
        own = network.take(part)
        filled = [
            np.where(np.isnan(said), fallback, said)
            for said, fallback in zip(raw, (own.mean, own.quantiles, own.cumulative), strict=True)
        ]
        parts.append(coherent(*filled))
    return DemandForecast.concatenate(parts)


def find_shares(network: DemandForecast, rivals: Mapping[str, DemandForecast], actual: np.ndarray) -> dict[str, float]:
    """The baseline, with its share, that saves most on the slice; none where that is not worth while.

    `actual`: float [n, H], what happened, NaN where not observed."""
    known = np.isfinite(actual)
    if known.sum() < _LEAST or not rivals:
        return {}
    tried = {
        (name, share): _loss(blended(network, {name: rival}, {name: share}), actual, known)
        for name, rival in rivals.items()
        for share in SHARES
    }
    name, share = min(tried, key=tried.__getitem__)
    return {name: share} if tried[name, share] < (1 - _WORTH) * _loss(network, actual, known) else {}


def blended(
    network: DemandForecast, rivals: Mapping[str, DemandForecast], shares: Mapping[str, float]
) -> DemandForecast:
    """The network's forecast with the share of each baseline."""
    mean, quantiles, cumulative = network.mean, network.quantiles, network.cumulative
    for name, share in shares.items():
        own, other = np.float32(1 - share), np.float32(share)
        mean = own * mean + other * rivals[name].mean
        quantiles = own * quantiles + other * rivals[name].quantiles
        cumulative = own * cumulative + other * rivals[name].cumulative
    return DemandForecast(mean, quantiles, cumulative, network.levels, network.cumulative_levels)


def restore_shares(learnt: Mapping[str, Any]) -> dict[str, float]:
    """The shares that a recipe holds."""
    return {str(name): float(share) for name, share in learnt.get("shares", {}).items()}


def _loss(forecast: DemandForecast, actual: np.ndarray, known: np.ndarray) -> float:
    """Pinball loss in units, over all levels."""
    error = actual[known][:, None] - forecast.quantiles[known]
    level = np.array(forecast.levels)
    return float(np.maximum(level * error, (level - 1) * error).sum())

"""One curve from two: the network's order of customers beside the regression's, at the regression's level.

The regression follows the drift in a few numbers that it finds exactly; a network that stops early has found them in
part, and its level is off by what is left, alike for all customers. What it adds is whom it ranks differently.
"""

from __future__ import annotations

import numpy as np

from tasks.churn.forecast import SUREST

NETWORK_SHARE = 0.4
"""The network's share of the log-odds; the regression has the rest."""

_FAR = 3.0
"""Parts that differ by more in a customer's log-odds count as differing by so much: one customer is no level."""


def level_shift(network: np.ndarray, regression: np.ndarray) -> np.ndarray:
    """What brings the network's log-odds to the regression's, on average over customers, at each edge: float64 [K + 1],
    of survival at the edges, float64 [n, K + 1] each; 0 at the first edge, where all curves are 1."""
    shift = np.clip(log_odds(regression) - log_odds(network), -_FAR, _FAR).mean(axis=0)
    shift[0] = 0.0
    return shift


def blended(network: np.ndarray, regression: np.ndarray, shift: np.ndarray, share: float) -> np.ndarray:
    """Survival at the edges, float64 [n, K + 1], from that of the parts: the mean of their log-odds, never rising."""
    odds = share * (log_odds(network) + shift) + (1 - share) * log_odds(regression)
    survival = 1.0 / (1.0 + np.exp(-odds))
    survival[:, 0] = 1.0
    return np.minimum.accumulate(survival, axis=1)


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64, of probabilities kept off 0 and 1, so that one part's folly is not both's."""
    kept = np.clip(probability, SUREST, 1 - SUREST)
    return np.log(kept) - np.log1p(-kept)

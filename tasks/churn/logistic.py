"""Logistic regression by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

_RIDGE = 1.0
_STEPS = 50


@dataclass(frozen=True, eq=False)
class Logistic:
    """`mean`, `scale`: float64 [F] of the inputs; `weights`: float64 [F] of what is scaled; `level`: at their mean."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    level: float

    def probability(self, inputs: np.ndarray) -> np.ndarray:
        """Float64 [n] of inputs [n, F]; one that is unknown counts as the mean."""
        scaled = np.nan_to_num((inputs - self.mean) / self.scale)
        return expit(self.level + (scaled * self.weights).sum(axis=1))


def fit_logistic(inputs: np.ndarray, outcome: np.ndarray, expected: float = 0.5) -> Logistic:
    """The regression of `outcome` (bool [n]) on `inputs` float64 [n, F], NaN where unknown; n may be 0.

    Iteratively reweighted least squares (McCullagh & Nelder, "Generalized Linear Models", 1989, section 4.4) with a
    ridge of 1 on the weights of scaled inputs. Two cases that stand at the mean, whose outcome is what was `expected`
    beforehand, keep the level finite where all outcomes are alike."""
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, inputs, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, (inputs - mean) ** 2, 0.0).sum(axis=0) / count)
    scale = np.where(scale > 1e-9, scale, 1.0)
    scaled = np.nan_to_num((inputs - mean) / scale)
    design = np.concatenate([np.ones((len(scaled) + 2, 1)), np.pad(scaled, ((2, 0), (0, 0)))], axis=1)
    target = np.concatenate([[expected, expected], outcome])
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 0.0
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = expit(design @ weights)
        slope = design.T @ (target - chance) - ridge * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        weights = weights + step / max(1.0, np.abs(step).max() / 2)  # a long step may overshoot
        if np.abs(step).max() < 1e-10:
            break
    return Logistic(mean, scale, weights[1:], float(weights[0]))

"""Choice as a softmax over items: the conditional logit (McFadden 1974), fitted by maximum likelihood.

The utility of an item is linear in its values. Where there are very many items, the sum over all of them is estimated:
those that anything speaks for are taken as they are, and a uniform sample stands for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True, eq=False)
class Choices:
    """What n cases could choose from, and what they chose. Alternatives stand case by case.

    `offsets`: int64 [n + 1], each case has some. `every`: float32 [R, A], values that each alternative has. `some`:
    float32 [M, B], values of the alternatives `rows` (int64 [M], ascending); those of all others are 0. `stands_for`:
    float32 [R], log of how many items an alternative stands for. `chosen`: float32 [R], shares, of a case in sum 1.
    `context`: float32 [n, C], what a case is like: each value counts as much as a weighted sum of the context says.
    """

    offsets: np.ndarray
    every: np.ndarray
    some: np.ndarray
    rows: np.ndarray
    stands_for: np.ndarray
    chosen: np.ndarray
    context: np.ndarray


def fit_choice(
    choices: Choices, prior_every: np.ndarray, prior_some: np.ndarray, penalty: float, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weights that make what was chosen most likely: float64 [A, C] and [B, C].

    Maximises the mean log-likelihood of a case (of several items chosen, the mean of theirs) less `penalty` / 2n times
    the squared differences from the weights expected (`prior_every`, `prior_some`), of values in units of their spread.
    """
    n, wide = len(choices.context), choices.context.shape[1]
    case = np.repeat(np.arange(n), np.diff(choices.offsets))
    scale_every, scale_some = _spread(choices.every), _magnitude(choices.some)
    every, some = choices.every / scale_every, choices.some / scale_some
    split = every.shape[1] * wide
    prior = np.concatenate([(prior_every * scale_every[:, None]).ravel(), (prior_some * scale_some[:, None]).ravel()])
    z_every = choices.context[case]
    z_some = z_every[choices.rows]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = (prior + flat).astype(np.float32)
        utility = np.einsum("rc,rc->r", every @ weights[:split].reshape(-1, wide), z_every)
        utility[choices.rows] += np.einsum("rc,rc->r", some @ weights[split:].reshape(-1, wide), z_some)
        liked = float(choices.chosen @ utility.astype(np.float64))
        residual, total = _softmax(utility + choices.stands_for, choices.offsets, case)
        residual -= choices.chosen
        gradient = np.concatenate(
            [
                (every.T @ (residual[:, None] * z_every)).ravel(),
                (some.T @ (residual[choices.rows, None] * z_some)).ravel(),
            ]
        ).astype(np.float64)
        value = (total - liked + penalty / 2 * float(flat @ flat)) / n
        return value, (gradient + penalty * flat) / n

    found = (
        prior
        + minimize(
            loss, np.zeros(len(prior)), jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 20}
        ).x
    )
    return found[:split].reshape(-1, wide) / scale_every[:, None], found[split:].reshape(-1, wide) / scale_some[:, None]


def _softmax(utility: np.ndarray, offsets: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, float]:
    """(probabilities float32 [R], the sum over cases of the log of their totals)."""
    largest = np.maximum.reduceat(utility, offsets[:-1])
    odds = np.exp(utility - largest[case])
    total = np.add.reduceat(odds, offsets[:-1])
    return odds / total[case], float((np.log(total) + largest).sum(dtype=np.float64))


def _spread(values: np.ndarray) -> np.ndarray:
    """The standard deviation of each column, float32; 1 of a constant one."""
    spread = values.std(axis=0, dtype=np.float64)
    return np.where(spread > 1e-6, spread, 1.0).astype(np.float32)


def _magnitude(values: np.ndarray) -> np.ndarray:
    """The root mean square of what is not 0 in each column, float32; 1 of an empty one."""
    square = np.square(values).sum(axis=0, dtype=np.float64)
    return np.sqrt(np.where(square > 0, square / np.maximum((values != 0).sum(axis=0), 1), 1.0)).astype(np.float32)

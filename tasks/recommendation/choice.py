"""Choice as a softmax over items: the conditional logit (McFadden 1974), fitted by maximum likelihood.

The utility of an item is linear in its values. Where there are very many items, the sum over all of them is estimated:
those that anything speaks for are taken as they are, and a uniform sample stands for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

INFORMED = 300
"""Cases that tell how the likelihood bends."""

ITERATIONS = 12
"""Of a round."""

RARE = 0.1
"""Share of alternatives below which a value that every one of them has counts as a mark of a few."""


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
    choices: Choices, prior_every: np.ndarray, prior_some: np.ndarray, penalty: float, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weights that make what was chosen most likely: float64 [A, C] and [B, C].

    Maximises the mean log-likelihood of a case (of several items chosen, the mean of theirs) less `penalty` / 2n times
    the squared differences from the weights expected (`prior_every`, `prior_some`), of values in units of their spread.

    Values that say nearly the same make the likelihood a narrow valley: each of the `rounds` goes on in coordinates in
    which it is round, by the information (the expected second derivatives) of some cases at the weights so far.
    """
    problem = _Problem.of(choices, penalty, prior_every, prior_some)
    weights = problem.prior
    for _ in range(rounds):
        root = np.linalg.cholesky(problem.information(weights) + penalty * np.eye(len(weights)))

        def loss(step: np.ndarray, begin: np.ndarray = weights, root: np.ndarray = root) -> tuple[float, np.ndarray]:
            value, gradient = problem.loss(begin + solve_triangular(root, step, lower=True, trans=1))
            return value, solve_triangular(root, gradient, lower=True)

        found = minimize(loss, np.zeros(len(weights)), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
        weights = weights + solve_triangular(root, found.x, lower=True, trans=1)
    return problem.named(weights)


@dataclass(frozen=True, eq=False)
class _Problem:
    """`Choices`, and what the fit needs of them row by row. Flat weights are those of values in units of their spread:
    `scale_every` float32 [A, 1], `scale_some` float32 [B, 1]. `case`: int64 [R]. `context_every`: float32 [R, C],
    `context_some`: float32 [M, C].
    """

    choices: Choices
    penalty: float
    prior: np.ndarray
    case: np.ndarray
    scale_every: np.ndarray
    scale_some: np.ndarray
    context_every: np.ndarray
    context_some: np.ndarray

    @staticmethod
    def of(choices: Choices, penalty: float, prior_every: np.ndarray, prior_some: np.ndarray) -> _Problem:
        case = np.repeat(np.arange(len(choices.context)), np.diff(choices.offsets))
        scale_every, scale_some = _spread(choices.every)[:, None], _magnitude(choices.some)[:, None]
        scaled = (prior_every * scale_every, prior_some * scale_some)
        context = choices.context[case]
        return _Problem(
            choices,
            penalty,
            np.concatenate([part.ravel() for part in scaled]),
            case,
            scale_every,
            scale_some,
            context,
            context[choices.rows],
        )

    def named(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[A, C] and [B, C], the weights of the values as they are."""
        wide = self.choices.context.shape[1]
        cut = self.choices.every.shape[1] * wide
        return (
            weights[:cut].reshape(-1, wide) / self.scale_every,
            weights[cut:].reshape(-1, wide) / self.scale_some,
        )

    def utility(self, weights: np.ndarray) -> np.ndarray:
        """float32 [R]."""
        every, some = (part.astype(np.float32) for part in self.named(weights))
        result = np.einsum("rc,rc->r", self.choices.every @ every, self.context_every)
        result[self.choices.rows] += np.einsum("rc,rc->r", self.choices.some @ some, self.context_some)
        return result

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """The penalised loss, summed over cases, and its gradient."""
        choices, change = self.choices, weights - self.prior
        utility = self.utility(weights)
        liked = float(choices.chosen @ utility.astype(np.float64))
        residual, total = _softmax(utility + choices.stands_for, choices.offsets, self.case)
        residual -= choices.chosen
        gradient = np.concatenate(
            [
                (choices.every.T @ (residual[:, None] * self.context_every) / self.scale_every).ravel(),
                (choices.some.T @ (residual[choices.rows, None] * self.context_some) / self.scale_some).ravel(),
            ]
        ).astype(np.float64)
        return total - liked + self.penalty / 2 * float(change @ change), gradient + self.penalty * change

    def information(self, weights: np.ndarray) -> np.ndarray:
        """The expected second derivatives of the loss, of `INFORMED` cases in place of all: float64, square."""
        choices, cases = self.choices, len(self.choices.context)
        chance, _ = _softmax(self.utility(weights) + choices.stands_for, choices.offsets, self.case)
        result = np.zeros((len(weights), len(weights)))
        scale = np.concatenate([self.scale_every, self.scale_some])[:, 0]
        cut = len(self.scale_every)
        asked = np.unique(np.linspace(0, cases - 1, min(INFORMED, cases)).astype(np.int64))
        for case in asked:
            rows = slice(choices.offsets[case], choices.offsets[case + 1])
            some = slice(*np.searchsorted(choices.rows, choices.offsets[case : case + 2]))
            values = np.zeros((rows.stop - rows.start, len(scale)), np.float32)
            values[:, :cut] = choices.every[rows]
            values[choices.rows[some] - rows.start, cut:] = choices.some[some]
            values /= scale
            mean = chance[rows] @ values
            spread = (values.T * chance[rows]) @ values - np.outer(mean, mean)
            context = choices.context[case]
            result += np.kron(spread, np.outer(context, context))
        return result * cases / max(len(asked), 1)


def _softmax(utility: np.ndarray, offsets: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, float]:
    """(probabilities float32 [R], the sum over cases of the log of their totals)."""
    largest = np.maximum.reduceat(utility, offsets[:-1])
    odds = np.exp(utility - largest[case])
    total = np.add.reduceat(odds, offsets[:-1])
    return odds / total[case], float((np.log(total) + largest).sum(dtype=np.float64))


def _spread(values: np.ndarray) -> np.ndarray:
    """The standard deviation of each column, float32; 1 of a constant one, and the magnitude of one that is 0 nearly
    everywhere: in units of its spread a mark that few bear would cost nothing, whatever its weight."""
    spread = values.std(axis=0, dtype=np.float64)
    rare = (values != 0).sum(axis=0) < RARE * len(values)
    return np.where(rare, _magnitude(values), np.where(spread > 1e-6, spread, 1.0)).astype(np.float32)


def _magnitude(values: np.ndarray) -> np.ndarray:
    """The root mean square of what is not 0 in each column, float32; 1 of an empty one."""
    square = np.square(values).sum(axis=0, dtype=np.float64)
    return np.sqrt(np.where(square > 0, square / np.maximum((values != 0).sum(axis=0), 1), 1.0)).astype(np.float32)

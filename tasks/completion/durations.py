"""How long things take, by group: hazards over intervals, each group's drawn towards those of a coarser one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.completion.forecast import LEVELS

SHORTEST_DAYS = 1e-5
"""Durations below this, about a second, count as this long."""

INTERVALS = 160
"""Intervals of the scale, each of equally many completions of all groups together."""

PRIOR = 10.0
"""As many rows of the coarser group stand beside those of the finer, in each interval."""

_MEDIAN = np.array([0.5])
_FINER = 1 - np.geomspace(0.06, 5e-4, 24)  # levels of further edges: of the few orders that take long
_BLOCK = 16_384  # cases answered at a time
_LEAST_TAIL, _MOST_TAIL = 1e-3, 0.05  # probability beyond the longest duration seen, of very many and of very few
_FLATTEST, _STEEPEST = 1.0, 50.0  # powers with which the tail may fall
_GUESSES = 20  # durations made up where fewer than so many were seen


@dataclass(frozen=True, eq=False)
class Durations:
    """Distributions of durations T > 0 on the scale x = log(T in days) - location, for G groups.

    `edges`: float64 [K + 1], ascending. `survival`: float64 [G, K + 1], P(x > edge), from 1 down to a little above 0,
    linear in between; beyond the last edge it falls as exp(-`steepness` * (x - edge)), a power of T (Pareto), so that
    what is open for longer than anything ever was may take as long again.
    """

    edges: np.ndarray
    survival: np.ndarray
    steepness: float

    def remaining(
        self, group: np.ndarray, location: np.ndarray | float, elapsed: np.ndarray, levels: np.ndarray = LEVELS
    ) -> np.ndarray:
        """Quantiles at `levels` of T - elapsed given T > elapsed, float64 [n, Q] days. `group`: int64 [n], `location`:
        float64 [n], `elapsed`: float64 [n] days."""
        group, elapsed = np.asarray(group), np.asarray(elapsed, np.float64)
        location = np.broadcast_to(np.asarray(location, np.float64), group.shape)
        found = np.empty((len(group), len(levels)))
        for start in range(0, len(group), _BLOCK):
            part = slice(start, start + _BLOCK)
            passed = np.log(np.maximum(elapsed[part], SHORTEST_DAYS / 10)) - location[part]
            later = self._survive(group[part], passed)[:, None] * (1 - levels)
            x = np.maximum(self._invert(group[part], later), passed[:, None])
            found[part] = np.exp(np.clip(x + location[part, None], -20.0, 20.0)) - elapsed[part, None]
        return np.maximum(found, 0.0)

    def log_median(self, group: np.ndarray, location: np.ndarray | float, elapsed: np.ndarray) -> np.ndarray:
        """The logarithm of the T that is as likely passed as not, given T > elapsed, float64 [n]."""
        left = self.remaining(group, location, elapsed, _MEDIAN)[:, 0]
        return np.log(np.maximum(elapsed + left, SHORTEST_DAYS))

    def _survive(self, group: np.ndarray, x: np.ndarray) -> np.ndarray:
        """P(x' > x), float64 [n]."""
        k = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.edges) - 2)
        share = np.clip((x - self.edges[k]) / (self.edges[k + 1] - self.edges[k]), 0.0, 1.0)
        inside = self.survival[group, k] * (1 - share) + self.survival[group, k + 1] * share
        return inside * np.exp(-self.steepness * np.maximum(x - self.edges[-1], 0.0))

    def _invert(self, group: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """The x with P(x' > x) = `probability` (float64 [n, Q], above 0), float64 [n, Q]."""
        # the curves of all groups one after the other, as one ascending array: that of group g runs from 2 g to 2 g + 1
        rising = (2.0 * np.arange(len(self.survival))[:, None] + (1 - self.survival)).ravel()
        width = len(self.edges)
        last = self.survival[group, -1][:, None]
        sought = 2.0 * group[:, None] + (1 - np.maximum(probability, last))
        first = group[:, None] * width
        at = np.clip(np.searchsorted(rising, sought, side="left"), first + 1, first + width - 1)
        low, high = rising[at - 1], rising[at]
        share = np.clip((sought - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
        k = at - first
        x = self.edges[k - 1] + share * (self.edges[k] - self.edges[k - 1])
        return x + np.log(np.maximum(last / probability, 1.0)) / self.steepness


def fit_durations(
    x: np.ndarray,
    completed: np.ndarray,
    levels: Sequence[np.ndarray],
    *,
    guess: float,
    lost: float = 0.0,
    prior: float = PRIOR,
    weight: np.ndarray | None = None,
) -> tuple[Durations, list[np.ndarray]]:
    """The distributions of every group of every level, and for each level where its groups stand among them: int64
    [groups of that level] positions. Position 0 is that of all rows together.

    `x`: float64 [n], log days less location, to the completion where `completed` (bool [n]), else as long as it was
    watched without one: such rows are at risk until then, and half the time in the interval that they leave in (the
    actuarial estimate). `levels`: from the coarsest to the finest, int64 [n], the group of each row in it, -1
    for none; all rows of a group are of one group of the last level before that knows them. `guess`: x where
    nothing was ever completed. `lost`: the share of orders that are never completed. `weight`: float64 [n],
    1 by default.

    The hazard of a group in an interval is (completions + prior * parent's hazard) / (at risk + prior), the mean of a
    beta process around the parent's (Hjort 1990, Annals of Statistics 18). The curves are those of what is completed at
    all: as far as more survives the last interval, the lost are taken out of them.
    """
    weight = np.ones(len(x)) if weight is None else weight
    edges = _edges(x[completed], guess)
    cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    beyond = x > edges[-1]  # watched for longer than anything took: at risk throughout
    hazards = [_hazards(*_counts(np.zeros(len(x), np.int64), cell, beyond, completed, weight, 1, len(edges) - 1))]
    if completed.sum() < _GUESSES:
        hazards = [_hazards(*_with_guesses(x, cell, beyond, completed, weight, edges, guess))]
    positions, offset, place = [], 1, np.zeros(len(x), np.int64)
    for level in levels:
        of = np.flatnonzero(level >= 0)
        group, size = level[of], int(level.max(initial=-1)) + 1
        died, at_risk = _counts(group, cell[of], beyond[of], completed[of], weight[of], size, len(edges) - 1)
        parent = np.zeros(size, np.int64)
        parent[group] = place[of]
        hazards.append((died + prior * np.concatenate(hazards)[parent]) / (at_risk + prior))
        place[of] = offset + group
        positions.append(offset + np.arange(size))
        offset += size
    survival = np.cumprod(1 - np.concatenate(hazards), axis=1)
    survival = np.column_stack([np.ones(len(survival)), survival])
    never = np.minimum(lost, survival[:, -1:])
    tail = np.clip(1 / (completed.sum() + 2), _LEAST_TAIL, _MOST_TAIL)
    survival = tail + (1 - tail) * (survival - never) / np.maximum(1 - never, 1e-12)
    return Durations(edges, survival, _steepness(edges, survival[0])), positions


def _edges(x: np.ndarray, guess: float) -> np.ndarray:
    """Edges of the intervals, float64 [K + 1], ascending."""
    if len(x) < _GUESSES:
        x = np.concatenate([x, _guessed(guess)])
    edges = np.unique(np.quantile(x, np.append(np.linspace(0, 1, INTERVALS + 1), _FINER)))
    return np.unique(np.concatenate([[edges[0] - 0.05], edges, [edges[-1] + 0.01]]))


def _guessed(guess: float) -> np.ndarray:
    """Durations as an exponential distribution has them, whose mean is exp(`guess`): float64 [_GUESSES] logs."""
    return guess + np.log(-np.log1p(-(np.arange(_GUESSES) + 0.5) / _GUESSES))


def _with_guesses(
    x: np.ndarray,
    cell: np.ndarray,
    beyond: np.ndarray,
    completed: np.ndarray,
    weight: np.ndarray,
    edges: np.ndarray,
    guess: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of all rows and of made-up ones that weigh as one together."""
    made_up = _guessed(guess)
    cells = np.clip(np.searchsorted(edges, made_up, side="right") - 1, 0, len(edges) - 2)
    every = np.zeros(len(x) + _GUESSES, np.int64)
    return _counts(
        every,
        np.concatenate([cell, cells]),
        np.concatenate([beyond, np.zeros(_GUESSES, bool)]),
        np.concatenate([completed, np.ones(_GUESSES, bool)]),
        np.concatenate([weight, np.full(_GUESSES, 1 / _GUESSES)]),
        1,
        len(edges) - 1,
    )


def _counts(
    group: np.ndarray,
    cell: np.ndarray,
    beyond: np.ndarray,
    completed: np.ndarray,
    weight: np.ndarray,
    size: int,
    width: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Completions in each interval, and how many were at risk in it, float64 [size, width] each."""
    key = group * width + cell
    died = np.bincount(key, weight * completed, size * width).reshape(size, width)
    left = np.bincount(key, weight * (~completed & ~beyond), size * width).reshape(size, width)
    stayed = np.bincount(group, weight * (~completed & beyond), size)
    gone = died + left
    reached = np.cumsum(gone[:, ::-1], axis=1)[:, ::-1] + stayed[:, None]
    return died, np.maximum(reached - left / 2, died)


def _hazards(died: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    return died / np.maximum(at_risk, 1e-12)


def _steepness(edges: np.ndarray, survival: np.ndarray) -> float:
    """The power with which the upper tenth falls, as a Pareto tail: from its beginning to its own last tenth, or as far
    as the curve goes."""
    end = max(0.01, float(survival[-1]))
    start = min(10 * end, 0.95)
    begins, ends = np.interp([1 - start, 1 - end], 1 - survival, edges)
    return float(np.clip(np.log(start / end) / max(ends - begins, 1e-9), _FLATTEST, _STEEPEST))

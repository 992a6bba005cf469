"""What labels (an origin, a route, a carrier) add to an outcome, each drawn towards nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.vocabulary import UNKNOWN, Vocabulary
from tasks.completion.groups import STAGE, encoded, vocabulary_of
from tasks.completion.orders import Orders

PRIOR = 40.0
"""As many cases of no effect stand beside those of a label."""


@dataclass(frozen=True, eq=False)
class LabelEffects:
    """An effect of each value of each of `labels`, and another of it at each stage: `everywhere`, float64 [V] each, and
    `at_stage`, float64 [S, V] each, by the codes of `vocabularies` and of `stages`, 0 for labels unknown."""

    labels: tuple[str, ...]
    vocabularies: tuple[Vocabulary, ...]
    stages: Vocabulary
    everywhere: tuple[np.ndarray, ...]
    at_stage: tuple[np.ndarray, ...]

    def of(self, orders: Orders, event: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The sum of all effects on cases, float64 [n]: rows `event` of the orders `order`, int64 [n]."""
        total = np.zeros(len(event))
        stage = encoded(orders, STAGE, self.stages, event, order)
        for k, (name, vocabulary) in enumerate(zip(self.labels, self.vocabularies, strict=True)):
            code = encoded(orders, name, vocabulary, event, order)
            total += self.everywhere[k][code] + self.at_stage[k][stage, code]
        return total


class LabelFit:
    """Effects in the making: a ridge regression on indicators of all labels, by blocks (backfitting: Hastie and
    Tibshirani 1990, "Generalized Additive Models", section 4.4). Other blocks may take their turns in between."""

    def __init__(
        self,
        orders: Orders,
        labels: Sequence[str],
        event: np.ndarray,
        order: np.ndarray,
        weight: np.ndarray,
        prior: float = PRIOR,
    ):
        self.labels = tuple(name for name in labels if name in orders.labels)
        self.vocabularies = tuple(vocabulary_of(orders, name, event, order) for name in self.labels)
        self.stages = vocabulary_of(orders, STAGE, event, order)
        self.weight, self.prior = weight, prior
        stage = encoded(orders, STAGE, self.stages, event, order)
        self._blocks = []  # (code of each case, whether it has a label, how many codes)
        for name, vocabulary in zip(self.labels, self.vocabularies, strict=True):
            code = encoded(orders, name, vocabulary, event, order)
            known = weight * (code != UNKNOWN)
            self._blocks.append((code, known, vocabulary.size))
            self._blocks.append((stage * vocabulary.size + code, known, self.stages.size * vocabulary.size))
        self._effects = [np.zeros(size) for _, _, size in self._blocks]
        self._counts = [np.bincount(code, known, size) for code, known, size in self._blocks]
        self.fitted = np.zeros(len(event))

    def sweep(self, rest: np.ndarray) -> None:
        """Learn each block anew from what the others leave of `rest`, float64 [n]; `fitted` is their sum."""
        for k, (code, known, size) in enumerate(self._blocks):
            self.fitted -= self._effects[k][code]
            left = np.bincount(code, known * (rest - self.fitted), size)
            self._effects[k] = left / (self._counts[k] + self.prior)
            self.fitted += self._effects[k][code]

    def effects(self) -> LabelEffects:
        """What has been learnt so far."""
        shape = [(self.stages.size, vocabulary.size) for vocabulary in self.vocabularies]
        at_stage = tuple(effect.reshape(of) for effect, of in zip(self._effects[1::2], shape, strict=True))
        return LabelEffects(self.labels, self.vocabularies, self.stages, tuple(self._effects[::2]), at_stage)

"""Groups of cases by stage and label, from the coarsest to the finest, by names that any dataset may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.vocabulary import UNKNOWN, Vocabulary
from tasks.completion.orders import Orders

STAGE = "stage"
"""The label that every case has: the status of its event."""

MOST_LABELS = 5_000
"""Labels of one kind that are told apart, the most frequent ones."""


def vocabulary_of(orders: Orders, name: str, event: np.ndarray, order: np.ndarray) -> Vocabulary:
    """The labels called `name` of the cases at the rows `event` of the orders `order` (int64 [n] each)."""
    codes, names = codes_of(orders, name, event, order)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    return Vocabulary.fit_counts(names[counts > 0], counts[counts > 0], maximum_size=MOST_LABELS)


def encoded(orders: Orders, name: str, vocabulary: Vocabulary, event: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The codes, int64 [n], of the cases' labels in a vocabulary; 0 where it has none of the kind."""
    if name != STAGE and name not in orders.labels:
        return np.zeros(len(order), np.int64)
    codes, names = codes_of(orders, name, event, order)
    return vocabulary.encode_codes(codes, names).astype(np.int64)


def codes_of(orders: Orders, name: str, event: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dataset's own codes int [n] of the cases' labels, and their names, object of str."""
    if name == STAGE:
        return orders.events.columns["status"][event], orders.statuses
    return orders.labels[name][order], orders.label_names[name]


@dataclass(frozen=True, eq=False)
class Groups:
    """A hierarchy: all cases; those of one value of the first of `labels`; of the first and the second; of the first
    and the third, each value of which lies within one of the second (a route within its destination); and so on.
    `keys`: for each label, the int64 keys, ascending, of the groups that there were when it was fitted."""

    labels: tuple[str, ...]
    vocabularies: tuple[Vocabulary, ...]
    keys: tuple[np.ndarray, ...]

    @staticmethod
    def fit(
        orders: Orders, labels: Sequence[str], event: np.ndarray, order: np.ndarray
    ) -> tuple[Groups, list[np.ndarray]]:
        """The hierarchy of cases (int64 [n] rows of events, and their orders), and the group of each
        of them at each level, as `fit_durations` takes them."""
        labels = tuple(name for name in labels if name == STAGE or name in orders.labels)
        vocabularies = tuple(vocabulary_of(orders, name, event, order) for name in labels)
        blank = Groups(labels, vocabularies, ())
        keys, levels = [], []
        for key in blank._keys_of(orders, event, order):
            known = np.unique(key[key >= 0])
            levels.append(np.where(key >= 0, np.searchsorted(known, key), -1))
            keys.append(known)
        return Groups(labels, vocabularies, tuple(keys)), levels

    def place(
        self, orders: Orders, event: np.ndarray, order: np.ndarray, positions: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The finest group of each case, int64 [n], by its position as `fit_durations` numbers them; 0 where the case
        is of no group that there was."""
        found = np.zeros(len(event), np.int64)
        for key, known, position in zip(self._keys_of(orders, event, order), self.keys, positions, strict=True):
            if len(known):
                at = np.minimum(np.searchsorted(known, key), len(known) - 1)
                found = np.where(known[at] == key, position[at], found)
        return found

    def _keys_of(self, orders: Orders, event: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
        """A key of each case at each level, int64 [n]; -1 where a label is unknown."""
        codes = [
            encoded(orders, name, vocabulary, event, order)
            for name, vocabulary in zip(self.labels, self.vocabularies, strict=True)
        ]
        keys = [codes[0]] + [codes[0] * (MOST_LABELS + 1) + finer for finer in codes[1:]]
        return [
            np.where((codes[0] != UNKNOWN) & (own != UNKNOWN), key, -1) for own, key in zip(codes, keys, strict=True)
        ]

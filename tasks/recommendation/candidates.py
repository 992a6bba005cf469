"""Sparse scores: what a source of evidence has to say about some items for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from forecasting.histories import ragged_ranges
from forecasting.task import Cases
from tasks.recommendation.journal import Journal


@dataclass(frozen=True, eq=False)
class Candidates:
    """For each of n cases some items, each once, with F values.

    `offsets`: int64 [n + 1]. `item`: int32 [m], ascending within a case. `values`: float32 [m, F].
    """

    offsets: np.ndarray
    item: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.offsets) - 1

    @property
    def case(self) -> np.ndarray:
        """The case of each entry, int64 [m]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class Evidence(Protocol):
    """A source of evidence, fitted on what was known at an instant. `names`: of its F values."""

    names: ClassVar[Sequence[str]]

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """What it says about the cases. Each sees its own history up to its own cutoff, and of all others what was
        known at the instant of fitting."""
        ...


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of runs of cases, at least one, one after the other."""
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return Candidates(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([part.item for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def take(candidates: Candidates, cases: np.ndarray) -> Candidates:
    """The candidates of `cases` (int64 positions), in that order."""
    counts = np.diff(candidates.offsets)[cases]
    rows = ragged_ranges(candidates.offsets[:-1][cases], counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Candidates(offsets, candidates.item[rows], candidates.values[rows])


def nothing(width: int) -> Candidates:
    """Of no case, with `width` values."""
    return Candidates(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty((0, width), np.float32))


def at_places(places: Sequence[np.ndarray], parts: Sequence[Candidates]) -> Candidates:
    """The candidates of parts of cases, at least one part, put back in the order of the cases: `places` has the
    positions of each part's, int64, which together are 0 ... n - 1."""
    if len(parts) == 1:
        return parts[0]
    return take(concatenate(parts), np.argsort(np.concatenate(places), kind="stable"))


def join(parts: Sequence[Candidates], items: int) -> Candidates:
    """What several sources, at least one, say of the same cases, side by side: every item that one of them names, with
    the values of all, 0 where a source is silent. `items`: how many the catalogue has."""
    keys = np.concatenate([part.case * items + part.item for part in parts])
    order = np.argsort(keys, kind="stable")  # merges the parts, each of which is sorted
    key = keys[order]
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    place = np.empty(len(key), np.int64)
    place[order] = np.cumsum(new) - 1
    case, item = np.divmod(key[new], max(items, 1))
    values = np.zeros((len(case), sum(part.values.shape[1] for part in parts)), np.float32)
    row, column = 0, 0
    for part in parts:
        names, width = part.values.shape
        values[place[row : row + names], column : column + width] = part.values
        row, column = row + names, column + width
    offsets = np.searchsorted(case, np.arange(len(parts[0]) + 1)).astype(np.int64)
    return Candidates(offsets, item.astype(np.int32), values)

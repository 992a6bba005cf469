"""All that speaks for an item in a case, from the network, from everybody, and from the case's own past: not yet
weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases, Instant
from tasks.recommendation import repeats
from tasks.recommendation.candidates import Candidates, at_places, join, nothing
from tasks.recommendation.folds import steps_seen
from tasks.recommendation.journal import Journal
from tasks.recommendation.memory import MIDNIGHT, SOURCES, Memory, memories
from tasks.recommendation.popularity import Popularity

OWN = "own"
"""The value that says whether the case itself has had to do with the item."""

VECTORS: Sequence[str] = (*Popularity.dense_names, *repeats.NAMES, "age", "new")
"""Names of the values that every item has on a day, whoever asks."""

NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True, eq=False)
class Signals:
    """What is known about the N items for each of n cases.

    `logits`: float32 [n, N], of the network, or None. `vectors`: float32 [T, P, N], the values of every item on each of
    T days; `day`: int64 [n], which day a case goes by. `open_from`: datetime64[us] [N], an item can be chosen at a
    `cutoff`, datetime64[us] [n], later than this, NaT: never. So what began after the memory was made can be chosen, as
    it can be shown. `candidates`: F values of some items of each case. `steps`: int64 [n], how many steps the case
    sees. `vector_names`, `names`: of the P and the F values.
    """

    logits: np.ndarray | None
    vectors: np.ndarray
    day: np.ndarray
    open_from: np.ndarray
    cutoff: np.ndarray
    candidates: Candidates
    steps: np.ndarray
    vector_names: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.day)

    def open(self, cases: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which items could be chosen in which cases, bool; positions that broadcast against each other."""
        return self.open_from[items] < self.cutoff[cases]


def signals(
    journal: Journal,
    cases: Cases,
    logits: np.ndarray | None,
    trained_until: Instant | None = None,
) -> Signals:
    """What the network (`logits`, float32 [n, N], where there is one) and each case's memory say.

    `trained_until`: items younger than this are new to the network, which knows them by their content alone, and the
    renewals of the memory are counted from it."""
    items = len(journal.catalogue)
    places: list[np.ndarray] = []
    parts, vectors = [], []
    day = np.empty(len(cases), np.int64)
    for place, memory in memories(journal).days(cases, MIDNIGHT if trained_until is None else trained_until):
        block = cases.take(place)
        day[place] = len(places)
        places.append(place)
        vectors.append(item_vectors(memory, trained_until))
        parts.append(join([memory.source(name).candidates(journal, block) for name in SOURCES], items))
    names = tuple(name for source in SOURCES.values() for name in source.names)
    open_from = np.where(journal.catalogue.listed, journal.catalogue.known_from, NEVER)
    cutoff = cases.cutoff.astype("datetime64[us]")
    if not parts:
        empty = np.empty((0, len(VECTORS), items), np.float32)
        return Signals(logits, empty, day, open_from, cutoff, nothing(len(names)), day, tuple(VECTORS), names)
    together, steps = at_places(places, parts), steps_seen(journal, cases)
    return Signals(logits, np.stack(vectors), day, open_from, cutoff, together, steps, tuple(VECTORS), names)


def item_vectors(memory: Memory, trained_until: Instant | None) -> np.ndarray:
    """float32 [P, N], by `VECTORS`: how much each item is wanted, how often again, the log of 1 + its days on offer,
    and whether it is new to the network."""
    since = memory.journal.catalogue.known_from
    days = (np.asarray(memory.instant) - since) / np.timedelta64(1, "D")
    age = np.log1p(np.clip(np.where(np.isnan(days), 0, days), 0, 3650))
    new = np.zeros(len(since)) if trained_until is None else since >= trained_until
    return np.vstack([memory.popularity.features(), memory.repeats, age, new]).astype(np.float32)

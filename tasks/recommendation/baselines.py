"""What any recommender has to beat: each answers all cases at once, and obeys the same rules of what may be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases, Instant
from tasks.recommendation.candidates import Candidates, at_places, join
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import Journal
from tasks.recommendation.memory import Memory, memories
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import rank

Method = Callable[[Memory, Cases], tuple[np.ndarray, Candidates | None]]
"""Scores of cases of one memory: dense float32 [N] or [n, N], and additions to some of them."""

LATELY = 7.0
"""Half-life in days of recent popularity."""

FILL = 1e-4
"""What popularity weighs where a method has more to say: it orders what that one is silent about."""


@dataclass(frozen=True)
class Baseline:
    """A method as a forecaster. It learns nothing but what each case remembers, renewed from `anchor` on."""

    method: Method
    options: RecommendationOptions
    anchor: Instant

    def predict(self, dataset: Journal, cases: Cases) -> Ranking:
        """The k best items of each case."""
        cache = memories(dataset)

        def scores(block: Cases) -> tuple[np.ndarray, Candidates | None]:
            days = [
                (place, *self.method(memory, block.take(place))) for place, memory in cache.days(block, self.anchor)
            ]
            if len(days) == 1:
                return days[0][1:]
            dense = np.empty((len(block), len(dataset.catalogue)), np.float32)
            for place, values, _ in days:
                dense[place] = values
            sparse = [additions for _, _, additions in days if additions is not None]
            return dense, at_places([place for place, _, _ in days], sparse) if sparse else None

        return rank(dataset, self.options, cases, scores)


def baselines(journal: Journal, options: RecommendationOptions, until: Instant) -> Mapping[str, Baseline]:
    """The rivals of the gate by name; the first is what goes out where there is too little data to judge.

    They have no weights that could be fitted at `until`: like the model's inputs, what they count follows the clock."""
    return {name: Baseline(method, options, until) for name, method in METHODS.items()}


def recent_popularity(memory: Memory, cases: Cases) -> tuple[np.ndarray, None]:
    """Shares of the events of the last days, in the case's region as far as known."""
    lately = memory.popularity.shares(LATELY).astype(np.float32)
    region = memory.journal.region_at(cases.entity, cases.cutoff)
    if not (region >= 0).any():
        return lately, None
    regions, place = np.unique(region, return_inverse=True)
    return memory.popularity.regional_shares(regions, LATELY)[place], None


def popularity(memory: Memory, cases: Cases) -> tuple[np.ndarray, None]:
    """Shares of all events ever."""
    count = memory.popularity.count
    return (count / max(count.sum(), 1.0)).astype(np.float32), None


def _filled(source: str, value: str) -> Method:
    """A source of evidence by one of its values; popularity lately orders the rest."""

    def method(memory: Memory, cases: Cases) -> tuple[np.ndarray, Candidates]:
        return _fill(memory), _values(memory, cases, source, value)

    return method


def _values(memory: Memory, cases: Cases, source: str, value: str) -> Candidates:
    evidence = memory.source(source)
    found = evidence.candidates(memory.journal, cases)
    return Candidates(found.offsets, found.item, found.values[:, [evidence.names.index(value)]])


def _fill(memory: Memory) -> np.ndarray:
    return (FILL * memory.popularity.shares(LATELY)).astype(np.float32)


def session_knn(memory: Memory, cases: Cases) -> tuple[np.ndarray, Candidates]:
    """Shares among the items of the sessions, and customers, most like the case's own."""
    parts = [_values(memory, cases, name, name) for name in ("neighbours", "alike")]
    both = join(parts, len(memory.journal.catalogue))  # the ranking adds the two values up
    return _fill(memory), both


METHODS: Mapping[str, Method] = {
    "recent_popularity": recent_popularity,
    "popularity": popularity,
    "item_knn": _filled("similar", "similar"),
    "session_knn": session_knn,
    "own_items": _filled("own", "own_steps_4"),
}

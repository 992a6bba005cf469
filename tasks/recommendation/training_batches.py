"""What the network learns from: stretches of histories, each of whose steps is to be foretold from those before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
import torch

from forecasting.batches import BatchSource, bucketed
from forecasting.histories import ragged_ranges
from forecasting.seeds import derive
from tasks.recommendation.effort import Effort
from tasks.recommendation.items import ItemCodes
from tasks.recommendation.journal import Journal
from tasks.recommendation.windows import Steps, Stretches, WindowReader

_OVERLAP = 4
"""A stretch of a long history begins this share of its length, one nth, before what it is to foretell."""

_MOST_STEPS = 2000
"""Steps of one entity that teach, its last: a machine with 50,000 events must not drown the customers."""

_FIRST, _LEAST_FIRST = 1 / 8, 1000
"""Share of first steps that teach what to say before anything is known, and how many do at the least."""

_ABSENT = 60.0
"""Correction of what is wanted by another query only: it takes no part, e^-60, and float32 still has 5 digits of it."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """Stretches, and which of their steps are to be foretold: those after `low` ... `high` - 1 steps of the stretch
    have been seen, int64 [n]."""

    stretches: Stretches
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def before(reader: WindowReader, until: np.datetime64, seed: int) -> Lessons:
        """All that was known at `until`, which is something."""
        journal, length = reader.journal, reader.layout.length
        events = journal.events
        every = np.arange(len(journal))
        stop = events.stop(every, np.full(len(journal), until))
        entity = np.flatnonzero(stop > events.offsets[:-1])
        stop = stop[entity]
        step = events.columns["step"]
        end = step[stop - 1] + 1  # one past the last step
        first = np.maximum(step[events.offsets[entity]], end - _MOST_STEPS)
        begins = first == step[events.offsets[entity]]
        stride = length - length // _OVERLAP
        beyond = np.maximum(end - first - 1 - length, 0)
        pieces = 1 + -(-beyond // stride)
        piece = ragged_ranges(np.zeros(len(entity), np.int64), pieces)
        who = np.repeat(np.arange(len(entity)), pieces)
        start = first[who] + piece * stride
        count = np.minimum(length, end[who] - 1 - start)
        share = max(_FIRST, _LEAST_FIRST / len(entity))
        drawn = np.random.default_rng(derive(seed, "first")).random(len(entity)) < share
        low = np.where(piece > 0, length - stride + 1, np.where((drawn & begins)[who], 0, 1))
        region = reader.regions[journal.region_at(entity, np.full(len(entity), until))]
        stretches = Stretches(entity[who], start, count, stop[who], region[who])
        useful = low <= count
        if not useful.any():  # nothing ever followed: first steps are all there is to learn
            low, useful = np.where(begins[who], 0, low), begins[who]
        return Lessons(stretches, low, count + 1).take(useful)

    def __len__(self) -> int:
        return len(self.low)

    def take(self, index: np.ndarray) -> Lessons:
        """Those at `index`."""
        return Lessons(self.stretches.take(index), self.low[index], self.high[index])


@dataclass(frozen=True, eq=False)
class TrainingBatches(BatchSource[Steps]):
    """Batches of lessons. `active`: int64 [n], items with a history, positions in the catalogue, ascending; `counts`:
    float64 [n], how often each was wanted."""

    reader: WindowReader
    codes: ItemCodes
    lessons: Lessons
    active: np.ndarray
    counts: np.ndarray
    effort: Effort

    @property
    def journal(self) -> Journal:
        return self.reader.journal

    def __len__(self) -> int:
        return self.passes * -(-len(self.lessons) // self.size)

    @cached_property
    def passes(self) -> int:
        """How often an epoch goes over all lessons: more than once where they are few."""
        wanted = self.effort.steps // -(-len(self.lessons) // self.size)
        return min(max(wanted, 1), self.effort.passes)

    @cached_property
    def size(self) -> int:
        """Lessons in a batch."""
        queries = int((self.lessons.high - self.lessons.low).sum())
        return max(round(self.effort.queries * len(self.lessons) / queries), 1)

    @cached_property
    def _chance(self) -> np.ndarray:
        """With which each item is drawn, float64 [n]."""
        weight = self.counts**self.effort.power
        return weight / weight.sum()

    @cached_property
    def _age_scale(self) -> tuple[np.datetime64, float]:
        """The newest instant that teaches, and the microseconds from the oldest to it."""
        at = self.journal.events.occurred_at
        stretches = self.lessons.stretches
        newest = at[stretches.stop - 1].max()
        oldest = at[self.journal.step_row[stretches.first]].min()
        return newest, max(float((newest - oldest) / np.timedelta64(1, "us")), 1.0)

    def batches(self, epoch: int, seed: int) -> Iterator[Steps]:
        random = np.random.default_rng(derive(seed, "negatives", epoch))
        place = np.full(len(self.journal.catalogue), -1)
        cumulative = self._chance.cumsum()
        counts = self.lessons.stretches.count
        passes = range(epoch * self.passes, (epoch + 1) * self.passes)
        for rows in chain.from_iterable(bucketed(counts, self.size, number, seed) for number in passes):
            drawn = None
            if self.effort.negatives:
                at = np.searchsorted(cumulative, random.random(self.effort.negatives) * cumulative[-1], side="right")
                drawn = np.unique(np.minimum(at, len(cumulative) - 1))
            yield self._batch(rows, drawn, place)

    def _batch(self, rows: np.ndarray, drawn: np.ndarray | None, place: np.ndarray) -> Steps:
        """The batch of lessons `rows`. `drawn`: int64 positions among `active`, or None for all. `place`: int64 [N] to
        write to."""
        lessons, journal = self.lessons, self.journal
        stretches, low = lessons.stretches.take(rows), lessons.low[rows]
        asked = lessons.high[rows] - low
        row = np.repeat(np.arange(len(rows)), asked)
        seen = ragged_ranges(low, asked)
        longest = max(int(stretches.count.max(initial=0)), 1)
        steps, item = self.reader.read(stretches, row * (longest + 1) + seen)

        begin = journal.step_row[stretches.first[row] + seen]
        size = np.minimum(journal.step_row[stretches.first[row] + seen + 1], stretches.stop[row]) - begin
        query = np.repeat(np.arange(len(row)), size)
        wanted = journal.events.columns["item"][ragged_ranges(begin, size)].astype(np.int64)
        if len(query) > len(row):  # baskets may hold an item twice
            key = np.unique(query * len(place) + wanted)
            query, wanted = key // len(place), key % len(place)
        share = 1 / np.bincount(query, minlength=len(row))[query]

        active, correction = self.active, None
        if drawn is not None:
            candidates = np.union1d(self.active[drawn], wanted)
            correction = self._correction(candidates, self.active[drawn])
            active = np.concatenate([candidates, np.setdiff1d(item, candidates)])
        place[active] = np.arange(len(active))
        code, code_share, code_begin = self.codes.descriptions(active)
        return replace(
            steps,
            item=torch.from_numpy(place[item]),
            identity=torch.from_numpy(self.codes.id[active]),
            code=torch.from_numpy(code),
            code_share=torch.from_numpy(code_share),
            begin=torch.from_numpy(code_begin),
            correction=correction,
            hit_query=torch.from_numpy(query),
            hit_item=torch.from_numpy(place[wanted]),
            hit_share=torch.from_numpy(share.astype(np.float32)),
            weight=torch.from_numpy(self._weight(journal.events.occurred_at[begin])),
        )

    def _correction(self, candidates: np.ndarray, drawn: np.ndarray) -> torch.Tensor:
        """Logarithm of the chance that a candidate was drawn, float32 [C]."""
        chance = self._chance[np.searchsorted(self.active, candidates)]
        logarithm = np.log(-np.expm1(self.effort.negatives * np.log1p(-chance)))
        return torch.from_numpy(np.where(np.isin(candidates, drawn), logarithm, _ABSENT).astype(np.float32))

    def _weight(self, at: np.ndarray) -> np.ndarray:
        newest, scale = self._age_scale
        age = (newest - at).astype("timedelta64[us]").astype(np.float64)
        return np.exp(-self.effort.recency * age / scale).astype(np.float32)

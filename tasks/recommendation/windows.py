"""What the network sees of a case: the last steps of its entity as of the cutoff, as numbers.

A step is a bag of rows, one in a session, as many as its lines in an order; both take the same path. What a row says
beside its item (kind, time since the step before, position, price, features) becomes codes of one table of embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from forecasting.batches import Batch, declare
from forecasting.histories import ragged_ranges
from tasks.recommendation.journal import Journal
from tasks.recommendation.step_layout import StepLayout

_MOST_ROWS = 200
"""Rows of one step that are read, its first: an order with more lines is a wholesaler's."""


@dataclass(frozen=True)
class Steps(Batch):
    """Histories of B rows, T steps at most, over A `active` items, and what was wanted next.

    `lengths`: steps of each row. `region`: code of each row's. The bag of step t of row b are the entries from
    `bag[b * T + t]` on: `item`, a position among the active ones; `context`, codes; `share`, 1 over the size of the
    bag. `numbers`: of each step. The active items as in `ItemTable`: `identity`, and `code` and `code_share` from
    `begin` on. `correction`: where negatives are drawn, the logarithm of the chance that an item was; the items to
    choose from are then the first of the active ones, as many as it has.

    `where`: the states to ask, b * (T + 1) + how many steps had been seen. Only for training: entry k says that query
    `hit_query[k]` wanted the active item `hit_item[k]`, which is `hit_share[k]` of what it wanted; `weight` of each
    query.
    """

    lengths: Tensor = declare("rows", torch.int64)
    region: Tensor = declare("rows", torch.int64)
    bag: Tensor = declare("bags", torch.int64)
    item: Tensor = declare("entries", torch.int64)
    share: Tensor = declare("entries")
    context: Tensor = declare("entries columns", torch.int64)
    numbers: Tensor = declare("rows steps numbers")
    where: Tensor = declare("queries", torch.int64)
    identity: Tensor | None = declare("active", torch.int64, optional=True)
    code: Tensor | None = declare("codes", torch.int64, optional=True)
    code_share: Tensor | None = declare("codes", optional=True)
    begin: Tensor | None = declare("active", torch.int64, optional=True)
    correction: Tensor | None = declare("candidates", optional=True)
    hit_query: Tensor | None = declare("hits", torch.int64, optional=True)
    hit_item: Tensor | None = declare("hits", torch.int64, optional=True)
    hit_share: Tensor | None = declare("hits", optional=True)
    weight: Tensor | None = declare("queries", optional=True)


@dataclass(frozen=True, eq=False)
class Stretches:
    """Runs of steps, one per row of a batch: `entity`, `first` (step of the journal), `count` of steps, and `stop`, one
    past the last row of the journal that may be read, all int64 [B]; `region`: codes, int64 [B]."""

    entity: np.ndarray
    first: np.ndarray
    count: np.ndarray
    stop: np.ndarray
    region: np.ndarray

    def take(self, index: np.ndarray) -> Stretches:
        """Those at `index`."""
        return Stretches(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


class WindowReader:
    """Windows of one journal under a given layout."""

    def __init__(self, layout: StepLayout, journal: Journal):
        self.layout, self.journal = layout, journal
        self.regions = np.append(layout.regions.encode(journal.regions), 0).astype(np.int64)

    def stretches(self, entity: np.ndarray, cutoff: np.ndarray) -> Stretches:
        """The last steps that cases see: `entity` int64 [n], `cutoff` datetime64[us] [n]."""
        events = self.journal.events
        stop, begin = events.stop(entity, cutoff), events.offsets[entity]
        region = self.regions[self.journal.region_at(entity, cutoff)]
        seen = stop > begin
        first, count = np.zeros_like(stop), np.zeros_like(stop)
        step = events.columns["step"]
        last = step[stop[seen] - 1] + 1
        first[seen] = np.maximum(step[begin[seen]], last - self.layout.length)
        count[seen] = last - first[seen]
        return Stretches(entity, first, count, stop, region)

    def read(self, stretches: Stretches, where: np.ndarray | None = None) -> tuple[Steps, np.ndarray]:
        """A batch without items, and the items of its entries, int64: positions in the catalogue, which `item` repeats.
        `where`: the states to ask, int64; by default each row's last."""
        journal, layout = self.journal, self.layout
        events = journal.events
        longest = max(int(stretches.count.max(initial=0)), 1)
        step = stretches.first[:, None] + np.arange(longest)
        valid = np.arange(longest) < stretches.count[:, None]
        step[~valid] = 0
        step_row = journal.step_row if valid.any() else np.zeros(2, np.int64)  # there may be no step at all
        begin = step_row[step]
        size = np.minimum(step_row[step + 1], stretches.stop[:, None]) - begin
        size = np.where(valid, np.minimum(size, _MOST_ROWS), 0).ravel()
        row = ragged_ranges(begin.ravel(), size)
        entity = np.repeat(np.repeat(stretches.entity, longest), size)
        item = events.columns["item"][row].astype(np.int64)
        codes = layout.codes(journal, row, entity) if layout.columns else {}
        context = np.zeros((len(row), len(codes)), np.int64)
        first = 0
        for number, (name, most) in enumerate(layout.columns.items()):
            context[:, number] = codes[name] + first
            first += most
        if where is None:
            where = np.arange(len(valid)) * (longest + 1) + stretches.count
        steps = Steps(
            lengths=torch.from_numpy(stretches.count),
            region=torch.from_numpy(stretches.region),
            bag=torch.from_numpy(np.cumsum(size) - size),
            item=torch.from_numpy(item),
            share=torch.from_numpy((1 / np.repeat(size, size)).astype(np.float32)),
            context=torch.from_numpy(context),
            numbers=torch.from_numpy(self._numbers(begin, valid)),
            where=torch.from_numpy(where),
        )
        return steps, item

    def _numbers(self, begin: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """The numeric features of steps by their first row, float32 [B, T, 2 F]: standardised, and whether known."""
        numbers = np.zeros((*begin.shape, 2 * len(self.layout.numbers)), np.float32)
        for number, (name, (centre, spread)) in enumerate(self.layout.numbers.items()):
            if name not in self.journal.events.columns:
                continue
            value = np.full(begin.shape, np.nan, np.float32)
            value[valid] = self.journal.events.columns[name][begin[valid]]
            known = np.isfinite(value)
            numbers[..., 2 * number] = np.where(known, ((value - centre) / spread).clip(-5, 5), 0)
            numbers[..., 2 * number + 1] = known
        return numbers

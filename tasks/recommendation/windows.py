"""What the network sees of a case: the last steps of its entity as of the cutoff, as numbers.

A step is a bag of rows, one in a session, as many as its lines in an order; both take the same path. What a row says
beside its item (kind, time since the step before, position, price, features) becomes codes of one table of embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forecasting.batches import Batch, declare
from forecasting.histories import ragged_ranges
from forecasting.schema import ArtifactError
from forecasting.vocabulary import Vocabulary
from tasks.recommendation.items import price_bands, price_edges
from tasks.recommendation.journal import Journal

_GAPS, _POSITIONS, _KINDS = 30, 32, 3
_MOST_LABELS = 1000
_MOST_ROWS = 200
"""Rows of one step that are read, its first: an order with more lines is a wholesaler's."""

_SAMPLE = 200_000
"""Rows from which scales and vocabularies are learnt."""

_OWN_COLUMNS = frozenset({"item", "kind", "step", "session", "seen", "price"})


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


@dataclass(frozen=True, eq=False)
class StepLayout:
    """What was learnt of rows before an instant. `length`: steps that the network reads. `columns`: sizes of the code
    columns by name, those that say something. `edges`: of price bands. `labels`: vocabularies of features. `numbers`:
    centre and spread by feature. `regions`: of entities."""

    length: int
    columns: Mapping[str, int]
    edges: np.ndarray
    labels: Mapping[str, Vocabulary]
    numbers: Mapping[str, tuple[float, float]]
    regions: Vocabulary

    @staticmethod
    def fit(journal: Journal, rows: np.ndarray, regions: np.ndarray, length: int) -> StepLayout:
        """Learn from `rows`, int64 [n] positions, and the regions of the entities that had done something by then,
        int32 [m]."""
        rows = rows[:: -(-len(rows) // _SAMPLE) or 1]
        events = journal.events
        labels, numbers = {}, {}
        for name in sorted(events.columns.keys() - _OWN_COLUMNS):
            values = events.columns[name][rows]
            if name in events.categories:
                counts = np.bincount(values[values >= 0], minlength=len(events.categories[name]))
                labels[name] = Vocabulary.fit_counts(events.categories[name], counts, 2, _MOST_LABELS)
            else:
                values = values[np.isfinite(values)].astype(np.float64)
                numbers[name] = (float(values.mean()), max(float(values.std()), 1e-3)) if len(values) else (0.0, 1.0)
        edges = price_edges(events.columns["price"][rows])
        counts = np.bincount(regions[regions >= 0], minlength=len(journal.regions))
        layout = StepLayout(length, {}, edges, labels, numbers, Vocabulary.fit_counts(journal.regions, counts, 2))
        entity = np.searchsorted(events.offsets, rows, side="right") - 1
        codes = layout.codes(journal, rows, entity)
        # What never varies says nothing, and costs time in each step.
        telling = {name: layout.sizes[name] for name, code in codes.items() if len(code) and (code != code[0]).any()}
        return StepLayout(length, telling, edges, labels, numbers, layout.regions)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Codes of every column that there could be."""
        sizes = {"kind": _KINDS, "gap": _GAPS, "position": _POSITIONS, "new session": 2, "price": len(self.edges) + 2}
        return sizes | {name: vocabulary.size for name, vocabulary in self.labels.items()}

    @property
    def size(self) -> int:
        """Codes of all columns in use."""
        return sum(self.columns.values())

    def codes(self, journal: Journal, row: np.ndarray, entity: np.ndarray) -> dict[str, np.ndarray]:
        """What rows of the journal say beside their items: int64 codes by column, of those in use (all, where none is
        chosen yet). `row`, `entity`: int64 [m]."""
        events, wanted = journal.events, self.columns or self.sizes
        columns = events.columns
        before = journal.step_row[columns["step"][row]] - 1  # the last row of the step before
        begun = before >= events.offsets[entity]
        found: dict[str, np.ndarray] = {}
        if "kind" in wanted:
            found["kind"] = columns["kind"][row]
        if "gap" in wanted:
            seconds = (events.occurred_at[row] - events.occurred_at[before]) / np.timedelta64(1, "s")
            gap = np.log2(np.maximum(seconds, 1.0)).astype(np.int64) + 1
            found["gap"] = np.where(begun, np.minimum(gap, _GAPS - 1), 0)
        if "position" in wanted:
            found["position"] = np.minimum(columns["seen"][row], _POSITIONS - 1)
        if "new session" in wanted:
            found["new session"] = begun & (columns["session"][row] != columns["session"][before])
        if "price" in wanted:
            found["price"] = price_bands(columns["price"][row], self.edges)
        for name, vocabulary in self.labels.items():
            if name in wanted:
                present = name in events.categories
                found[name] = (
                    vocabulary.encode_codes(columns[name][row], events.categories[name]) if present else row * 0
                )
        return {name: code.astype(np.int64) for name, code in found.items()}

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "length": self.length,
            "columns": [[name, size] for name, size in self.columns.items()],
            "edges": self.edges.tolist(),
            "labels": {name: dict(vocabulary.document()) for name, vocabulary in self.labels.items()},
            "numbers": {name: list(scale) for name, scale in self.numbers.items()},
            "regions": dict(self.regions.document()),
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> StepLayout:
        """The layout of a `document`. Raises ArtifactError for anything else."""
        try:
            return StepLayout(
                document["length"],
                dict(document["columns"]),
                np.array(document["edges"], np.float64),
                {name: Vocabulary.restore(value) for name, value in sorted(document["labels"].items())},
                {name: (centre, spread) for name, (centre, spread) in sorted(document["numbers"].items())},
                Vocabulary.restore(document["regions"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError("The stored description of steps is not whole.", remedy="Train a new model.") from error


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
        begin = journal.step_row[step]
        size = np.minimum(journal.step_row[step + 1], stretches.stop[:, None]) - begin
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
            value = self.journal.events.columns[name][begin]
            known = valid & np.isfinite(value)
            numbers[..., 2 * number] = np.where(known, ((value - centre) / spread).clip(-5, 5), 0)
            numbers[..., 2 * number + 1] = known
        return numbers

"""Histories of entities as ragged columns, and what a cutoff sees of them.

Compressed sparse rows: one flat array per column, sorted by entity and then by time, with offsets where each entity
begins. "As of a cutoff" is a binary search over these arrays and never a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.clock import arrow_instants, visible
from forecasting.columns import is_text
from forecasting.schema import DataError


@dataclass(frozen=True, eq=False)
class Histories:
    """What E entities did, in R rows.

    `entities`: object [E] of str, ascending, each once. `offsets`: int64 [E + 1]; the rows of entity e are
    offsets[e] ... offsets[e + 1] - 1. `occurred_at`, `known_at`: datetime64[us] [R], UTC, ascending by
    (occurred_at, known_at) within an entity; otherwise equal rows keep their order in the source. `columns`:
    arrays [R] by name. `categories`: for a column of labels, the object array of str that its int32 codes index
    (code -1: missing). `withdrawn_at`: datetime64[us] [R], the instant at which a row was taken back (an order
    cancelled), NaT for never: a cutoff after it does not see the row. None where none was.
    """

    entities: np.ndarray
    offsets: np.ndarray
    occurred_at: np.ndarray
    known_at: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    categories: Mapping[str, np.ndarray] = field(default_factory=dict)
    withdrawn_at: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = len(self.occurred_at)
        if len(self.offsets) != len(self.entities) + 1 or self.offsets[0] != 0 or self.offsets[-1] != rows:
            raise ValueError("offsets must run from 0 to the number of rows, one more than there are entities")
        if (np.diff(self.offsets) < 0).any():
            raise ValueError("offsets must not fall")
        for name, values in {"known_at": self.known_at, **self.columns}.items():
            if len(values) != rows:
                raise ValueError(f"column {name!r} has {len(values)} values for {rows} rows")
        falls = self.occurred_at[1:] < self.occurred_at[:-1]
        falls[self.offsets[1:-1][(self.offsets[1:-1] > 0) & (self.offsets[1:-1] < rows)] - 1] = False
        if falls.any():
            raise ValueError("rows must be sorted by occurred_at within each entity")

    @staticmethod
    def from_arrow(
        table: pa.Table, entity: str, occurred_at: str, known_at: str | None = None, columns: Sequence[str] = ()
    ) -> Histories:
        """The histories in a table of the types that `forecasting.schema` lists.

        `entity` names the column of ids. A row whose `known_at` is null, or all where None, was known when it
        occurred; one that claims to be known earlier was not. Numbers, integers and flags of `columns` become
        float64 with NaN where missing, timestamps and dates datetime64[us] with NaT, labels codes into
        `categories`. Raises DataError naming column and row where an id or an instant is missing.
        """
        codes, entities = _labels(table[entity])
        happened = arrow_instants(table[occurred_at])
        _refuse_missing(codes < 0, entity)
        _refuse_missing(np.isnat(happened), occurred_at)
        known = happened
        if known_at is not None:
            known = arrow_instants(table[known_at])
            known = np.where(np.isnat(known), happened, np.maximum(known, happened))

        counts = np.bincount(codes, minlength=len(entities))
        present = counts > 0  # a dictionary may hold ids that no row of this table has
        offsets = np.concatenate([[0], np.cumsum(counts[present])]).astype(np.int64)
        order = _order(codes, happened, known if known_at is not None else None)
        flat: dict[str, np.ndarray] = {}
        categories: dict[str, np.ndarray] = {}
        for name in columns:
            values = table[name]
            if is_text(values.type):
                flat[name], categories[name] = _labels(values)
            else:
                flat[name] = _numbers(values)
            flat[name] = flat[name][order]
        happened = happened[order]
        known = known[order] if known_at is not None else happened
        return Histories(entities[present], offsets, happened, known, flat, categories)

    def __len__(self) -> int:
        """How many entities there are."""
        return len(self.entities)

    @cached_property
    def on_time(self) -> bool:
        """Whether every row was known when it occurred and never withdrawn, so that `occurred_at` alone decides what
        is visible."""
        return self.withdrawn_at is None and self._known_at_once

    @property
    def _known_at_once(self) -> bool:
        return self.known_at is self.occurred_at or bool((self.known_at <= self.occurred_at).all())

    @property
    def lengths(self) -> np.ndarray:
        """How many rows each entity has, int64 [E]."""
        return np.diff(self.offsets)

    def find(self, ids: np.ndarray | Sequence[str | None]) -> np.ndarray:
        """The positions, int64 [n], of entities by id; -1 for an unknown or missing one."""
        index = pc.index_in(pa.array(ids, pa.string()), pa.array(self.entities, pa.string()))
        return pc.fill_null(index, -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def stop(self, entity: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """Where the rows with `occurred_at < cutoff` of each case end, int64 [n]: one past the last.

        `entity`: int64 [n]; `cutoff`: datetime64 [n], UTC, or one for all. All cases are bisected together, in as
        many steps as the longest history has binary digits. Among the rows before it there may be late ones
        that the cutoff does not see yet: `window` and `visible` leave them out.
        """
        return self._bisect(entity, lambda row: self.occurred_at[row] < cutoff)

    def version(self, entity: np.ndarray, occurred_at: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """The row of each entity that occurred exactly at an instant, in its latest version that the cutoff sees:
        int64 [n] positions, -1 where there is none. A later correction of a row carries the same `occurred_at`
        and a later `known_at`. The three arguments are [n], or one for all; instants datetime64 in UTC.
        """
        entity, instants, cutoff = np.broadcast_arrays(entity, occurred_at, cutoff)

        def before(row: np.ndarray) -> np.ndarray:
            at = self.occurred_at[row]
            return (at < instants) | ((at == instants) & (self.known_at[row] <= cutoff))

        row = self._bisect(entity, before) - 1
        if not len(self.occurred_at):
            return np.full_like(row, -1)
        found = (row >= self.offsets[entity]) & (self.occurred_at[row] == instants) & self.visible(row, cutoff)
        return np.where(found, row, -1)

    def _bisect(self, entity: np.ndarray, before: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The first row of each entity for which `before` no longer holds, int64 [n]."""
        entity = np.asarray(entity)
        low, high = self.offsets[entity], self.offsets[entity + 1]
        last = len(self.occurred_at) - 1
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) // 2
            # Where low == high the case is settled, and its middle may lie one past the end of the array.
            onward = (low < high) & before(np.minimum(middle, last))
            low, high = np.where(onward, middle + 1, low), np.where(onward, high, middle)
        return low

    def visible(self, row: np.ndarray, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """Whether the rows at positions `row` count at their cutoffs (shapes broadcast), bool."""
        seen = visible(self.occurred_at[row], None if self.on_time else self.known_at[row], cutoff)
        if self.withdrawn_at is not None:
            seen &= ~(self.withdrawn_at[row] < cutoff)  # NaT is before nothing
        return seen

    def window(self, entity: np.ndarray, cutoff: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The last `length` rows that each case sees, oldest first, at the right end of the window.

        `entity`: int64 [n]; `cutoff`: datetime64 [n], UTC. Returns row positions, int64 [n, length], and which
        of them hold a row, bool [n, length]; the others are 0 and must be masked. A row not yet known at the
        cutoff leaves no gap, so that no result depends on it.
        """
        entity = np.asarray(entity)
        cutoff = np.broadcast_to(np.asarray(cutoff), entity.shape)
        stop = self.stop(entity, cutoff)
        back = np.arange(-length, 0)
        index = stop[:, None] + back
        mask = index >= self.offsets[entity][:, None]
        index[~mask] = 0
        if self.on_time or not mask.any():
            return index, mask
        late = (mask & ~self.visible(index, cutoff[:, None])).any(axis=1)
        cases = np.flatnonzero(late)
        reach = length
        while len(cases):  # look twice as far back until enough rows are visible or the history ends
            reach *= 2
            wide = stop[cases, None] + np.arange(-reach, 0)
            begins = self.offsets[entity[cases]]
            seen = wide >= begins[:, None]
            seen &= self.visible(np.where(seen, wide, 0), cutoff[cases, None])
            done = (seen.sum(axis=1) >= length) | (wide[:, 0] <= begins)
            wide, seen = wide[done], seen[done]
            last = np.argsort(seen, axis=1, kind="stable")[:, -length:]  # visible rows to the right, in order
            chosen = np.take_along_axis(seen, last, axis=1)
            mask[cases[done]] = chosen
            index[cases[done]] = np.where(chosen, np.take_along_axis(wide, last, axis=1), 0)
            cases = cases[~done]
        return index, mask

    def take(self, entities: np.ndarray | slice) -> Histories:
        """The histories of some entities (a slice, ascending int64 positions, or a bool mask [E]), as one shard.

        A slice of consecutive entities shares memory with the whole; anything else is copied.
        """
        if isinstance(entities, slice):
            first, last, step = entities.indices(len(self))
            if step == 1:
                last = max(first, last)
                rows: slice | np.ndarray = slice(int(self.offsets[first]), int(self.offsets[last]))
                offsets = self.offsets[first : last + 1] - self.offsets[first]
                return self._rows(self.entities[first:last], offsets, rows)
        chosen = np.arange(len(self))[entities]
        if (np.diff(chosen) <= 0).any():
            raise ValueError("entities of a shard must be given in ascending order, each once")
        offsets = np.concatenate([[0], np.cumsum(self.lengths[chosen])])
        return self._rows(self.entities[chosen], offsets, ragged_ranges(self.offsets[chosen], self.lengths[chosen]))

    def _rows(self, entities: np.ndarray, offsets: np.ndarray, rows: slice | np.ndarray) -> Histories:
        occurred_at = self.occurred_at[rows]
        known_at = occurred_at if self.known_at is self.occurred_at else self.known_at[rows]
        columns = {name: values[rows] for name, values in self.columns.items()}
        withdrawn_at = None if self.withdrawn_at is None else self.withdrawn_at[rows]
        return Histories(entities, offsets, occurred_at, known_at, columns, self.categories, withdrawn_at)


def ragged_ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The ranges [starts[i], starts[i] + lengths[i]) one after the other, int64 [lengths.sum()]."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def changes(values: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before it, bool [n]; the first one does."""
    changed = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    return changed


def _order(codes: np.ndarray, occurred_at: np.ndarray, known_at: np.ndarray | None) -> np.ndarray | slice:
    """The stable order by entity, occurred_at and known_at; a slice where the rows stand in it already."""
    keys = [codes, occurred_at] if known_at is None else [codes, occurred_at, known_at]
    ordered = np.ones(max(len(codes) - 1, 0), bool)
    for key in reversed(keys):
        ordered = (key[:-1] < key[1:]) | ((key[:-1] == key[1:]) & ordered)
    return slice(None) if ordered.all() else np.lexsort(keys[::-1])


def _refuse_missing(missing: np.ndarray, column: str) -> None:
    if missing.any():
        row = int(missing.argmax())
        raise DataError(f"{missing.sum()} of {len(missing)} values are missing.", column=column, row=row)


def _labels(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Codes, int32 [R] (-1: missing), into the distinct labels, object of str, ascending."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int32), np.empty(0, object)
    labels = column.chunk(0).dictionary.to_numpy(zero_copy_only=False).astype(object)
    distinct, rank = np.unique(labels.astype(str), return_inverse=True)
    parts = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    codes = np.append(rank, -1).astype(np.int32)[np.concatenate(parts)]
    return codes, distinct.astype(object)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return arrow_instants(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False).to_numpy()

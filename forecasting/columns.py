"""Arrow columns of the types of `forecasting.schema` as arrays, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.schema import DataError

MANY_ROWS = 100
"""Rows from which a source is no longer that of a shop that opened yesterday."""


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts or ids."""
    return pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def present(table: pa.Table | None, names: Sequence[str]) -> list[str]:
    """Those of `names` that the table has with at least one value; none where there is no table."""
    if table is None:
        return []
    return [name for name in names if name in table.column_names and table[name].null_count < len(table)]


def expect_column(table: pa.Table, source: str, names: Sequence[str], cost: str) -> None:
    """Raises DataError where the table has none of the columns, without which nothing can be said (`cost`: "so that
    ..."). A source of fewer than MANY_ROWS rows may lack them: `load` makes no column of what never had a value, as in
    a shop that opened yesterday."""
    if len(table) < MANY_ROWS or set(names).intersection(table.column_names):
        return
    raise DataError(
        f"there is no such column in {len(table):,} rows, {cost}.",
        source=source,
        column=names[0],
        remedy=f'Say which column it is: [sources.{source}] columns = {{ {names[0]} = "THEIR NAME" }}.',
    )


def labels(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """(codes int32 [R], names string [K]): a column of texts or ids; code -1 where null. A name may have no row."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    if column.num_chunks > 1:
        column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    codes = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    joined = codes[0] if len(codes) == 1 else np.concatenate(codes)
    return joined.astype(np.int32, copy=False), column.chunk(0).dictionary.cast(pa.string())


def used(codes: np.ndarray, names: pa.Array) -> pa.Array:
    """The names that at least one code points to, in their order."""
    seen = np.zeros(len(names) + 1, bool)
    seen[codes] = True  # code -1 marks the last place, which no name has
    return names.filter(pa.array(seen[:-1]))


def sorted_union(*names: pa.Array) -> pa.Array:
    """All names that occur, each once, ascending, string [K]."""
    together = pc.unique(pa.chunked_array(names, pa.string())) if names else pa.array([], pa.string())
    return together.take(pc.array_sort_indices(together)).drop_null()


def find(names: pa.Array, among: pa.Array) -> np.ndarray:
    """Positions, int32 [n], of `names` in `among`; -1 where absent."""
    return pc.fill_null(pc.index_in(names, among), -1).to_numpy(zero_copy_only=False).astype(np.int32)


def recode(codes: np.ndarray, names: pa.Array, among: pa.Array) -> np.ndarray:
    """`codes` into `names` as codes into `among`, int32; -1 stays -1."""
    return np.append(find(names, among), np.int32(-1))[codes]


def objects(names: pa.Array) -> np.ndarray:
    """The names as an object array of str."""
    return names.to_numpy(zero_copy_only=False).astype(object)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers or flags as float64 [R]; NaN where null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def coordinates(table: pa.Table, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude, float64 [R] degrees each; NaN where unknown or where only one is known."""
    names = (f"{prefix}latitude", f"{prefix}longitude")
    if len(present(table, names)) < 2:
        return np.full(len(table), np.nan), np.full(len(table), np.nan)
    latitude, longitude = (numbers(table[name]) for name in names)
    nowhere = np.isnan(latitude) | np.isnan(longitude)
    return np.where(nowhere, np.nan, latitude), np.where(nowhere, np.nan, longitude)

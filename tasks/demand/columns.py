"""Arrow columns of the types of `forecasting.schema` as the arrays that demand works on."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.columns import is_text

TEXT_BUCKETS = 1 << 20
"""Texts become hashes below this, so that no vocabulary has to be learnt from rows that a cutoff must not see."""


def labels(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(codes int32 [R], names object [K] of str): a column of texts or ids; code -1 where null."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int32), np.empty(0, object)
    codes = np.concatenate(
        [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32) for chunk in column.chunks]
    )
    return codes, column.chunk(0).dictionary.to_numpy(zero_copy_only=False).astype(object)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers or flags as float32 [R], one of texts as their hashes; NaN where null."""
    if is_text(column.type):
        codes, names = labels(column)
        hashes = np.array([text_bucket(name) for name in names] + [np.nan], np.float32)
        return hashes[codes]
    result = np.empty(len(column), np.float32)
    at = 0
    for chunk in column.chunks:
        result[at : at + len(chunk)] = chunk.cast(pa.float64()).to_numpy(zero_copy_only=False)
        at += len(chunk)
    return result


def text_bucket(text: str) -> int:
    """A stable hash of a text, 0 ... TEXT_BUCKETS - 1."""
    return zlib.crc32(text.encode()) % TEXT_BUCKETS


def union(*names: np.ndarray) -> np.ndarray:
    """All names that occur, sorted, object [K]."""
    together = np.concatenate([np.asarray(part, object) for part in names])
    return np.array(sorted(set(together.tolist())), object)


def find(names: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Positions, int64 [n], of `names` in `among`; -1 where absent."""
    if not len(names):
        return np.empty(0, np.int64)
    position = pc.index_in(pa.array(names, pa.string()), pa.array(among, pa.string()))
    return pc.fill_null(position, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def recode(codes: np.ndarray, names: np.ndarray, among: np.ndarray) -> np.ndarray:
    """`codes` into `names` as codes into `among`, int32; -1 stays -1."""
    return np.append(find(names, among), -1).astype(np.int32)[codes]

"""Sparse matrices as the indices need them: products in bounded memory, and the strongest entries of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from tasks.recommendation.candidates import Candidates

_PADDED = 1 << 22


def ragged_matrix(values: np.ndarray, columns: np.ndarray, offsets: np.ndarray, width: int) -> sparse.csr_array:
    """The matrix whose row i holds the entries offsets[i] ... offsets[i + 1] - 1; repeated columns stay as they are."""
    small = max(len(columns), width) < np.iinfo(np.int32).max
    kind = np.int32 if small else np.int64
    indices, indptr = columns.astype(kind, copy=False), offsets.astype(kind, copy=False)
    return sparse.csr_array((values, indices, indptr), shape=(len(offsets) - 1, width))


def strongest(matrix: sparse.csr_array, most: int) -> sparse.csr_array:
    """At most the `most` largest entries of each row; of equal ones those that stand first in it."""
    kept = among_strongest(matrix.data, matrix.indptr, most)
    if kept is None:
        return matrix
    counts = np.minimum(np.diff(matrix.indptr), most)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def among_strongest(values: np.ndarray, offsets: np.ndarray, most: int) -> np.ndarray | None:
    """Whether each value is one of the `most` largest of its row, bool [m]; None where all are. Row i holds the values
    offsets[i] ... offsets[i + 1] - 1; of equal ones those that stand first go before."""
    counts = np.diff(offsets)
    if counts.max(initial=0) <= most:
        return None
    kept = np.ones(len(values), bool)
    over = np.flatnonzero(counts > most)
    over = over[np.argsort(counts[over], kind="stable")]
    begin = 0
    while begin < len(over):  # rows of about equal length together, padded to a rectangle
        width = int(counts[over[begin]]) * 5 // 4 + 16
        end = int(np.searchsorted(counts[over], width, side="right"))
        rows = over[begin : min(end, begin + max(_PADDED // width, 1))]
        width = int(counts[rows[-1]])
        place = offsets[rows, None].astype(np.int64) + np.arange(width)
        inside = np.arange(width) < counts[rows, None]
        padded = np.where(inside, values[np.where(inside, place, 0)], -np.inf)
        least = np.partition(padded, width - most, axis=1)[:, width - most, None]
        chosen, equal = padded > least, padded == least
        chosen |= equal & (np.cumsum(equal, axis=1) <= most - chosen.sum(axis=1, keepdims=True))
        kept[place[inside]] = chosen[inside]
        begin += len(rows)
    return kept


def product(
    left: sparse.csr_array, right: sparse.csr_array, work: int = 20_000_000
) -> Iterator[tuple[slice, sparse.csr_array]]:
    """`left @ right` by runs of consecutive rows that take about `work` multiplications each."""
    cost = np.concatenate([[0], np.cumsum(np.diff(right.indptr)[left.indices], dtype=np.int64)])[left.indptr]
    start = 0
    while start < left.shape[0]:
        end = int(np.searchsorted(cost, cost[start] + work, side="right")) - 1
        end = min(max(end, start + 1), left.shape[0])
        yield slice(start, end), left[start:end] @ right
        start = end


def candidates_of(matrices: Sequence[sparse.csr_array]) -> Candidates:
    """The entries of matrices of equal structure, cases x items, as candidates; the first one's column order is put
    right in all."""
    first = matrices[0]
    offsets = first.indptr.astype(np.int64)
    row = np.repeat(np.arange(first.shape[0]), np.diff(offsets))
    order = np.argsort(row * first.shape[1] + first.indices, kind="stable")
    values = np.stack([matrix.data[order].astype(np.float32) for matrix in matrices], axis=1)
    return Candidates(offsets, first.indices[order].astype(np.int32), values)


def share_candidates(scores: sparse.csr_array, most: int) -> Candidates:
    """The `most` strongest entries of each row (cases x items, none below 0) as shares of the row's total, and the log
    of 1 + 1,000 times them."""
    total = np.maximum(np.asarray(scores.sum(axis=1)).ravel(), 1e-12)
    kept = strongest(scores, most)
    present = kept.data > 0
    if not present.all():
        kept = kept.copy()
        kept.eliminate_zeros()
    share = kept.data / np.repeat(total, np.diff(kept.indptr))
    both = [
        sparse.csr_array((data, kept.indices, kept.indptr), shape=kept.shape)
        for data in (share, np.log1p(1000 * share))
    ]
    return candidates_of(both)


def stack(parts: Sequence[sparse.csr_array], width: int) -> sparse.csr_array:
    """The parts on top of each other; an empty square where there are none."""
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_array((width, width))

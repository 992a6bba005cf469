"""A list that is not all of one category, and is no shorter for it."""

from __future__ import annotations

import numpy as np

from tasks.recommendation.topk import top_k


def capped_top_k(scores: np.ndarray, category: np.ndarray, cap: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """As `top_k` with at most `cap` items of one category in a list, chosen by falling score.

    Where the cap leaves fewer than k items, the best of the rest fill the list. `category`: int32 [N], -1 for items of
    none, which no cap holds back; int32 [b, N] where a column is another item in each row. Overwrites `scores`.
    """
    filler, filler_scores = top_k(scores, k)
    items, values = np.full_like(filler, -1), np.full_like(filler_scores, -np.inf)
    pending = np.arange(len(scores))
    used = np.zeros((len(scores), int(category.max(initial=-1)) + 2), np.int32)  # the last column: of no category
    batch, batch_values = top_k(scores, min(2 * k, scores.shape[1]))
    while len(pending):
        code = np.where(batch >= 0, category[batch] if category.ndim == 1 else category[pending[:, None], batch], -1)
        rank = _rank_within(code) + np.take_along_axis(used, code, axis=1)
        kept = (batch >= 0) & ((rank < cap) | (code < 0))
        _append(items, values, pending, batch, batch_values, kept)
        np.add.at(used, (np.arange(len(pending))[:, None], code), kept & (code >= 0))
        unfinished = (items[pending, -1] < 0) & (batch[:, -1] >= 0)
        pending, batch, used = pending[unfinished], batch[unfinished], used[unfinished]
        if len(pending):
            left = scores[pending]
            np.put_along_axis(left, batch.astype(np.int64), -np.inf, axis=1)
            if category.ndim == 1:
                left[(used >= cap)[:, category] & (category >= 0)] = -np.inf
            else:
                own = category[pending]
                left[np.take_along_axis(used >= cap, own, axis=1) & (own >= 0)] = -np.inf
            scores[pending] = left
            batch, batch_values = top_k(left, min(2 * k, scores.shape[1]))
    short = np.flatnonzero((items >= 0).sum(axis=1) < (filler >= 0).sum(axis=1))
    if len(short):
        _fill(items, values, short, filler, filler_scores)
    return items, values


def over_cap(code: np.ndarray, cap: int) -> np.ndarray:
    """Which lists, rows of categories int32 [b, k], have more than `cap` items of one: bool [b]."""
    beyond: np.ndarray = (_rank_within(code) >= cap) & (code >= 0)
    return np.asarray(beyond.any(axis=1))


def _rank_within(code: np.ndarray) -> np.ndarray:
    """How many earlier entries of its row have the same code, int64 [b, m]."""
    order = np.argsort(code, axis=1, kind="stable")
    ordered = np.take_along_axis(code, order, axis=1)
    place = np.arange(code.shape[1])
    begins = np.maximum.accumulate(np.where(np.diff(ordered, axis=1, prepend=-2) != 0, place, 0), axis=1)
    rank = np.empty(code.shape, np.int64)
    np.put_along_axis(rank, order, place - begins, axis=1)
    return rank


def _append(
    items: np.ndarray, values: np.ndarray, rows: np.ndarray, new: np.ndarray, new_values: np.ndarray, kept: np.ndarray
) -> None:
    """Writes what is kept of `new`, in order, behind what the lists at `rows` have, as far as there is room."""
    place = (items[rows] >= 0).sum(axis=1)[:, None] + np.cumsum(kept, axis=1) - 1
    row, column = np.nonzero(kept & (place < items.shape[1]))
    items[rows[row], place[row, column]] = new[row, column]
    values[rows[row], place[row, column]] = new_values[row, column]


def _fill(
    items: np.ndarray, values: np.ndarray, rows: np.ndarray, filler: np.ndarray, filler_scores: np.ndarray
) -> None:
    """Completes the lists at `rows` with the best items of the uncapped lists that they lack, in order of score.

    k items are enough to choose from: of the k best, those that a list lacks are as many as it has places free."""
    mine, other = items[rows], filler[rows]
    lacking = (other >= 0) & ~(other[:, :, None] == mine[:, None, :]).any(axis=2)
    _append(items, values, rows, other, filler_scores[rows], lacking)
    order = np.lexsort((np.where(items[rows] < 0, np.iinfo(np.int32).max, items[rows]), -values[rows]), axis=1)
    items[rows] = np.take_along_axis(items[rows], order, axis=1)
    values[rows] = np.take_along_axis(values[rows], order, axis=1)

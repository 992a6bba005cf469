"""The best k of many: exact, by blocks, ties broken by position.

A full selection over N scores reads them many times. Here the scores are read once for the maxima of groups of 16; the
k groups with the largest maxima hold the k best scores, because each of those groups has a score that is at least the
k-th largest maximum and every other group has none above it. Equal scores at the border would leave a choice: rows
that have such a tie are done again by a key in which no two items are equal.
"""

from __future__ import annotations

import numpy as np
import torch

GROUP = 16
BLOCK_BYTES = 16 << 20
"""Scores of one block of products: about what a core's caches hold, and enough rows for a matrix product at speed."""

Rows = tuple[torch.Tensor, torch.Tensor]
"""Positions int64 [b, k] and their scores float32 [b, k]."""


def top_k(scores: np.ndarray | torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions and values of the k largest scores of each row, largest first, of equal ones the smaller position.

    `scores`: float32 [b, N], without NaN; -inf marks what must not be chosen. Returns int32 [b, k] and float32 [b, k];
    where fewer than k scores are finite, the rest is -1 with the score -inf.
    """
    items, values = _top(torch.as_tensor(scores), k)
    return _padded(items, values, k)


def top_k_products(
    queries: np.ndarray, items: np.ndarray, bias: np.ndarray | None, k: int, block: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `top_k`, of the scores queries @ items.T + bias, which are never all in memory.

    `queries`: float32 [n, D]. `items`: float32 [N, D]. `bias`: float32 [N] or None. `block`: how many queries are
    scored at a time, by default as many as BLOCK_BYTES hold.
    """
    count = len(items)
    block = block or int(np.clip(BLOCK_BYTES // (4 * max(count, 1)), 64, 1024))
    found = np.full((len(queries), k), -1, np.int32)
    values = np.full((len(queries), k), -np.inf, np.float32)
    if not count:
        return found, values
    matrix = torch.as_tensor(items).T
    offset = None if bias is None else torch.as_tensor(bias)
    buffer = torch.empty(min(block, len(queries)), count)
    for start in range(0, len(queries), block):
        part = torch.as_tensor(queries[start : start + block])
        scores = buffer[: len(part)]
        if offset is None:
            torch.mm(part, matrix, out=scores)
        else:
            torch.addmm(offset, part, matrix, out=scores)
        rows = slice(start, start + len(part))
        found[rows], values[rows] = _padded(*_top(scores, k), k)
    return found, values


def _padded(items: torch.Tensor, values: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """As arrays with k columns, nothing chosen whose score is -inf."""
    found = np.full((len(items), k), -1, np.int32)
    best = np.full((len(items), k), -np.inf, np.float32)
    best[:, : values.shape[1]] = values.numpy()
    found[:, : items.shape[1]] = items.numpy()
    found[best == -np.inf] = -1
    return found, best


def _top(scores: torch.Tensor, k: int) -> Rows:
    k = min(k, scores.shape[1])
    if not k or not len(scores):
        return torch.empty(len(scores), k, dtype=torch.int64), torch.empty(len(scores), k)
    items, values, tied = _by_value(scores, k)
    if tied.any():
        rows = tied.nonzero()[:, 0]
        items[rows], values[rows] = _by_key(scores[rows], k)
    return items, values


def _by_value(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The k best of each row, and for which rows, bool [b], an equal score makes that answer one of several."""
    rows, count = scores.shape
    groups = count // GROUP
    if groups < 4 * (k + 1):
        values, items = torch.topk(scores, min(k + 1, count), dim=1)
        return items[:, :k], values[:, :k], (values[:, 1:] == values[:, :-1]).any(dim=1)
    # Group g has the positions g, g + groups, g + 2 groups, ...: maxima over them run along memory.
    body = groups * GROUP
    maxima = scores[:, :body].unflatten(1, (GROUP, groups)).amax(dim=1)
    best, group = torch.topk(maxima, k + 1, dim=1)
    member = (group[:, :k, None] + groups * torch.arange(GROUP)).flatten(1)
    rest = torch.arange(body, count).expand(rows, -1)
    member = torch.cat([member, rest], dim=1)
    values, chosen = torch.topk(scores.gather(1, member), k + 1, dim=1)
    tied = (values[:, 1:] == values[:, :-1]).any(dim=1) | (best[:, k] == best[:, k - 1])
    return member.gather(1, chosen[:, :k]), values[:, :k], tied


def _by_key(scores: torch.Tensor, k: int) -> Rows:
    """The k best of each row by (score, -position), which no two items share."""
    bits = (scores + 0.0).view(torch.int32)  # + 0.0: minus zero is no less than zero
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)  # integers in the order of the floats
    last = scores.shape[1] - 1
    key, _ = torch.topk((ordered << 32) + (last - torch.arange(last + 1)), k, dim=1)
    items = last - (key & 0xFFFFFFFF)
    return items, scores.gather(1, items)

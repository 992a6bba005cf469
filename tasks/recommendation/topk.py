"""The best k of many: exact, by blocks, ties broken by position.

A full selection over N scores looks at each of them many times. Here each is read once for the maxima of groups of 16.
The k groups with the largest maxima hold the k best scores: each has a score that is at least the k-th largest maximum,
and no other group has one above it. Only their members that reach that maximum, hardly more than k, are sorted.
Where the k-th and the next maximum are equal, the best may stand in other groups as well, and the row is done again by
keys in which no two items are equal.
"""

from __future__ import annotations

import numpy as np
import torch

GROUP = 16
BLOCK_BYTES = 16 << 20
"""Scores of one block of products: about what a core's caches hold, and enough rows for a matrix product at speed."""

ROWS = 256
"""Rows of one block at most."""

_KEYS = 1 << 20
_LEAST = float(np.finfo(np.float32).min)

Lists = tuple[np.ndarray, np.ndarray]
"""Positions int32 [b, k], -1 where there are no more, and scores float32 [b, k], -inf there."""


def top_k(scores: np.ndarray | torch.Tensor, k: int) -> Lists:
    """The positions and values of the k largest scores of each row, largest first, of equal ones the smaller position.

    `scores`: float32 [b, N]; -inf marks what must not be chosen. Returns int32 [b, k] and float32 [b, k]; where fewer
    than k scores are above -inf, the rest is -1 with the score -inf. Raises ValueError for NaN.
    """
    whole = torch.as_tensor(scores)
    found, values = _nothing(len(whole), k)
    # The keys of `_top` hold row, score and position in 63 bits: of more than 2^23 items fewer rows fit.
    at_once = min(ROWS, 1 << max(31 - whole.shape[1].bit_length(), 0))
    for start in range(0, len(whole), at_once):
        rows = slice(start, start + at_once)
        found[rows], values[rows] = _top(whole[rows], k)
    return found, values


def top_k_products(
    queries: np.ndarray, items: np.ndarray, bias: np.ndarray | None, k: int, block: int | None = None
) -> Lists:
    """As `top_k`, of the scores queries @ items.T + bias, which are never all in memory.

    `queries`: float32 [n, D]. `items`: float32 [N, D]. `bias`: float32 [N] or None. `block`: how many queries are
    scored at a time, by default as many as BLOCK_BYTES hold, at most ROWS.
    """
    found, values = _nothing(len(queries), k)
    if not len(items):
        return found, values
    block = block or int(np.clip(BLOCK_BYTES // (4 * len(items)), 16, ROWS))
    matrix = torch.as_tensor(items).T
    offset = torch.zeros(len(items)) if bias is None else torch.as_tensor(bias)
    buffer = torch.empty(min(block, len(queries)), len(items))
    for start in range(0, len(queries), block):
        part = torch.as_tensor(queries[start : start + block])
        rows = slice(start, start + len(part))
        found[rows], values[rows] = top_k(torch.addmm(offset, part, matrix, out=buffer[: len(part)]), k)
    return found, values


def _nothing(rows: int, k: int) -> Lists:
    return np.full((rows, k), -1, np.int32), np.full((rows, k), -np.inf, np.float32)


def _top(scores: torch.Tensor, k: int) -> Lists:
    """The lists of at most ROWS rows."""
    rows, count = scores.shape
    items, values = _nothing(rows, k)
    if not count:
        return items, values
    row, position, tied = _contenders(scores, min(k, count))
    value = scores.flatten()[row * count + position].numpy()
    # One sort does it all: rows ascending (8 bits or fewer), scores falling (32 bits), positions ascending (the rest).
    bits = (count - 1).bit_length()
    key = (((row.numpy() << 32) + _falling(value)) << bits) | position.numpy()
    key.sort()
    best, lengths = key & ((1 << bits) - 1), np.bincount(row.numpy(), minlength=rows)
    place = (np.cumsum(lengths) - lengths)[:, None] + np.arange(k)
    inside = np.arange(k) < lengths[:, None]
    items[inside] = best[place[inside]]
    values[inside] = scores.numpy()[np.nonzero(inside)[0], items[inside]]
    again = tied.nonzero()[:, 0]
    for part in again.split(max(_KEYS // count, 1)) if len(again) else ():
        items[part.numpy()], values[part.numpy()] = _by_key(scores[part], k)
    return items, values


def _contenders(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows and positions, int64 [m], among which the k best of each row are; and for which rows, bool [b], others are
    as good."""
    rows, count = scores.shape
    groups = count // GROUP
    if groups < 4 * (k + 1):
        best = _numbers(torch.topk(scores, k, dim=1)[0])
        row, position = (scores >= best[:, k - 1 :].clamp_min(_LEAST)).nonzero(as_tuple=True)
        return row, position, torch.zeros(rows, dtype=torch.bool)
    # Group g has the positions g, g + groups, g + 2 groups, ...: maxima over them run along memory.
    folded = scores[:, : groups * GROUP].unflatten(1, (GROUP, groups))
    best, group = torch.topk(folded.amax(dim=1), k + 1, dim=1)
    least = _numbers(best)[:, k - 1 : k].clamp_min(_LEAST)
    members = folded.gather(2, group[:, None, :k].expand(-1, GROUP, -1))
    hit = (members.flatten(1) >= least).flatten().nonzero()[:, 0]
    row = torch.div(hit, GROUP * k, rounding_mode="floor")
    position = group[row, hit % k] + torch.div(hit, k, rounding_mode="floor") % GROUP * groups
    last, place = (scores[:, groups * GROUP :] >= least).nonzero(as_tuple=True)  # what fills no group
    tied = (best[:, k] == best[:, k - 1]) & (best[:, k] >= _LEAST)
    return torch.cat([row, last]), torch.cat([position, place + groups * GROUP]), tied


def _numbers(best: torch.Tensor) -> torch.Tensor:
    """The best scores of each row, refused where one is NaN, which counts as the largest."""
    if best.isnan().any():
        raise ValueError("scores must be finite, but some are NaN")
    return best


def _by_key(scores: torch.Tensor, k: int) -> Lists:
    """The lists by (score falling, position ascending) over all scores; k of them are above -inf."""
    bits = (scores.shape[1] - 1).bit_length()
    key = (_falling(scores.numpy()) << bits) | np.arange(scores.shape[1])
    best = torch.topk(torch.from_numpy(key), k, dim=1, largest=False)[0]
    items = best & ((1 << bits) - 1)
    return items.numpy().astype(np.int32), scores.gather(1, items).numpy()


def _falling(values: np.ndarray) -> np.ndarray:
    """Integers from 0 to 2**32 - 1, int64, in the falling order of float32 values, both zeros alike."""
    bits = (values + np.float32(0)).view(np.int32)  # minus zero becomes zero
    return np.where(bits < 0, bits, bits ^ 0x7FFFFFFF).view(np.uint32).astype(np.int64)

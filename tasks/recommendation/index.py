"""An index of a very large catalogue: which items have about the largest products with a query, without all of them.

Items are stored as codes of a few bits a dimension (product quantisation, Jégou et al. 2011) and every code is looked
up in tables that fit a core's registers (André et al. 2017). No item is left out unseen, as graphs and clusters leave
some out, which find inner products badly when queries lie far from the items. What is found is to be scored exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from forecasting.schema import ConfigurationError

BITS = 4
"""Of a code: 16 values for each piece of a vector."""

PIECE = 2
"""Dimensions of a piece."""

SAMPLE = 20_000
"""Items that the codes are learnt from, at most."""

ROUNDS = 10
"""Of learning them."""

_AT_ONCE = 65_536
_LEVELS = 1 << BITS


def require_library() -> None:
    """Raises ConfigurationError where the library behind the index is missing."""
    if find_spec("faiss") is None:
        raise ConfigurationError(
            "The option nearest needs the library faiss, which is not installed.",
            remedy="pip install 'shop-forecasting[approximate]', or leave nearest out: lists are exact then.",
        )


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """`factors`: float32 [N, W] of all items; the last `wide` columns, 1 or more, are large and stored with twice the
    bits. `items`: int32 [M] ascending, the positions of those that can be found."""

    factors: np.ndarray
    items: np.ndarray
    wide: int
    _codes: Any

    @staticmethod
    def of(factors: np.ndarray, open_: np.ndarray, wide: int) -> ItemIndex:
        """The index of the items that are `open_`, bool [N]. The same input gives the same index."""
        require_library()
        import faiss

        items = np.flatnonzero(open_).astype(np.int32)
        last = factors[items, factors.shape[1] - wide :]
        least = last.min(axis=0, initial=np.inf)
        step = np.maximum(last.max(axis=0, initial=-np.inf) - least, np.float32(1e-6)) / (_LEVELS - 1)

        def stored(some: np.ndarray) -> np.ndarray:
            part = factors[some]
            coarse = least + np.rint((part[:, -wide:] - least) / step) * step
            return _in_pieces(part[:, :-wide], coarse, part[:, -wide:] - coarse)

        width = PIECE * (-(-(factors.shape[1] - wide) // PIECE) + 2 * wide)
        codes = faiss.IndexPQFastScan(width, width // PIECE, BITS, faiss.METRIC_INNER_PRODUCT)
        if len(items):
            some = items[np.unique(np.linspace(0, len(items) - 1, SAMPLE).astype(np.int64))]
            some = np.resize(some, max(len(some), _LEVELS))  # the library asks for as many as a code has values
            codes.pq.cp.min_points_per_centroid, codes.pq.cp.niter = 1, ROUNDS
            codes.train(stored(some))
            for start in range(0, len(items), _AT_ONCE):
                codes.add(stored(items[start : start + _AT_ONCE]))
        return ItemIndex(factors, items, wide, codes)

    def search(self, queries: np.ndarray, count: int) -> np.ndarray:
        """For each of the `queries`, float32 [n, W], about the `count` items with the largest products: positions,
        int32 [n, count], in no order, -1 where there are no more."""
        found = np.full((len(queries), count), -1, np.int32)
        if count >= len(self.items):
            found[:, : len(self.items)] = self.items
        elif len(queries):
            last = queries[:, -self.wide :]  # coarse and fine parts of an item add up
            place = self._codes.search(_in_pieces(queries[:, : -self.wide], last, last), count)[1]
            found[:] = np.where(place >= 0, self.items[place], -1)
        return found


def _in_pieces(plain: np.ndarray, *wide: np.ndarray) -> np.ndarray:
    """Whole pieces, float32 [n, ...]: the columns of `plain` one after the other, and each of `wide` in its own."""
    rows, width = plain.shape
    begin = -(-width // PIECE) * PIECE
    result = np.zeros((rows, begin + PIECE * sum(part.shape[1] for part in wide)), np.float32)
    result[:, :width] = plain
    result[:, begin::PIECE] = np.concatenate(wide, axis=1)
    return result

"""Features of the entity itself: price bands and the words of a title. (Categories, brands and regions are labels: see
`forecasting.vocabulary`.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.hashing import stable_hash
from forecasting.schema import ArtifactError


@dataclass(frozen=True)
class PriceBands:
    """Bands that hold equally many training prices: band b covers [edges[b - 2], edges[b - 1]), the first is open
    below and the last above. `edges` ascend, each once, in the currency of the data."""

    edges: tuple[float, ...]

    @staticmethod
    def fit(prices: np.ndarray, bands: int = 10) -> PriceBands:
        """At most `bands` bands from training prices, float [n], NaN where missing; fewer where prices repeat."""
        known = np.asarray(prices, np.float64)
        known = known[np.isfinite(known)]
        if not len(known):
            return PriceBands(())
        edges = np.unique(np.quantile(known, np.arange(1, bands) / bands))
        return PriceBands(tuple(edges[edges > known.min()].tolist()))

    @property
    def size(self) -> int:
        """How many codes there are, the one for missing prices included: the rows of an embedding."""
        return len(self.edges) + 2

    def encode(self, prices: np.ndarray) -> np.ndarray:
        """The bands, int32, 1 ... len(edges) + 1, of prices of any shape; 0 where missing."""
        prices = np.asarray(prices, np.float64)
        band = np.searchsorted(np.asarray(self.edges), prices, side="right") + 1
        return np.where(np.isfinite(prices), band, 0).astype(np.int32)

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes equal bands."""
        return {"edges": list(self.edges)}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> PriceBands:
        """The bands of a `document`. Raises ArtifactError for anything else."""
        edges = document.get("edges")
        if not isinstance(edges, list) or not all(isinstance(edge, int | float) for edge in edges):
            raise ArtifactError("Price bands must list their edges as numbers.")
        if any(not low < high for low, high in pairwise(edges)):
            raise ArtifactError("The edges of price bands must ascend.")
        return PriceBands(tuple(map(float, edges)))


def title_tokens(titles: pa.Array | pa.ChunkedArray | np.ndarray, buckets: int, length: int) -> np.ndarray:
    """The first `length` words of each title as hash buckets 1 ... `buckets`, int32 [n, length]; 0 is padding.

    Words are runs of letters and digits, in lower case. Hashing needs no dictionary and gives words that training
    never saw a place too (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009).
    """
    column = titles if isinstance(titles, pa.Array | pa.ChunkedArray) else pa.array(titles, pa.string())
    column = column.cast(pa.large_string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    spaced = pc.replace_substring_regex(pc.utf8_lower(column.fill_null("")), r"[^\p{L}\p{N}]+", " ")
    words = pc.split_pattern(pc.utf8_trim_whitespace(spaced), " ")
    row = pc.list_parent_indices(words).to_numpy()
    flat = pc.list_flatten(words)
    filled = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)
    row, flat = row[filled], flat.filter(pa.array(filled))
    place = np.arange(len(row)) - np.searchsorted(row, row)  # rows ascend: position minus where the row begins
    tokens = np.zeros((len(column), length), np.int32)
    kept = place < length
    code = stable_hash(flat) % np.uint64(buckets) + np.uint64(1)
    tokens[row[kept], place[kept]] = code[kept].astype(np.int32)
    return tokens

"""How the network knows an item: by its id, once somebody has wanted it, and by what the shop says of it.

An item's vector is the embedding of its id plus the embeddings of its category, brand and other labels, its price band
and the words of its title. An item without a history has the latter alone. So that these learn to stand alone, training
hides ids now and then, those of rare items more often: they are what a new item is most like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.hashing import stable_hash
from forecasting.histories import ragged_ranges
from forecasting.schema import ArtifactError
from forecasting.vocabulary import Vocabulary
from tasks.recommendation.catalogue import Catalogue

_PRICE_BANDS = 16
_MOST_LABELS = 2000
"""Values of one label column that are told apart."""

_FEWEST = 2
"""Items that must share a label for it to tell of a new item."""

_MOST_WORD_CODES = 4096
_WORDS = r"[^0-9A-Za-z\x{80}-\x{10FFFF}]+"
"""What stands between the words of a title."""


@dataclass(frozen=True, eq=False)
class ItemCodes:
    """N items as numbers. `id`: int64 [N], 0 for one without a history. Descriptions as ragged rows: `offsets` int64
    [N + 1], `code` int64 [m] and `share` float32 [m], how much each counts."""

    id: np.ndarray
    offsets: np.ndarray
    code: np.ndarray
    share: np.ndarray

    def descriptions(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`code`, `share` and where each begins, int64 [n], of items at positions int64 [n]."""
        counts = self.offsets[items + 1] - self.offsets[items]
        row = ragged_ranges(self.offsets[items], counts)
        return self.code[row], self.share[row], np.cumsum(counts) - counts


@dataclass(frozen=True, eq=False)
class ItemLayout:
    """What was learnt of items before an instant. `ids`: object [n] of str, ascending, those with a history. `labels`:
    a vocabulary by column. `edges`: float64, between price bands. `words`: codes that words are hashed to, 0 without
    titles."""

    ids: np.ndarray
    labels: Mapping[str, Vocabulary]
    edges: np.ndarray
    words: int

    @staticmethod
    def fit(catalogue: Catalogue, seen: np.ndarray, known: np.ndarray) -> ItemLayout:
        """`seen`, `known`: bool [N], items with a history, and all that existed then."""
        labels = {}
        for name in sorted(catalogue.labels):
            codes = catalogue.labels[name][known]
            values = catalogue.categories[name]
            counts = np.bincount(codes[codes >= 0], minlength=len(values))
            vocabulary = Vocabulary.fit_counts(values, counts, _FEWEST, _MOST_LABELS)
            if vocabulary.labels:
                labels[name] = vocabulary
        edges = price_edges(catalogue.price[known])
        titled = int(pc.count(pa.array(catalogue.title[known], pa.string())).as_py())
        words = min(_MOST_WORD_CODES, 1 << titled.bit_length()) if titled else 0
        return ItemLayout(catalogue.ids[seen], labels, edges, words)

    @property
    def size(self) -> int:
        """Codes of descriptions, 0 where items are not described."""
        bands = len(self.edges) + 2 if len(self.edges) else 0
        return sum(vocabulary.size for vocabulary in self.labels.values()) + bands + self.words

    def codes(self, catalogue: Catalogue) -> ItemCodes:
        """The items of any catalogue as numbers."""
        found = pc.index_in(pa.array(catalogue.ids, pa.string()), pa.array(self.ids, pa.string()))
        identity = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        every = np.arange(len(catalogue))
        item, code, share = [every[:0]], [every[:0]], [np.empty(0, np.float32)]
        begin = 0
        for name, vocabulary in self.labels.items():
            if name in catalogue.labels:
                values = vocabulary.encode_codes(catalogue.labels[name], catalogue.categories[name])
                item.append(every)
                code.append(values.astype(np.int64) + begin)
            begin += vocabulary.size
        if len(self.edges):
            item.append(every)
            code.append(price_bands(catalogue.price, self.edges) + begin)
            begin += len(self.edges) + 2
        share.extend(np.ones(len(one), np.float32) for one in item[1:])
        if self.words:
            owner, word = _words(catalogue.title)
            item.append(owner)
            code.append((stable_hash(word) % np.uint64(self.words)).astype(np.int64) + begin)
            count = np.bincount(owner, minlength=len(catalogue))
            share.append((1 / np.sqrt(count[owner])).astype(np.float32))  # so that titles of any length have one norm
        owners = np.concatenate(item)
        order = np.argsort(owners, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(catalogue)))]).astype(np.int64)
        return ItemCodes(identity, offsets, np.concatenate(code)[order], np.concatenate(share)[order])

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "ids": self.ids.tolist(),
            "labels": {name: dict(vocabulary.document()) for name, vocabulary in self.labels.items()},
            "edges": self.edges.tolist(),
            "words": self.words,
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> ItemLayout:
        """The layout of a `document`. Raises ArtifactError for anything else."""
        try:
            labels = {name: Vocabulary.restore(value) for name, value in sorted(document["labels"].items())}
            ids = np.array(document["ids"], object)
            return ItemLayout(ids, labels, np.array(document["edges"], np.float64), document["words"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError("The stored description of items is not whole.", remedy="Train a new model.") from error


class ItemTable(nn.Module):
    """Vectors [A, D] and biases [A] of items. `log_share`: float32 [n], the logarithm of each known item's share of
    what was wanted, at which biases begin; `hidden`: float32 [n], how often training hides its id."""

    hidden: Tensor

    def __init__(self, log_share: Tensor, hidden: Tensor, descriptions: int, width: int):
        super().__init__()
        self.identity = nn.Embedding(len(log_share) + 1, width)
        nn.init.normal_(self.identity.weight, std=width**-0.5)
        self.identity.weight.data[0] = 0
        # An item that nobody wanted yet is at first as likely as the least wanted one.
        least = log_share.min().reshape(1) if len(log_share) else torch.zeros(1)
        self.bias = nn.Parameter(torch.cat([least, log_share]))
        self.described = nn.Embedding(descriptions, width) if descriptions else None
        if self.described is not None:
            nn.init.normal_(self.described.weight, std=0.2 * width**-0.5)
        self.register_buffer("hidden", torch.cat([torch.zeros(1), hidden]))

    def forward(self, identity: Tensor, code: Tensor, share: Tensor, begin: Tensor) -> tuple[Tensor, Tensor]:
        """`identity`: int64 [A]; descriptions as in `ItemCodes.descriptions`."""
        if self.described is None:
            return self.identity(identity), self.bias[identity]
        if self.training:
            chance = torch.rand(identity.shape, device=identity.device)
            identity = identity.masked_fill(chance < self.hidden[identity], 0)
        # No gradient changes row 0 but that of the bias: a hidden id is silent.
        vectors = self.identity(identity) * (identity > 0).unsqueeze(1)
        described = F.embedding_bag(code, self.described.weight, begin, mode="sum", per_sample_weights=share)
        return vectors + described, self.bias[identity]


def price_edges(price: np.ndarray) -> np.ndarray:
    """Quantiles between price bands, float64, of known prices; none where no price is known."""
    price = price[np.isfinite(price)].astype(np.float64)
    return np.unique(np.quantile(price, np.arange(1, _PRICE_BANDS) / _PRICE_BANDS)) if len(price) else price


def price_bands(price: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Price bands 1 ... len(edges) + 1, int64; 0 where the price is unknown."""
    return np.where(np.isfinite(price), np.searchsorted(edges, price, side="right") + 1, 0)


def _words(titles: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """The words of all titles, in lower case, and the item of each, int64."""
    lower = pc.utf8_lower(pa.array(titles, pa.string()).fill_null(""))
    parts = pc.split_pattern_regex(lower, _WORDS)
    owner, word = pc.list_parent_indices(parts).to_numpy().astype(np.int64), pc.list_flatten(parts)
    filled = pc.not_equal(word, "").to_numpy(zero_copy_only=False)
    return owner[filled], word.filter(pa.array(filled))

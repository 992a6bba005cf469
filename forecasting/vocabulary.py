"""Labels as small integers, learnt on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.schema import ArtifactError

UNKNOWN = 0
"""The code of every label that the vocabulary does not hold, missing ones included."""

Labels: TypeAlias = np.ndarray | Sequence[str | None] | pa.Array | pa.ChunkedArray
"""Text in whatever holds it: object arrays, lists, Arrow columns (dictionaries too); None or null is missing."""


@dataclass(frozen=True)
class Vocabulary:
    """Codes 1 ... len(labels) for `labels`, the most frequent first; 0 for all others."""

    labels: tuple[str, ...]

    @staticmethod
    def fit(values: Labels, minimum_count: int = 1, maximum_size: int | None = None) -> Vocabulary:
        """The labels that occur at least `minimum_count` times, at most the `maximum_size` most frequent of them."""
        counts = pc.value_counts(_plain(values))
        labels, occurrences = counts.field("values"), counts.field("counts")
        return Vocabulary.fit_counts(labels, occurrences.to_numpy(), minimum_count, maximum_size)

    @staticmethod
    def fit_counts(
        labels: Labels, counts: np.ndarray, minimum_count: int = 1, maximum_size: int | None = None
    ) -> Vocabulary:
        """The same from distinct labels and how often each occurs, int64 [n] (a `np.bincount` of codes)."""
        seen = pa.table({"label": _plain(labels), "count": np.asarray(counts, np.int64)})
        seen = seen.filter(pc.is_valid(seen["label"])).filter(pc.field("count") >= minimum_count)
        # Ties go by the label, so that the codes do not depend on the order of the rows.
        seen = seen.sort_by([("count", "descending"), ("label", "ascending")])
        return Vocabulary(tuple(seen["label"].slice(0, maximum_size).to_pylist()))

    @property
    def size(self) -> int:
        """How many codes there are, the unknown one included: the rows of an embedding."""
        return len(self.labels) + 1

    def encode(self, values: Labels) -> np.ndarray:
        """The codes, int32 [n]."""
        found = pc.index_in(_plain(values), value_set=self._column, skip_nulls=True)
        return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32) + np.int32(1)

    def encode_codes(self, codes: np.ndarray, categories: Labels) -> np.ndarray:
        """The codes here, int32, of codes into `categories` (-1: missing), as `Histories` holds labels; any shape."""
        return np.append(self.encode(categories), np.int32(UNKNOWN))[codes]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The labels, object of str, of codes; None for 0. Any shape."""
        return np.array([None, *self.labels], dtype=object)[codes]

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes an equal vocabulary."""
        return {"labels": list(self.labels)}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary of a `document`. Raises ArtifactError for anything else."""
        labels = document.get("labels")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ArtifactError("A vocabulary must list its labels as text.")
        if len(set(labels)) != len(labels):
            raise ArtifactError("A vocabulary must not repeat a label.")
        return Vocabulary(tuple(labels))

    @cached_property
    def _column(self) -> pa.Array:
        return pa.array(self.labels, pa.string())


def _plain(values: Labels) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.cast(pa.string()).combine_chunks()
    return values.cast(pa.string()) if isinstance(values, pa.Array) else pa.array(values, pa.string())

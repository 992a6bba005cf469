"""What was learnt of steps before an instant: which columns tell of them, and how they become numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecasting.schema import ArtifactError
from forecasting.vocabulary import Vocabulary
from tasks.recommendation.items import price_bands, price_edges
from tasks.recommendation.journal import COLUMNS, EVENT_KINDS, Journal

_GAPS, _POSITIONS = 30, 32
_MOST_LABELS = 1000
_SAMPLE = 200_000
"""Rows from which scales and vocabularies are learnt."""


@dataclass(frozen=True, eq=False)
class StepLayout:
    """What was learnt of rows before an instant. `length`: steps that the network reads. `columns`: sizes of the code
    columns by name, those that say something. `edges`: of price bands. `labels`: vocabularies of features. `numbers`:
    centre and spread by feature. `regions`: of entities."""

    length: int
    columns: Mapping[str, int]
    edges: np.ndarray
    labels: Mapping[str, Vocabulary]
    numbers: Mapping[str, tuple[float, float]]
    regions: Vocabulary

    @staticmethod
    def fit(journal: Journal, rows: np.ndarray, regions: np.ndarray, length: int) -> StepLayout:
        """Learn from `rows`, int64 [n] positions, and the regions of the entities that had done something by then,
        int32 [m]."""
        rows = rows[:: -(-len(rows) // _SAMPLE) or 1]
        events = journal.events
        labels, numbers = {}, {}
        for name in sorted(events.columns.keys() - set(COLUMNS)):
            values = events.columns[name][rows]
            if name in events.categories:
                counts = np.bincount(values[values >= 0], minlength=len(events.categories[name]))
                labels[name] = Vocabulary.fit_counts(events.categories[name], counts, 2, _MOST_LABELS)
            else:
                values = values[np.isfinite(values)].astype(np.float64)
                numbers[name] = (float(values.mean()), max(float(values.std()), 1e-3)) if len(values) else (0.0, 1.0)
        edges = price_edges(events.columns["price"][rows])
        counts = np.bincount(regions[regions >= 0], minlength=len(journal.regions))
        layout = StepLayout(length, {}, edges, labels, numbers, Vocabulary.fit_counts(journal.regions, counts, 2))
        entity = np.searchsorted(events.offsets, rows, side="right") - 1
        codes = layout.codes(journal, rows, entity)
        # What never varies says nothing, and costs time in each step.
        telling = {name: layout.sizes[name] for name, code in codes.items() if len(code) and (code != code[0]).any()}
        return StepLayout(length, telling, edges, labels, numbers, layout.regions)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Codes of every column that there could be."""
        sizes = {
            "kind": len(EVENT_KINDS),
            "gap": _GAPS,
            "position": _POSITIONS,
            "new session": 2,
            "price": len(self.edges) + 2,
        }
        return sizes | {name: vocabulary.size for name, vocabulary in self.labels.items()}

    @property
    def size(self) -> int:
        """Codes of all columns in use."""
        return sum(self.columns.values())

    def codes(self, journal: Journal, row: np.ndarray, entity: np.ndarray) -> dict[str, np.ndarray]:
        """What rows of the journal say beside their items: int64 codes by column, of those in use (all, where none is
        chosen yet). `row`, `entity`: int64 [m]."""
        events, wanted = journal.events, self.columns or self.sizes
        columns = events.columns
        before = journal.step_row[columns["step"][row]] - 1  # the last row of the step before
        begun = before >= events.offsets[entity]
        found: dict[str, np.ndarray] = {}
        if "kind" in wanted:
            found["kind"] = columns["kind"][row]
        if "gap" in wanted:
            seconds = (events.occurred_at[row] - events.occurred_at[before]) / np.timedelta64(1, "s")
            gap = np.log2(np.maximum(seconds, 1.0)).astype(np.int64) + 1
            found["gap"] = np.where(begun, np.minimum(gap, _GAPS - 1), 0)
        if "position" in wanted:
            found["position"] = np.minimum(columns["seen"][row], _POSITIONS - 1)
        if "new session" in wanted:
            found["new session"] = begun & (columns["session"][row] != columns["session"][before])
        if "price" in wanted:
            found["price"] = price_bands(columns["price"][row], self.edges)
        for name, vocabulary in self.labels.items():
            if name in wanted:
                present = name in events.categories
                found[name] = (
                    vocabulary.encode_codes(columns[name][row], events.categories[name]) if present else row * 0
                )
        return {name: code.astype(np.int64) for name, code in found.items()}

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "length": self.length,
            "columns": [[name, size] for name, size in self.columns.items()],
            "edges": self.edges.tolist(),
            "labels": {name: dict(vocabulary.document()) for name, vocabulary in self.labels.items()},
            "numbers": {name: list(scale) for name, scale in self.numbers.items()},
            "regions": dict(self.regions.document()),
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> StepLayout:
        """The layout of a `document`. Raises ArtifactError for anything else."""
        try:
            return StepLayout(
                document["length"],
                dict(document["columns"]),
                np.array(document["edges"], np.float64),
                {name: Vocabulary.restore(value) for name, value in sorted(document["labels"].items())},
                {name: (centre, spread) for name, (centre, spread) in sorted(document["numbers"].items())},
                Vocabulary.restore(document["regions"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError("The stored description of steps is not whole.", remedy="Train a new model.") from error

"""What the network is given: the snapshot of a case as tensors, scaled by what training cases showed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forecasting.batches import Batch, declare
from forecasting.scaling import Scaler, fit_scaler, restore_scaler, scaler_document
from forecasting.vocabulary import Vocabulary
from tasks.completion.snapshot import Snapshot, Steps
from tasks.completion.step_layout import StepLayout, evenly, float32_frame, scaled

_SEEN_ENOUGH, _MOST_LABELS = 50, 500
"""A label gets a place of its own from so many training cases on, and at most so many do."""


@dataclass(frozen=True)
class CaseBatch(Batch):
    """Cases. `features`: scaled, 0 where unknown, then flags of what is known. `stage`: code of the status. `labels`:
    codes of each label. `own...`: the order's events, oldest first, from step 0 on: columns, status, how many.
    `lately...`: the latest orders of each group. `weight`: of each case, 1 on average. `remaining`: scaled operational
    time to completion, or watched without one; `completed`: which, 1 or 0."""

    features: Tensor = declare("rows features")
    stage: Tensor = declare("rows", torch.int64)
    labels: Tensor = declare("rows labels", torch.int64)
    own: Tensor = declare("rows steps columns")
    own_status: Tensor = declare("rows steps", torch.int64)
    own_lengths: Tensor = declare("rows", torch.int64)
    lately: Tensor = declare("rows groups latest figures")
    lately_status: Tensor = declare("rows groups latest", torch.int64)
    lately_lengths: Tensor = declare("rows groups", torch.int64)
    weight: Tensor | None = declare("rows", optional=True)
    remaining: Tensor | None = declare("rows", optional=True)
    completed: Tensor | None = declare("rows", optional=True)


@dataclass(frozen=True, eq=False)
class InputLayout:
    """How snapshots become numbers, learnt on training cases alone.

    `names`: the features used, by name, so that a snapshot with more, fewer or others in between will do; `unsure`:
    those that were unknown for some. `features`: their scaler. `stages`: statuses with a place of their own. `labels`:
    by name, those with a place of their own. `own`: the order's own events. `lately`: the latest orders of each of
    `groups`, all with the same columns; None where there are no groups.
    """

    names: tuple[str, ...]
    unsure: tuple[str, ...]
    features: Scaler
    stages: Vocabulary
    labels: Mapping[str, Vocabulary]
    own: StepLayout
    groups: tuple[str, ...]
    lately: StepLayout | None

    @staticmethod
    def fit(snapshot: Snapshot) -> InputLayout:
        """From training cases. Features that are the same for all, or unknown for all, are left out, as are labels of
        which none is frequent."""
        table = snapshot.features
        known = np.isfinite(table)
        with np.errstate(invalid="ignore"):
            lowest = np.where(known, table, np.inf).min(axis=0, initial=np.inf)
            highest = np.where(known, table, -np.inf).max(axis=0, initial=-np.inf)
        sometimes = known.any(axis=0) & ~known.all(axis=0)
        used = np.flatnonzero((highest > lowest) | sometimes)
        names = np.array(snapshot.names, object)
        labels = {name: _labels(codes, snapshot.label_names[name]) for name, codes in sorted(snapshot.labels.items())}
        groups = tuple(sorted(snapshot.lately))
        latest = [snapshot.lately[group] for group in groups]
        return InputLayout(
            tuple(names[used]),
            tuple(names[sometimes]),
            fit_scaler("standard", evenly(table)[:, used]),
            _labels(snapshot.stage, snapshot.statuses),
            {name: vocabulary for name, vocabulary in labels.items() if vocabulary.labels},
            StepLayout.fit(snapshot.own, snapshot.statuses, _SEEN_ENOUGH),
            groups,
            StepLayout.fit(_one_below_another(latest), snapshot.statuses, _SEEN_ENOUGH) if latest else None,
        )

    @property
    def width(self) -> int:
        """How many numbers `table` has for a case."""
        return len(self.names) + len(self.unsure)

    def batch(self, snapshot: Snapshot) -> CaseBatch:
        """All that the network reads of the cases of a snapshot."""
        parts = (
            self.table(snapshot),
            self.stages.encode_codes(snapshot.stage, snapshot.statuses).astype(np.int64),
            self.label_codes(snapshot),
            self.own.values(snapshot.own),
            self.own.labels(snapshot.own, snapshot.statuses),
            snapshot.own.lengths.astype(np.int64, copy=False),
            *self._latest(snapshot),
        )
        return CaseBatch(*map(torch.from_numpy, parts))

    def table(self, snapshot: Snapshot) -> np.ndarray:
        """Scaled features and flags, float32 [n, width]."""
        at = {name: column for column, name in enumerate(snapshot.names)}
        found = np.full((len(snapshot), len(self.names)), np.nan, np.float32)
        here = [column for column, name in enumerate(self.names) if name in at]
        found[:, here] = snapshot.features[:, [at[self.names[column]] for column in here]]
        return scaled(found, self._frame, [self.names.index(name) for name in self.unsure])

    def label_codes(self, snapshot: Snapshot) -> np.ndarray:
        """Codes of the cases' labels, int64 [n, L]; 0 for a label that the snapshot has not."""
        codes = np.zeros((len(snapshot), len(self.labels)), np.int64)
        for column, (name, vocabulary) in enumerate(self.labels.items()):
            if name in snapshot.labels:
                codes[:, column] = vocabulary.encode_codes(snapshot.labels[name], snapshot.label_names[name])
        return codes

    def _latest(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The latest orders of each group: columns float32 [n, G, T, C], statuses int64 [n, G, T], lengths int64
        [n, G]. A group that the snapshot has not, has none."""
        count, size = len(snapshot), len(self.groups)
        longest = max((steps.values.shape[1] for steps in snapshot.lately.values()), default=1)
        values = np.zeros((count, size, longest, self.lately.width if self.lately else 0), np.float32)
        codes = np.zeros((count, size, longest), np.int64)
        lengths = np.zeros((count, size), np.int64)
        for number, group in enumerate(self.groups):
            steps = snapshot.lately.get(group)
            if steps is None or self.lately is None:
                continue
            there = steps.values.shape[1]
            values[:, number, :there] = self.lately.values(steps)
            codes[:, number, :there] = self.lately.labels(steps, snapshot.statuses)
            lengths[:, number] = steps.lengths
        return values, codes, lengths

    @cached_property
    def _frame(self) -> tuple[np.ndarray, np.ndarray]:
        return float32_frame(self.features, len(self.names))

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes an equal layout."""
        return {
            "names": list(self.names),
            "unsure": list(self.unsure),
            "features": scaler_document(self.features),
            "stages": self.stages.document(),
            "labels": {name: vocabulary.document() for name, vocabulary in self.labels.items()},
            "own": self.own.document(),
            "groups": list(self.groups),
            "lately": self.lately.document() if self.lately else None,
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> InputLayout:
        """The layout of a `document`. Raises ArtifactError for anything else."""
        # A document may come back with its keys in another order; labels go by column.
        labels = sorted(document["labels"].items())
        return InputLayout(
            tuple(document["names"]),
            tuple(document["unsure"]),
            restore_scaler(document["features"]),
            Vocabulary.restore(document["stages"]),
            {name: Vocabulary.restore(vocabulary) for name, vocabulary in labels},
            StepLayout.restore(document["own"]),
            tuple(document["groups"]),
            StepLayout.restore(document["lately"]) if document["lately"] else None,
        )


def _one_below_another(parts: list[Steps]) -> Steps:
    """Steps of several groups with the same columns as steps of so many more cases."""
    longest = max(one.values.shape[1] for one in parts)
    short = [longest - one.values.shape[1] for one in parts]
    values = [np.pad(one.values, ((0, 0), (0, more), (0, 0))) for one, more in zip(parts, short, strict=True)]
    codes = [np.pad(one.codes, ((0, 0), (0, more))) for one, more in zip(parts, short, strict=True)]
    lengths = np.concatenate([one.lengths for one in parts])
    return Steps(np.concatenate(values), np.concatenate(codes), lengths, parts[0].names)


def _labels(codes: np.ndarray, labels: np.ndarray) -> Vocabulary:
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    return Vocabulary.fit_counts(labels, counts, _SEEN_ENOUGH, _MOST_LABELS)

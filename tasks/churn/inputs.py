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
from tasks.churn.outcomes import Outcomes
from tasks.churn.sequence import STEP_COLUMNS, LatestEvents
from tasks.churn.snapshot import Snapshot

_FAR = 5.0
"""Standard deviations beyond which a number says no more."""

_SEEN_ENOUGH, _MOST_LABELS = 50, 500
"""A region or category gets a place of its own from so many training rows on, and at most so many do."""


@dataclass(frozen=True)
class CaseBatch(Batch):
    """Cases. `steps` and `category`: of events, oldest first, from step 0 on. `features`: scaled, 0 where unknown, then
    flags of what is known. `watched`, `event`: as `forecasting.losses.censored_hazard` takes them."""

    steps: Tensor = declare("rows steps columns")
    category: Tensor = declare("rows steps", torch.int64)
    lengths: Tensor = declare("rows", torch.int64)
    features: Tensor = declare("rows features")
    region: Tensor = declare("rows", torch.int64)
    watched: Tensor | None = declare("rows intervals", optional=True)
    event: Tensor | None = declare("rows intervals", optional=True)


@dataclass(frozen=True, eq=False)
class InputLayout:
    """How snapshots become numbers, learnt on training cases alone.

    `names`: the features used, by name, so that a snapshot with more, fewer or others in between will do; `unsure`:
    those that were unknown for some. `features`, `steps`: scalers. `regions`, `categories`: labels with a place of
    their own.
    """

    names: tuple[str, ...]
    unsure: tuple[str, ...]
    features: Scaler
    steps: Scaler
    regions: Vocabulary
    categories: Vocabulary

    @staticmethod
    def fit(snapshot: Snapshot) -> InputLayout:
        """From training cases. Features that are the same for all, or unknown for all, are left out."""
        table = snapshot.features
        known = np.isfinite(table)
        with np.errstate(invalid="ignore"):
            lowest = np.where(known, table, np.inf).min(axis=0, initial=np.inf)
            highest = np.where(known, table, -np.inf).max(axis=0, initial=-np.inf)
        sometimes = known.any(axis=0) & ~known.all(axis=0)
        used = np.flatnonzero((highest > lowest) | sometimes)
        names = np.array(snapshot.names, object)
        latest = snapshot.latest
        return InputLayout(
            tuple(names[used]),
            tuple(names[sometimes]),
            fit_scaler("standard", table[:, used]),
            fit_scaler("standard", latest.columns[latest.mask]),
            _labels(snapshot.region, snapshot.regions),
            _labels(latest.category[latest.mask], latest.categories),
        )

    @property
    def width(self) -> int:
        """How many numbers `table` has for a case."""
        return len(self.names) + len(self.unsure)

    def table(self, snapshot: Snapshot) -> np.ndarray:
        """Scaled features and flags, float32 [n, width]."""
        at = {name: column for column, name in enumerate(snapshot.names)}
        found = np.full((len(snapshot), len(self.names)), np.nan, np.float32)
        here = [column for column, name in enumerate(self.names) if name in at]
        found[:, here] = snapshot.features[:, [at[self.names[column]] for column in here]]
        known = np.isfinite(found)
        frame = self._feature_frame
        scaled = np.where(known, np.clip((found - frame[0]) / frame[1], -_FAR, _FAR), np.float32(0.0))
        return np.concatenate([scaled, known[:, self._unsure]], axis=1, dtype=np.float32)

    def regions_of(self, snapshot: Snapshot) -> np.ndarray:
        """Codes of the cases' regions, int64 [n]."""
        return self.regions.encode_codes(snapshot.region, snapshot.regions).astype(np.int64)

    def events(self, latest: LatestEvents, rows: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The events of some cases, int64 [B], as float32 [B, T, C] and category codes int64 [B, T], from step 0 on;
        T is the longest of them. `lengths`: of every case, int64 [n]."""
        mine = lengths[rows]
        longest = max(int(mine.max(initial=0)), 1)
        size = latest.mask.shape[1]
        step = np.arange(longest)
        there = step < mine[:, None]
        cell = np.where(there, size - mine[:, None] + step, 0)
        frame = self._step_frame
        columns = (latest.columns[rows[:, None], cell] - frame[0]) / frame[1]
        columns = np.clip(columns, -_FAR, _FAR) * there[:, :, None]
        category = np.where(there, latest.category[rows[:, None], cell], -1)
        codes = self.categories.encode_codes(category, latest.categories)
        return columns.astype(np.float32, copy=False), codes.astype(np.int64)

    @cached_property
    def _unsure(self) -> list[int]:
        return [self.names.index(name) for name in self.unsure]

    @cached_property
    def _feature_frame(self) -> tuple[np.ndarray, np.ndarray]:
        return _float32(self.features, len(self.names))

    @cached_property
    def _step_frame(self) -> tuple[np.ndarray, np.ndarray]:
        return _float32(self.steps, len(STEP_COLUMNS))

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes an equal layout."""
        return {
            "names": list(self.names),
            "unsure": list(self.unsure),
            "features": scaler_document(self.features),
            "steps": scaler_document(self.steps),
            "step_columns": list(STEP_COLUMNS),
            "regions": self.regions.document(),
            "categories": self.categories.document(),
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> InputLayout:
        """The layout of a `document`. Raises ArtifactError for anything else."""
        return InputLayout(
            tuple(document["names"]),
            tuple(document["unsure"]),
            restore_scaler(document["features"]),
            restore_scaler(document["steps"]),
            Vocabulary.restore(document["regions"]),
            Vocabulary.restore(document["categories"]),
        )


def event_counts(latest: LatestEvents) -> np.ndarray:
    """How many events each case has, int64 [n]."""
    return latest.mask.sum(axis=1)


def watched_intervals(outcome: Outcomes, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By interval between `edges` (float64 [K + 1] days): the share of it that was watched before a purchase's interval
    and in it, float32 [n, K], and whether the next purchase came in it, bool [n, K]."""
    widths = np.diff(edges)
    share = np.clip((outcome.watched[:, None] - edges[:-1]) / widths, 0.0, 1.0)
    gone = outcome.bought[:, None] & (outcome.days[:, None] < edges[:-1])
    return np.where(gone, 0.0, share).astype(np.float32), outcome.bought_within(edges)


def _labels(codes: np.ndarray, labels: np.ndarray) -> Vocabulary:
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    return Vocabulary.fit_counts(labels, counts, _SEEN_ENOUGH, _MOST_LABELS)


def _float32(scaler: Scaler, columns: int) -> tuple[np.ndarray, np.ndarray]:
    frame = scaler.frame(np.zeros((1, 1, columns)))
    return frame.centre.astype(np.float32), frame.spread.astype(np.float32)

"""How sequences of steps become numbers for the network: columns scaled, statuses as codes, what is unknown flagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecasting.scaling import Scaler, fit_scaler, restore_scaler, scaler_document
from forecasting.vocabulary import Vocabulary
from tasks.completion.snapshot import Steps

FAR = 5.0
"""Standard deviations beyond which a number says no more."""


@dataclass(frozen=True, eq=False)
class StepLayout:
    """The columns of steps, learnt on those of training cases alone. `names`: the columns used, by name; `unsure`:
    those that were unknown in some steps. `scaler`: of `names`. `codes`: labels of steps with a place of their own."""

    names: tuple[str, ...]
    unsure: tuple[str, ...]
    scaler: Scaler
    codes: Vocabulary

    @staticmethod
    def fit(steps: Steps, labels: np.ndarray, seen_enough: int) -> StepLayout:
        """From training cases; `labels`: object [S] of str, what the codes of steps mean."""
        there = np.arange(steps.values.shape[1]) < steps.lengths[:, None]
        values, codes = steps.values[there], steps.codes[there]
        sometimes = ~np.isfinite(values).all(axis=0)
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        return StepLayout(
            tuple(steps.names),
            tuple(name for name, one in zip(steps.names, sometimes, strict=True) if one),
            fit_scaler("standard", evenly(values)),
            Vocabulary.fit_counts(labels, counts, seen_enough),
        )

    @property
    def width(self) -> int:
        """How many numbers `values` has for a step."""
        return len(self.names) + len(self.unsure)

    def values(self, steps: Steps) -> np.ndarray:
        """Scaled columns, 0 where unknown, and flags of what is known, float32 [n, T, width]."""
        at = {name: column for column, name in enumerate(steps.names)}
        found = steps.values
        if steps.names != self.names:
            found = np.full((*steps.values.shape[:2], len(self.names)), np.nan, np.float32)
            here = [column for column, name in enumerate(self.names) if name in at]
            found[:, :, here] = steps.values[:, :, [at[self.names[column]] for column in here]]
        return scaled(found, self._frame, self._unsure)

    def labels(self, steps: Steps, labels: np.ndarray) -> np.ndarray:
        """Codes of the steps, int64 [n, T], of their codes into `labels`."""
        return self.codes.encode_codes(steps.codes, labels).astype(np.int64)

    @cached_property
    def _unsure(self) -> list[int]:
        return [self.names.index(name) for name in self.unsure]

    @cached_property
    def _frame(self) -> tuple[np.ndarray, np.ndarray]:
        return float32_frame(self.scaler, len(self.names))

    def document(self) -> Mapping[str, Any]:
        """JSON values from which `restore` makes an equal layout."""
        return {
            "names": list(self.names),
            "unsure": list(self.unsure),
            "scaler": scaler_document(self.scaler),
            "codes": self.codes.document(),
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> StepLayout:
        """The layout of a `document`."""
        return StepLayout(
            tuple(document["names"]),
            tuple(document["unsure"]),
            restore_scaler(document["scaler"]),
            Vocabulary.restore(document["codes"]),
        )


_MEASURED = 50_000
"""Rows by which columns are scaled: more would cost memory, and say the same."""


def evenly(values: np.ndarray) -> np.ndarray:
    """The rows of `values`, or about _MEASURED of them, one in so many."""
    return values[:: max(len(values) // _MEASURED, 1)]


def scaled(values: np.ndarray, frame: tuple[np.ndarray, np.ndarray], unsure: list[int]) -> np.ndarray:
    """`values` float32 [..., F] by centre and spread, float32 [F] each, clipped, 0 where not finite; and behind them,
    which of the columns `unsure` are finite. float32 [..., F + U]."""
    width = values.shape[-1]
    out = np.empty((*values.shape[:-1], width + len(unsure)), np.float32)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        np.subtract(values, frame[0], out=out[..., :width])
        out[..., :width] /= frame[1]
        np.clip(out[..., :width], -FAR, FAR, out=out[..., :width])
    out[..., :width][~known] = 0.0
    out[..., width:] = known[..., unsure]
    return out


def float32_frame(scaler: Scaler, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Centre and spread of a scaler that measures all windows alike, float32 [columns] each."""
    frame = scaler.frame(np.zeros((1, 1, columns)))
    return frame.centre.astype(np.float32), frame.spread.astype(np.float32)

"""Columns beside the quantity as inputs: flags, numbers and labels, read against what is usual for a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

MOST_LABELS = 12
"""Labels of a column that get an input of their own; all others share none."""

_LIMIT = 4.0
"""Inputs beyond so many spreads are clipped: a column that goes where it never was must not lead to where no
training was."""


@dataclass(frozen=True)
class Covariate:
    """How one column is read; learnt from training values alone.

    `kind`: "flag" for 0 and 1, "label" for hashes of texts, else "number". Of a number, `centre` and `spread` are those
    of its signed log1p over all series, `own_spread` that of its difference from the series' usual value, all of them
    positive. `labels`: the hashes that have an input each. `absent`: what a column that the shop no longer has reads
    as, the median of a flag or number: a shop whose column "open" is gone is not closed. None: as unknown values.
    """

    name: str
    kind: Literal["flag", "number", "label"]
    centre: float = 0.0
    spread: float = 1.0
    own_spread: float = 1.0
    labels: tuple[float, ...] = ()
    absent: float | None = None

    @staticmethod
    def fit(name: str, values: np.ndarray, *, label: bool) -> Covariate:
        """Learn from training values, float32 [S, T], NaN where unknown, a row for each series."""
        known = values[np.isfinite(values)]
        if label:
            seen, counts = np.unique(known, return_counts=True)
            most = seen[np.lexsort((seen, -counts))][:MOST_LABELS]
            return Covariate(name, "label", labels=tuple(float(one) for one in most))
        absent = float(np.quantile(known, 0.5, method="lower")) if len(known) else None
        if np.isin(known, (0.0, 1.0)).all():
            return Covariate(name, "flag", absent=absent)
        logs = signed_log(torch.from_numpy(known)).numpy().astype(np.float64)
        rows = values[np.isfinite(values).any(axis=1)]
        own = rows - np.nanmedian(rows, axis=1, keepdims=True)
        return Covariate(
            name,
            "number",
            float(logs.mean()),
            _positive(float(logs.std())),
            _positive(float(np.nanstd(own))),
            absent=absent,
        )

    @property
    def width(self) -> int:
        """How many inputs `against_usual` makes."""
        return {"flag": 2, "number": 3, "label": len(self.labels)}[self.kind]

    @property
    def bins(self) -> int:
        """How many values `bin` can take."""
        return {"flag": 2, "number": 4, "label": len(self.labels) + 1}[self.kind]

    def usual(self, past: Tensor) -> Tensor:
        """What is usual for each series, [B], from past values [B, T] (NaN where unknown): the share of a flag, the
        median of a number, nothing for a label."""
        if self.kind == "flag":
            return torch.nan_to_num(past.nanmean(dim=1))
        if self.kind == "number":
            return torch.nan_to_num(past.nanmedian(dim=1).values)
        return past.new_zeros(len(past))

    def against_usual(self, values: Tensor, usual: Tensor) -> list[Tensor]:
        """The `width` inputs [B, T] of values [B, T]: of a flag, itself and its difference from the usual share; of a
        number, where it stands among all series, how far it is from the usual value, and that as a share of it (a price
        cut); of a label, one per label. Unknown values read as usual."""
        if self.kind == "label":
            return [(values == one).float() for one in self.labels]
        usual = usual[:, None]
        if self.kind == "flag":
            values = torch.nan_to_num(values)
            return [values, values - usual]
        values = torch.where(torch.isnan(values), usual, values)
        return [
            ((signed_log(values) - self.centre) / self.spread).clamp(-_LIMIT, _LIMIT),
            ((values - usual) / self.own_spread).clamp(-_LIMIT, _LIMIT),
            ((values - usual) / (usual.abs() + 0.05 * self.own_spread)).clamp(-1, 1),
        ]

    def bin(self, values: Tensor, usual: Tensor) -> Tensor:
        """Which of `bins` kinds of condition each value is, int64 [B, T]: a flag's value, how far a number is above
        or below usual, the label."""
        if self.kind == "flag":
            return (torch.nan_to_num(values) > 0.5).long()
        if self.kind == "label":
            match = torch.stack([torch.zeros_like(values, dtype=torch.bool), *(values == one for one in self.labels)])
            return match.long().argmax(dim=0)
        off = (torch.nan_to_num(values - usual[:, None])) / self.own_spread
        return (off > -0.25).long() + (off > 0.25) + (off > 1.0)

    def standardised(self, values: Tensor) -> list[Tensor]:
        """Inputs [B, T] of a column that is known up to the cutoff only; unknown values read as the centre."""
        if self.kind == "label":
            return [(values == one).float() for one in self.labels]
        if self.kind == "flag":
            return [torch.nan_to_num(values)]
        return [torch.nan_to_num((signed_log(values) - self.centre) / self.spread).clamp(-_LIMIT, _LIMIT)]

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "labels": list(self.labels)}

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Covariate:
        """The covariate of a `document`."""
        return Covariate(**{**document, "labels": tuple(document["labels"])})


def signed_log(values: Tensor) -> Tensor:
    """log1p of the magnitude, with the sign kept."""
    return torch.sign(values) * torch.log1p(values.abs())


def _positive(spread: float) -> float:
    """A spread to divide by: a constant column has none."""
    return spread if np.isfinite(spread) and spread > 1e-6 else 1.0

"""Drift: whether what a model reads, or how well it forecasts, is still what it was when the model was fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Subject = Literal["data", "model"]
"""What drifts: the rows of a source, or the calibration of a model."""


@dataclass(frozen=True)
class Drift:
    """How far one thing has moved, and whether that is too far.

    `source`: the source, or "forecasts" of a model. `name`: its column, or what else was watched. `measure`: the name
    of the figure `value` ("psi", "rows_ratio", "z"). `drifted`: beyond its limit, and beyond chance. `note`: the figure
    as people read it ("PSI 0.41").
    """

    subject: Subject
    source: str
    name: str
    measure: str
    value: float
    drifted: bool
    note: str

    def __str__(self) -> str:
        return f"{self.name} ({self.note})"


def sentence(drifts: Sequence[Drift], most: int = 3) -> str:
    """What drifted, source by source, at most so many names of each: "orders drifted: value (PSI 0.41)"; empty where
    nothing did."""
    drifted = sorted((drift for drift in drifts if drift.drifted), key=lambda drift: drift.source)
    said = []
    for source, members in groupby(drifted, key=lambda drift: drift.source):
        found = [str(drift) for drift in members]
        more = f" and {len(found) - most} more" if len(found) > most else ""
        said.append(f"{source} drifted: {', '.join(found[:most])}{more}")
    return "; ".join(said)

"""Drift: whether what a model reads, or how well it forecasts, is still what it was when the model was fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from forecasting.column_profiles import ColumnProfile
from forecasting.population_stability import chance, stability
from forecasting.profiles import VOLUME_DAYS, Profile, SourceProfile

LIMIT = 0.25
"""The customary Population Stability Index from which a population is another."""

VOLUME_LIMIT = float(np.log(1.5))
"""How far the rows of a day may move, as a logarithm of their ratio."""

_LEAST_DAYS = 3
_WEEK = 7
_UNKNOWN_SPREAD = 0.25
_UNKNOWN_USUAL = 0.5
_VOLUME_SURPRISE = 3.0
_MODERATE = 0.4
_TIMES_USUAL = 3.0
_DAY = np.timedelta64(1, "D")

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


def population_stability(then: Profile, now: Profile, limit: float = LIMIT) -> list[Drift]:
    """How far each source and column has moved from one profile to another that is `like` it.

    A column has drifted where its index is above `limit`, above what chance makes of so few rows, and above what was
    usual between neighbouring windows of the past year. The rows of a source have where there are half as many again as
    on the same weekdays before, or as much fewer, and that is more than weeks usually differ by. `limit` 0 or less: no
    drift is found."""
    found: list[Drift] = []
    for source, before in then.sources.items():
        after = now.sources.get(source)
        if after is None or limit <= 0:
            continue
        found += _volume(source, before, after)
        for name, column in after.columns.items():
            found.append(_moved(source, name, before.columns[name], column, limit))
    return found


def _moved(source: str, name: str, then: ColumnProfile, now: ColumnProfile, limit: float) -> Drift:
    counts = np.array([then.counts, now.counts], np.float64)
    value = float(stability(*counts))
    usual = _UNKNOWN_USUAL if then.usual is None else then.usual
    steady = min(limit, max(_MODERATE * limit, _TIMES_USUAL * usual))
    drifted = value > max(steady, usual, float(chance(*counts)))
    note = f"PSI {value:.2f}"
    if abs(now.missing - then.missing) >= 0.1:
        note += f", missing {now.missing:.0%} for {then.missing:.0%}"
    return Drift("data", source, name, "psi", value, drifted, note)


def _volume(source: str, then: SourceProfile, now: SourceProfile) -> Iterator[Drift]:
    """Rows of the days since, up to a week of them, against the same weekdays of the four weeks before."""
    days = min(int((now.end - then.end) // _DAY), _WEEK)
    if days < _LEAST_DAYS:
        return
    weekdays = np.array(then.by_day, np.float64).reshape(VOLUME_DAYS // _WEEK, _WEEK).mean(axis=0)
    shift = int((now.end - then.end) // _DAY)
    expected = weekdays[(np.arange(shift - days, shift)) % _WEEK].sum()
    observed = float(sum(now.by_day[-days:]))
    ratio = (observed + 1.0) / (expected + 1.0)
    usual = _UNKNOWN_SPREAD if then.spread is None else then.spread
    spread = np.hypot(usual * np.sqrt(_WEEK / days), 1.0 / np.sqrt(expected + 1.0))
    drifted = abs(np.log(ratio)) > max(VOLUME_LIMIT, _VOLUME_SURPRISE * spread)
    yield Drift("data", source, "rows", "rows_ratio", ratio, bool(drifted), f"{ratio:.2f} times as many a day")

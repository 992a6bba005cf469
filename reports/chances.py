"""Whether chances come true, as plain data: of leaving, of being late."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from reports.tried import Tried

DISAGREES = 0.03
"""Chances are wrong where they miss what happened by more than this on average, and by more than chance explains."""

STANDARD_ERRORS = 3.0

_BIN = re.compile(r"predicted@d(\d+)")


@dataclass(frozen=True)
class Bin:
    """A group of cases of similar chances in trials: what was said on average, and the share of those to whom it
    happened (who left, that were late)."""

    predicted: float
    observed: float


@dataclass(frozen=True)
class Reliability:
    """Equally large groups of the cases of all trials, smallest chances first. `samples`: cases in all."""

    bins: Sequence[Bin]
    samples: float

    @classmethod
    def of(cls, figures: Mapping[str, float]) -> Reliability | None:
        """Groups from the figures `predicted@dN` and `observed@dN` of a subject; None where there are not two."""
        numbers = [match[1] for name in figures if (match := _BIN.fullmatch(name))]
        bins = [
            Bin(figures[f"predicted@d{number}"], figures[f"observed@d{number}"])
            for number in numbers
            if f"observed@d{number}" in figures
        ]
        if len(bins) < 2:
            return None
        return cls(sorted(bins, key=lambda one: one.predicted), figures.get("samples", 0.0))

    @property
    def off(self) -> float:
        """By how much what was said and what happened differ on average over the groups."""
        return sum(abs(one.predicted - one.observed) for one in self.bins) / len(self.bins)

    @property
    def expected(self) -> float:
        """Mean chance said."""
        return sum(one.predicted for one in self.bins) / len(self.bins)

    @property
    def rate(self) -> float:
        """Share of all to whom it happened."""
        return sum(one.observed for one in self.bins) / len(self.bins)

    def error(self, one: Bin) -> float:
        """Standard error of a group's share to whom it happened."""
        number = max(self.samples / len(self.bins), 1.0)
        return math.sqrt(one.observed * (1 - one.observed) / number)

    @property
    def gains(self) -> list[tuple[float, float]]:
        """Share of cases looked at, those most at risk first, and share of all to whom it happened among them, from
        (0, 0) to (1, 1); empty where it happened to none."""
        total = sum(one.observed for one in self.bins)
        if not total:
            return []
        found, points = 0.0, [(0.0, 0.0)]
        for number, one in enumerate(reversed(self.bins), start=1):
            found += one.observed / total
            points.append((number / len(self.bins), min(found, 1.0)))
        return points


@dataclass(frozen=True)
class ClosedWindow:
    """The latest test period: what was said at `cutoff` on average, and the share who left."""

    cutoff: date
    expected: float
    rate: float
    samples: float

    @property
    def disagrees(self) -> bool:
        """Whether what happened is further from what was said than chance explains, and far enough to matter."""
        error = math.sqrt(max(self.rate * (1 - self.rate), 0.0) / max(self.samples, 1.0))
        return abs(self.expected - self.rate) > max(STANDARD_ERRORS * error, DISAGREES)


@dataclass(frozen=True)
class ChurnTrials(Tried):
    """The latest trials. `subject`: whose chances `reliability` and `window` are about."""

    subject: str = field(kw_only=True)
    reliability: Reliability | None = None
    window: ClosedWindow | None = None


@dataclass(frozen=True)
class PastChances:
    """The trials of one run. `expected`: the mean chance said, `left`: the share who left; `model` and `rival`: AUC of
    the model and of the best simple rule. None where not measured."""

    as_of: datetime
    expected: float | None
    left: float | None
    model: float | None
    rival: float | None
    rival_name: str | None
    fallback: bool

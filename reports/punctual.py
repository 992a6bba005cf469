"""Whether windows and chances of being late can be trusted, as plain data: figures of trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from reports.arrived import MEANT
from reports.chances import STANDARD_ERRORS, Reliability
from reports.tried import Tried

OFF = 0.07
"""Windows are off where the share that they hold misses what is meant by more than this, and by more than chance."""


@dataclass(frozen=True)
class StageFigures:
    """How the trials went at one step of orders, by the published forecaster and by the best simple rule: days off on
    average, and the share within the window."""

    stage: str
    days_off: float | None
    rival_days_off: float | None
    inside: float | None


@dataclass(frozen=True)
class Period:
    """The trials that begin at `first`: cases, share within the window, days off on average, and how much later than
    the middle of what was said they were (negative: earlier)."""

    first: date
    samples: float
    inside: float
    days_off: float
    shift: float

    @property
    def off(self) -> bool:
        """Whether the windows were too narrow or too wide, by more than chance explains."""
        error = math.sqrt(MEANT * (1 - MEANT) / max(self.samples, 1.0))
        return abs(self.inside - MEANT) > max(OFF, STANDARD_ERRORS * error)


@dataclass(frozen=True)
class Alarm:
    """What the model noted of the week before its forecasts: `raised`, that so many more or fewer orders were completed
    than expected that people should know. `change`: by which share more (negative: fewer); `z`: in how many standard
    deviations of what chance would do. None where it did not say."""

    raised: bool
    change: float | None = None
    z: float | None = None


@dataclass(frozen=True)
class FulfilmentTrials(Tried):
    """The latest trials. `subject`: whose `reliability` (of chances of being late), `stages` and `periods` (oldest
    first) these are."""

    subject: str = "model"
    reliability: Reliability | None = None
    stages: Sequence[StageFigures] = ()
    periods: Sequence[Period] = ()

"""Training cases: random series at random cutoffs, each window as it could be seen on that day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecasting.batches import BatchSource
from forecasting.schema import NotEnoughData
from forecasting.seeds import derive
from tasks.demand.features import WindowReader, Windows
from tasks.demand.sales import NEVER

_SHORTEST_HISTORY = {"D": 14, "W": 8, "M": 4}
"""Periods on sale before a training cutoff; where no series has so many, half of them will do, and so on."""


@dataclass(frozen=True)
class RandomWindows(BatchSource[Windows]):
    """Windows of `series` int64 [n] with cutoffs drawn evenly from their periods `low` ... `high` int64 [n], inclusive.

    An epoch has `steps` batches of `size`. Targets are as known at `until` (datetime64[us]), inputs as known at each
    cutoff. Series with more periods to draw from are drawn more often.
    """

    reader: WindowReader
    series: np.ndarray
    low: np.ndarray
    high: np.ndarray
    until: np.datetime64
    steps: int
    size: int

    @staticmethod
    def before(reader: WindowReader, until: np.datetime64, *, steps: int, size: int) -> RandomWindows:
        """All windows whose horizon had closed at `until`. Raises NotEnoughData where there is none."""
        grid, features = reader.grid, reader.features
        every = np.arange(grid.series)
        began = grid.began(every, np.full(grid.series, until, "datetime64[us]"))
        high = int(grid.period_of(until)) - features.horizon
        shortest = _SHORTEST_HISTORY[features.frequency]
        lag = _lag_wanted(reader, began, high)
        while shortest >= 0:
            low = np.maximum(np.where(began < NEVER, began, high + 1) + shortest, lag)
            usable = np.flatnonzero(low <= high)
            if len(usable):
                return RandomWindows(reader, usable, low[usable], np.full(len(usable), high), until, steps, size)
            shortest = shortest // 2 if shortest else -1
            lag = 0
        raise NotEnoughData(
            f"No series has sales {features.horizon} periods and more before {until}: there is nothing to learn from.",
            remedy="Shorten the horizon, load more history, or run again when there is some.",
        )

    @property
    def count(self) -> int:
        """How many different windows there are."""
        return int((self.high - self.low + 1).sum())

    @property
    def cutoffs(self) -> int:
        """How many different cutoffs there are: all series of one see the same Christmas."""
        return int(self.high.max() - self.low.min() + 1)

    def __len__(self) -> int:
        return self.steps

    def batches(self, epoch: int, seed: int) -> Iterator[Windows]:
        random = np.random.default_rng(derive(seed, "windows", epoch))
        share = (self.high - self.low + 1.0).cumsum()
        for _ in range(self.steps):
            at = np.searchsorted(share, random.random(self.size) * share[-1], side="right")
            at = np.minimum(at, len(self.series) - 1)
            span = self.high[at] - self.low[at] + 1
            period = self.low[at] + (random.random(self.size) * span).astype(np.int64)
            yield self.at(self.series[at], period)

    def at(self, series: np.ndarray, period: np.ndarray) -> Windows:
        """The windows of given cases with their targets."""
        known_by = self.reader.grid.periods.start(period).astype("datetime64[us]")
        return self.reader.read(series, period, known_by, np.full(len(series), self.until))


def _lag_wanted(reader: WindowReader, began: np.ndarray, high: int) -> int:
    """The earliest cutoff that has last year's season to look at, where weeks or months leave enough cutoffs after it:
    windows without it teach little about those that are to be forecast."""
    year = reader.layout.year
    known = began[began < NEVER]
    if reader.layout.week > 1 or not len(known):
        return 0
    first = int(known.min())
    room = high - first
    return first + min(year, max(room - year // 2, room // 3))

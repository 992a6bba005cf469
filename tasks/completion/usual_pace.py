"""How many spells should have ended by now, at the pace that was usual when they began.

The compensator of a counting process (Aalen, "Nonparametric inference for a family of counting processes", Annals of
Statistics 6, 1978): completions less their cumulative hazards have mean zero as long as the pace stays what it was. A
spell's hazard is a function of its age in units of what was expected, estimated by Nelson and Aalen from spells of the
same status that had begun before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecasting.histories import ragged_ranges
from tasks.completion.heard import DAY, NEVER
from tasks.completion.running_totals import FIXED
from tasks.completion.spells import Spells

PRIOR = 20.0
"""Spells of any status that count in the hazard of each."""

LEAST = 30
"""Ends from which a pace is learnt."""

MATURE = 4.0
"""A norm is taken seriously once orders have been seen for so many times as long: what is completed in a shop's first
days is what was completed fast."""

HALF_LIFE_DAYS = 91.0
"""Days in which a spell loses half its weight."""

_LOWEST, _HIGHEST, _BINS = -5.0, 2.2, 72  # of log age in units of what was expected
_WIDTH = (_HIGHEST - _LOWEST) / _BINS
_WEEK = 7 * DAY
_MONDAY = 4 * DAY  # 1970-01-05
_PAIRS = 1 << 20


@dataclass(frozen=True, eq=False)
class Pace:
    """Spells and the cumulative hazards of their ends.

    `spells`: those with a norm and a pace; those that grow older than exp(_HIGHEST) times of what was expected end then
    (`end`), without being counted. `ended`: bool [R], whether each ends with what is counted. `unit`: float64 [R], what
    was expected, in microseconds. `row`: int64 [R], of `hazard`. `hazard`: float64 [weeks x statuses, _BINS + 1],
    cumulative at the edges of the bins, as of the week in which spells began.
    """

    spells: Spells
    ended: np.ndarray
    unit: np.ndarray
    row: np.ndarray
    hazard: np.ndarray

    @staticmethod
    def of(spells: Spells, ended: np.ndarray, status: np.ndarray, expected: np.ndarray, statuses: int) -> Pace:
        """`ended`: bool [R], spells that end with what is counted. `status`: int64 [R]. `expected`: float64 [R], the
        log of the days that were expected when each began; spells without (NaN) are left out."""
        first = spells.begin.min(initial=NEVER)
        with np.errstate(over="ignore"):
            known = (spells.begin - first) / DAY >= MATURE * np.exp(expected)  # not where nothing was expected
        spells, ended, status = spells.take(known), ended[known], status[known]
        unit = np.exp(np.clip(expected[known], -15.0, 12.0)) * DAY
        limit = spells.origin + (unit * np.exp(_HIGHEST)).astype(np.int64)
        ended = ended & (spells.end <= limit)
        end = np.minimum(spells.end, np.maximum(limit, spells.begin))
        spells = replace(spells, end=end)
        weeks, week = np.unique((spells.begin - _MONDAY) // _WEEK, return_inverse=True)
        row = week * statuses + status
        hazard = Pace(spells, ended, unit, row, np.zeros((0, _BINS + 1)))._learnt(
            weeks * _WEEK + _MONDAY, status, statuses
        )
        told = np.isfinite(hazard[row, -1]) if len(row) else row > 0
        return Pace(spells.take(told), ended[told], unit[told], row[told], hazard)

    def pairs(self, instants: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(spell, place in `instants`), int64 each, of the spells that go on at instants (int64 [m], ascending)."""
        first = np.searchsorted(instants, self.spells.begin)
        count = np.maximum(np.searchsorted(instants, self.spells.end) - first, 0)
        begins = np.concatenate([[0], np.cumsum(count)])
        start = 0
        while start < len(count):
            stop = max(int(np.searchsorted(begins, begins[start] + _PAIRS, side="right")) - 1, start + 1)
            part = slice(start, stop)
            yield np.repeat(np.arange(start, stop), count[part]), ragged_ranges(first[part], count[part])
            start = stop

    def accrued(self, spell: np.ndarray, instant: np.ndarray) -> np.ndarray:
        """The hazard that spells have gathered from their begin up to an instant (int64 [n]), float64 [n]."""
        return self._cumulative(spell, instant) - self._at_begin[spell]

    @cached_property
    def _at_begin(self) -> np.ndarray:
        every = np.arange(len(self.row))
        return self._cumulative(every, self.spells.begin)

    def _cumulative(self, spell: np.ndarray, instant: np.ndarray) -> np.ndarray:
        place = self._place(spell, instant)
        below = np.minimum(place.astype(np.int64), _BINS - 1)
        flat = self.row[spell] * (_BINS + 1) + below
        low = self.hazard.ravel()[flat]
        return low + (place - below) * (self.hazard.ravel()[flat + 1] - low)

    def _place(self, spell: np.ndarray, instant: np.ndarray) -> np.ndarray:
        """Where the ages of spells at instants stand among the edges of the bins, float64 0 ... _BINS."""
        age = np.maximum(instant - self.spells.origin[spell], 1) / self.unit[spell]
        return np.clip((np.log(age) - _LOWEST) / _WIDTH, 0.0, _BINS)

    def _cell(self, spell: np.ndarray, instant: np.ndarray, status: np.ndarray) -> np.ndarray:
        """The status (int64 [R], of all) and the bin of the ages of spells at instants, as one number."""
        return status[spell] * _BINS + np.minimum(self._place(spell, instant).astype(np.int64), _BINS - 1)

    def _weight(self, spell: np.ndarray, instant: np.ndarray) -> np.ndarray:
        """What spells count at instants, by when they began, so that none counts for more as it lasts longer: whole
        numbers of 1 / FIXED, whose sums do not depend on what else is added up."""
        weight = 0.5 ** ((instant - self.spells.begin[spell]) / (HALF_LIFE_DAYS * DAY))
        return np.rint(weight * FIXED) / FIXED

    def _learnt(self, weeks: np.ndarray, status: np.ndarray, statuses: int) -> np.ndarray:
        """Cumulative hazards as of each of `weeks` (int64 [W] instants, ascending), float64 [W x statuses, _BINS + 1],
        from the spells that had begun by then: those that had ended, and those that went on."""
        shape = (len(weeks), statuses, _BINS)
        width = statuses * _BINS
        over = np.flatnonzero(self.spells.end < NEVER)
        end = self.spells.end[over]
        cell = np.searchsorted(weeks, end) * width + self._cell(over, end, status)
        upon = weeks[np.minimum(np.searchsorted(weeks, end), len(weeks) - 1)] if len(weeks) else end
        weight = self._weight(over, upon)
        died, left = (
            _faded(np.bincount(cell, np.where(counted, weight, 0.0), (len(weeks) + 1) * width)[:-width], weeks, shape)
            for counted in (self.ended[over], ~self.ended[over])
        )
        going_on = np.zeros(len(weeks) * width)
        for spell, place in self.pairs(weeks):
            cell = place * width + self._cell(spell, weeks[place], status)
            going_on += np.bincount(cell, self._weight(spell, weeks[place]), len(going_on))
        left += going_on.reshape(shape)
        at_risk = (
            np.cumsum((died + left)[..., ::-1], axis=-1)[..., ::-1] - (died + left) / 2
        )  # they leave at any time in a bin
        pooled = died.sum(axis=1) / np.maximum(at_risk.sum(axis=1), 1.0)
        hazard = (died + PRIOR * pooled[:, None]) / np.maximum(at_risk + PRIOR, 1.0)
        hazard[died.sum(axis=(1, 2)) < LEAST] = np.nan
        cumulative = np.concatenate([np.zeros((*hazard.shape[:2], 1)), np.cumsum(hazard, axis=-1)], axis=-1)
        cumulative[np.isnan(hazard[..., -1])] = np.nan
        return cumulative.reshape(-1, _BINS + 1)


def _faded(counts: np.ndarray, weeks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Running sums as of each of `weeks` (int64 [W] instants) of what is new then (float64 [W x ...]), which loses half
    its weight in HALF_LIFE_DAYS: float64 `shape`, weeks first."""
    kept = 0.5 ** (np.diff(weeks, prepend=weeks[:1]) / (HALF_LIFE_DAYS * DAY))
    sums, total = np.empty(shape), np.zeros(shape[1:])
    for week, (share, new) in enumerate(zip(kept, counts.reshape(shape), strict=True)):  # a few hundred
        total = sums[week] = total * share + new
    return sums

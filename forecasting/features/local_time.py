"""Wall clocks: from instants in UTC to what a clock on the wall says in a time zone, and back.

A wall-clock time is a datetime64[us] like an instant, but read in a place: it jumps where clocks change.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

_FIRST, _LAST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_STEP = dt.timedelta(days=5)  # no zone has changed its clocks twice within fewer


@lru_cache(maxsize=64)
def clock_changes(timezone: str) -> tuple[np.ndarray, np.ndarray]:
    """When a zone's offset from UTC changes, and to what: datetime64[us] [C], UTC, ascending, the first before all that
    a shop knows, and timedelta64[us] [C]. Offsets of 1970 and 2100 hold before and after. `timezone`: an IANA name."""
    zone = ZoneInfo(timezone)

    def offset(at: dt.datetime) -> dt.timedelta:
        found = at.astimezone(zone).utcoffset()
        return found if found is not None else dt.timedelta(0)

    at, held = _FIRST, offset(_FIRST)
    begins, offsets = [np.datetime64(-(2**62), "us")], [held]
    while at < _LAST:
        following = at + _STEP
        now = offset(following)
        if now != held:
            low, high = at, following
            while high - low > dt.timedelta(seconds=1):
                middle = low + dt.timedelta(seconds=(high - low) // dt.timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == held else (low, middle)
            begins.append(np.datetime64(high.replace(tzinfo=None), "us"))
            offsets.append(now)
        at, held = following, now
    return np.array(begins, "datetime64[us]"), np.array(offsets, "timedelta64[us]")


def wall_clock(instants: np.ndarray | np.datetime64, timezone: str) -> np.ndarray:
    """What clocks show, datetime64[us] of the shape of `instants` (datetime64 of any unit, UTC); NaT stays NaT."""
    begins, offsets = clock_changes(timezone)
    at = np.asarray(instants, "datetime64[us]")
    return at + offsets[np.maximum(np.searchsorted(begins, at, side="right") - 1, 0)]


def instants_of(walls: np.ndarray | np.datetime64, timezone: str) -> np.ndarray:
    """The instants, datetime64[us] in UTC, at which clocks show `walls` (datetime64 of any unit); NaT stays NaT.

    A time that clocks show twice is the first of the two; one that they skip is the instant of the change."""
    begins, offsets = clock_changes(timezone)
    wall = np.asarray(walls, "datetime64[us]")
    ends = begins[1:] + offsets[:-1]  # on the wall, just before each change
    held = np.searchsorted(ends, wall, side="right")
    return np.maximum(wall - offsets[held], begins[held])

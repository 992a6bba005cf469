"""What lies around customers: the weather of their region, and the regions next to it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.features.space import Weather, missing_place, nearest_places
from tasks.recommendation.columns import present
from tasks.recommendation.journal import Journal

NEAREST = 3
"""Regions that count as neighbours of one."""

_MEASURES = ("temperature", "precipitation")

_BLOCK = 1_000_000


def weather(table: pa.Table | None) -> Weather | None:
    """The weather by region; None where the source says nothing."""
    if not present(table, ["region"]):
        return None
    assert table is not None
    return Weather.from_arrow(table, present(table, _MEASURES))


def weather_columns(
    days: Weather, regions: np.ndarray, region: np.ndarray, occurred_at: np.ndarray, at: np.ndarray
) -> dict[str, np.ndarray]:
    """`weather:NAME`, float32 [R] each, of each event's region on its day; NaN where unknown.

    `regions`: object [G] of names, `region`: int32 [R] into it; `occurred_at`, and `at`, from which the event counts:
    datetime64[us] [R]. A day counts from its beginning, in its latest version known at `at` (as in `Weather.at`).
    """
    place = np.append(days.places.find([f"region:{name}" for name in regions]), -1)[region]
    result = {f"weather:{name}": np.full(len(at), np.nan, np.float32) for name in days.places.columns}
    for begin in range(0, len(at), _BLOCK):
        rows = begin + np.flatnonzero(place[begin : begin + _BLOCK] >= 0)
        day = occurred_at[rows].astype("datetime64[D]").astype("datetime64[us]")
        cutoff = np.maximum(at[rows], day + np.timedelta64(1, "us"))
        version = days.places.version(place[rows], day, cutoff)
        for name, values in days.places.columns.items():
            result[f"weather:{name}"][rows] = np.append(values, np.nan)[version]
    return result


def neighbouring_regions(journal: Journal, cutoff: np.datetime64, count: int = NEAREST) -> np.ndarray:
    """The nearest other regions of each, nearest first, int64 [G, count]; -1 where there are fewer.

    A region is where those of its customers whose place is known at the cutoff are on average.
    """
    mine = (journal.region >= 0) & (journal.place_from < cutoff)
    mine &= ~missing_place(journal.latitude, journal.longitude)
    region, groups = journal.region[mine], len(journal.regions)
    number = np.bincount(region, minlength=groups)
    with np.errstate(invalid="ignore"):
        latitude, longitude = (
            np.bincount(region, values[mine], minlength=groups) / number
            for values in (journal.latitude, journal.longitude)
        )
    return nearest_places(latitude, longitude, count)[0]

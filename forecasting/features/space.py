"""Features in space: distances, what neighbours did lately, and the weather at a place.

Latitudes and longitudes are degrees (WGS 84), distances kilometres, all float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.histories import Histories

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the earth (Moritz, "Geodetic Reference System 1980", Journal of Geodesy 74, 2000)."""

_BLOCK = 1 << 22  # pairs of places compared at a time: 32 MiB


def missing_place(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Whether coordinates say nothing, bool: not a number, out of range, or (0, 0), which is how a lot of software
    writes "unknown" and where no shop stands."""
    impossible = ~((np.abs(latitude) <= 90) & (np.abs(longitude) <= 180))  # true for NaN, too
    return impossible | ((np.asarray(latitude) == 0) & (np.asarray(longitude) == 0))


def haversine_km(
    latitude: np.ndarray, longitude: np.ndarray, other_latitude: np.ndarray, other_longitude: np.ndarray
) -> np.ndarray:
    """Great-circle distance [km], broadcast; NaN where either place is missing (`missing_place`).

    2 R asin sqrt(sin²(Δφ/2) + cos φ1 cos φ2 sin²(Δλ/2)): Sinnott, "Virtues of the Haversine", Sky and Telescope 68,
    1984. The earth's flattening makes it wrong by up to 0.6%.
    """
    phi, other_phi = np.radians(latitude), np.radians(other_latitude)
    half = np.sin((other_phi - phi) / 2) ** 2
    half = half + np.cos(phi) * np.cos(other_phi) * np.sin(np.radians(np.subtract(other_longitude, longitude)) / 2) ** 2
    distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    nowhere = missing_place(latitude, longitude) | missing_place(other_latitude, other_longitude)
    return np.where(nowhere, np.nan, distance)


def nearest_places(latitude: np.ndarray, longitude: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest other places of each of L, nearest first: positions int64 [L, k] and distances float64 [L, k].

    Position -1 and distance NaN where there are fewer, or the place itself is missing. Places at equal distance go
    by position. Work and time grow with L squared (10,000 places take seconds), memory does not.
    """
    count = len(latitude)
    index = np.full((count, k), -1, np.int64)
    km = np.full((count, k), np.nan)
    there = np.flatnonzero(~missing_place(latitude, longitude))
    if len(there) < 2 or k < 1:
        return index, km
    lat, lon = np.asarray(latitude)[there], np.asarray(longitude)[there]
    taken = min(k, len(there) - 1)
    rows = max(1, _BLOCK // len(there))
    for first in range(0, len(there), rows):
        block = np.arange(first, min(first + rows, len(there)))
        distance = haversine_km(lat[block, None], lon[block, None], lat, lon)
        distance[np.arange(len(block)), block] = np.inf
        near = np.argsort(distance, axis=1, kind="stable")[:, :taken]
        index[there[block], :taken] = there[near]
        km[there[block], :taken] = np.take_along_axis(distance, near, axis=1)
    return index, km


def series_in_neighbours(item: np.ndarray, location: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Where each series finds its own item in its location's neighbours: series positions, int64 [E, k], -1 for none.

    `item`, `location`: int64 codes [E], each pair once; `nearest`: int64 [L, k] of `nearest_places`.
    """
    places = len(nearest)
    key = item * places + location
    order = np.argsort(key)
    neighbour = nearest[location]
    wanted = item[:, None] * places + neighbour
    found = order[np.minimum(np.searchsorted(key, wanted, sorter=order), len(key) - 1)] if len(key) else wanted
    return np.where((neighbour >= 0) & (key[found] == wanted), found, -1)


def neighbours_level(level: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Mean level of each one's neighbours, float64 [E]; NaN where none has one.

    `level`: float [E], what each did lately as of the cutoff, NaN where unknown; `neighbours`: int64 [E, k]
    positions, -1 for none. As the levels are of the cutoff, so is the mean.
    """
    values = np.append(np.asarray(level, np.float64), np.nan)[neighbours]
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def group_level(level: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean level of the others in each one's group (the same item in the same region), float64 [E].

    `level`: float [E] as of the cutoff, NaN where unknown; `group`: int64 codes [E], -1 for no group. NaN where no
    other has a level.
    """
    level = np.asarray(level, np.float64)
    known = np.isfinite(level) & (group >= 0)
    own = np.where(known, level, 0.0)
    codes = np.where(group >= 0, group, group.max(initial=-1) + 1)  # those without a group get a bin of their own
    others = np.bincount(codes, known, minlength=1)[codes] - known
    total = np.bincount(codes, own, minlength=1)[codes] - own
    return np.where((others > 0) & (group >= 0), total / np.maximum(others, 1), np.nan)


@dataclass(frozen=True, eq=False)
class Weather:
    """Daily weather by location and by region, in all versions that became known.

    `places`: histories of "location:ID" and "region:NAME", one row per day and version.
    """

    places: Histories

    @staticmethod
    def from_arrow(weather: pa.Table, columns: Sequence[str] = ("temperature", "precipitation")) -> Weather:
        """From the source `weather`; a row with a location counts for that, another for its region, one with
        neither for nowhere. `columns`: the number columns to keep, of those that are there."""
        names = weather.column_names
        by_location = _place_ids(weather, "location", "location_id")
        by_region = _place_ids(weather, "region", "region")
        place = pc.coalesce(by_location, by_region)
        kept = weather.append_column("place", place).filter(pc.is_valid(place))
        present = [column for column in columns if column in names]
        return Weather(
            Histories.from_arrow(kept, "place", "date", "known_at" if "known_at" in names else None, present)
        )

    def at(
        self,
        column: str,
        location: Sequence[str | None] | np.ndarray,
        region: Sequence[str | None] | np.ndarray,
        days: np.ndarray,
        cutoff: np.ndarray | np.datetime64 | None = None,
    ) -> np.ndarray:
        """A number column on `days` (datetime64[D] [n, T]) at n places, float64 [n, T]; NaN where nothing is known.

        `location`, `region`: ids [n], None where unknown; the location's own weather goes before its region's. A
        `cutoff` (datetime64 [n], or one for all; UTC) sees a day that began before it, in the version known then;
        None takes the weather as declared known ahead: the latest version of every day.
        """
        days = np.asarray(days, "datetime64[D]")
        if column not in self.places.columns:
            return np.full(days.shape, np.nan)
        limit = np.datetime64(2**62, "us") if cutoff is None else np.asarray(cutoff, "datetime64[us]")
        values = np.append(self.places.columns[column], np.nan)
        result = np.full(days.shape, np.nan)
        for kind, ids in (("region", region), ("location", location)):
            place = self.places.find([None if name is None else f"{kind}:{name}" for name in ids])
            known = np.flatnonzero(place >= 0)
            if len(known):
                at = np.broadcast_to(limit, days.shape[:1])[known, None]
                found = values[self.places.version(place[known, None], days[known], at)]
                result[known] = np.where(np.isnan(found), result[known], found)
        return result


def _place_ids(weather: pa.Table, kind: str, column: str) -> pa.ChunkedArray:
    if column not in weather.column_names:
        return pa.chunked_array([pa.nulls(weather.num_rows, pa.string())])
    return pc.binary_join_element_wise(f"{kind}:", weather[column].cast(pa.string()), "")

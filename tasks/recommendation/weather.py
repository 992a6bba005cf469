"""The weather of a customer's region, beside what the customer did."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.columns import present
from forecasting.features.space import Weather

_MEASURES = ("temperature", "precipitation")

_BLOCK = 1_000_000


def regional_weather(table: pa.Table | None) -> Weather | None:
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

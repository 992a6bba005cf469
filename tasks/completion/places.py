"""Where orders come from and where they go, as labels and coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import coordinates, find, labels, objects, present
from forecasting.features.space import haversine_km, missing_place
from tasks.completion.records import Records

CELL_DEGREES = 2.0
"""Places without a region are put together in cells of so many degrees of latitude and longitude."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A label of each of N orders: int32 `codes` [N] into `names` (object of str, ascending), -1 unknown."""

    codes: np.ndarray
    names: np.ndarray


@dataclass(frozen=True, eq=False)
class Places:
    """Where N orders come from and go: `labels` by name (`origin`, `origin_area`, `destination`, `route`), coordinates
    in degrees and distance as in `Orders`."""

    labels: dict[str, Labels]
    origin_latitude: np.ndarray
    origin_longitude: np.ndarray
    destination_latitude: np.ndarray
    destination_longitude: np.ndarray
    distance_km: np.ndarray


def places_of(table: pa.Table, customers: pa.Table | None, orders: Records, region: Labels | None) -> Places:
    """The places of orders, each decided by its own row, so that no later order moves it.

    `region`: that of the origin, where the shop names one. Where the order has no destination it is the customer's, as
    far as the source `customers` had told of it by the time the order became known. Coordinates of (0, 0) are unknown.
    """
    origin_latitude, origin_longitude = _somewhere(*(values[orders.row] for values in coordinates(table, "origin_")))
    latitude, longitude = _somewhere(*(values[orders.row] for values in coordinates(table, "destination_")))
    origin = text_of(table, "origin_id")[orders.row]
    destination = text_of(table, "destination_region")[orders.row]
    if customers is not None and len(customers) and present(table, ["customer_id"]):
        home = _customer_rows(customers, table, orders)
        own_latitude, own_longitude = (np.append(values, np.nan)[home] for values in coordinates(customers, ""))
        own_latitude, own_longitude = _somewhere(own_latitude, own_longitude)
        nowhere = np.isnan(latitude)
        latitude, longitude = np.where(nowhere, own_latitude, latitude), np.where(nowhere, own_longitude, longitude)
        own_region = np.append(text_of(customers, "region"), np.array([None], object))[home]
        destination = _first(destination, own_region)
    area = _first(cells(origin_latitude, origin_longitude), origin)
    if region is not None:
        area = _first(np.append(region.names, np.array([None], object))[region.codes], area)
    destination = _first(destination, cells(latitude, longitude))
    return Places(
        {
            "origin": labelled(origin),
            "origin_area": labelled(area),
            "destination": labelled(destination),
            "route": labelled(_routes(area, destination)),
        },
        origin_latitude,
        origin_longitude,
        latitude,
        longitude,
        haversine_km(origin_latitude, origin_longitude, latitude, longitude),
    )


def text_of(table: pa.Table, column: str) -> np.ndarray:
    """A column of texts or ids, object [R] of str or None; None everywhere where there is none."""
    if not present(table, [column]):
        return np.full(len(table), None, object)
    codes, names = labels(table[column])
    return np.append(objects(names), np.array([None], object))[codes]


def labelled(texts: np.ndarray | Sequence[str | None]) -> Labels:
    """Texts (object [N] of str or None) as codes."""
    codes, names = labels(pa.chunked_array([pa.array(texts, pa.string())]))
    distinct, rank = np.unique(objects(names).astype(str), return_inverse=True)
    return Labels(np.append(rank, -1).astype(np.int32)[codes], distinct.astype(object))


def cells(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """The cell of each place, object [N]: its middle, like "23S 47W"; None where unknown."""
    found = np.full(len(latitude), None, object)
    known = np.flatnonzero(np.isfinite(latitude))
    south = np.floor(latitude[known] / CELL_DEGREES).astype(np.int64)
    west = np.floor(longitude[known] / CELL_DEGREES).astype(np.int64)
    wide = round(360 / CELL_DEGREES) + 1
    distinct, place = np.unique(south * wide + (west + wide // 2), return_inverse=True)
    names = [_middle(*divmod(int(key), wide), wide) for key in distinct]
    found[known] = np.array([*names, None], object)[:-1][place]
    return found


def _middle(south: int, west: int, wide: int) -> str:
    latitude, longitude = (south + 0.5) * CELL_DEGREES, (west - wide // 2 + 0.5) * CELL_DEGREES
    return f"{abs(latitude):.0f}{'NS'[latitude < 0]} {abs(longitude):.0f}{'EW'[longitude < 0]}"


def _somewhere(latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nowhere = missing_place(latitude, longitude)
    return np.where(nowhere, np.nan, latitude), np.where(nowhere, np.nan, longitude)


def _first(texts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The texts, and where there is none the others."""
    return np.where(texts == None, others, texts)  # noqa: E711 (of each element)


def _routes(area: np.ndarray, destination: np.ndarray) -> np.ndarray:
    """ "area > destination" of each order, None where both are unknown."""
    areas, destinations = labelled(area), labelled(destination)
    wide = len(destinations.names) + 1
    key = (areas.codes.astype(np.int64) + 1) * wide + destinations.codes + 1
    distinct, place = np.unique(key, return_inverse=True)
    start, end = np.divmod(distinct, wide)
    names = np.append(areas.names, "")[start - 1] + " > " + np.append(destinations.names, "")[end - 1]
    return np.where(distinct == 0, None, names)[place]


def _customer_rows(customers: pa.Table, table: pa.Table, orders: Records) -> np.ndarray:
    """The row of each order's customer, int64 [N]: the first that became known, if that was by the time the order did;
    -1 for none."""
    codes, names = labels(customers["customer_id"])
    since = np.full(len(codes), np.datetime64(-(2**62), "us"))
    if present(customers, ["known_at"]):
        since = np.fmax(since, arrow_instants(customers["known_at"]))
    row = np.full(len(names) + 1, -1)
    latest_first = np.argsort(since, kind="stable")[::-1]
    row[codes[latest_first]] = latest_first
    row[-1] = -1
    code, ids = labels(table["customer_id"])
    mine = row[np.append(find(ids, names), np.int32(-1))[code[orders.row]]]
    known = np.append(since, np.datetime64("NaT"))[mine] <= orders.known_at
    return np.where(known, mine, -1)

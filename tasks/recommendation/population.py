"""Who there is: customers, and the sessions of nobody known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import coordinates, find, labels, objects, present, recode, sorted_union, used
from tasks.recommendation.journal import CUSTOMER, SESSION
from tasks.recommendation.records import Places, Records

_ALWAYS = np.datetime64(-(2**62), "us")


@dataclass(frozen=True, eq=False)
class Population:
    """E entities: `ids`, `kind`, `known_from`, `region`, `regions`, `region_from`, `latitude`, `longitude`,
    `coordinates_from` as in `Journal`; `of_record`: int32 [R], the entity of each record."""

    ids: np.ndarray
    kind: np.ndarray
    known_from: np.ndarray
    region: np.ndarray
    regions: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    region_from: np.ndarray
    coordinates_from: np.ndarray
    of_record: np.ndarray


def population(records: Records, customers: pa.Table | None) -> Population:
    """Customers of the source or of any record, by id; then sessions (orders) without a customer, by id; then records
    with neither, one by one as they come. Ids that look alike are different entities where their kind differs."""
    listed, names = np.empty(0, np.int32), pa.array([], pa.string())
    if customers is not None and customers.num_rows:
        listed, names = labels(customers["customer_id"])
    people = sorted_union(used(listed, names), used(records.customer, records.customers))
    nobody = records.customer < 0
    anonymous = sorted_union(used(records.visit[nobody], records.visits))
    alone = nobody & (records.visit < 0)

    of_record = recode(records.customer, records.customers, people)
    if nobody.any():
        own = recode(records.visit, records.visits, anonymous) + np.int32(len(people))
        of_record = np.where(nobody, own, of_record)
        if alone.any():
            of_record[alone] = len(people) + len(anonymous) + np.arange(alone.sum())
    loners = int(alone.sum())
    count = len(people) + len(anonymous) + loners
    first = _first_record(count, of_record, records.at)
    known_from = np.full(count, np.datetime64("NaT"), "datetime64[us]")
    known_from[of_record[first]] = records.at[first]

    region = np.full(count, -1, np.int32)
    regions = pa.array([], pa.string())
    latitude, longitude = np.full(count, np.nan), np.full(count, np.nan)
    region_from, coordinates_from = known_from.copy(), known_from.copy()
    if records.places is not None:
        region, regions, latitude, longitude = _first_places(records.places, count, of_record, first)
    if len(listed):
        assert customers is not None
        row = _rows_of(people, customers, listed, names)
        told = np.flatnonzero(row >= 0)
        row = row[told]
        known_from[told] = np.fmin(known_from[told], _announced(customers)[row])
        said_from = _known(customers)[row]
        if present(customers, ["region"]):
            codes, spoken = labels(customers["region"])
            both = sorted_union(regions, used(codes, spoken))
            region = recode(region, regions, both)
            own = recode(codes, spoken, both)[row]
            region[told] = np.where(own >= 0, own, region[told])
            region_from[told] = np.where(own >= 0, said_from, region_from[told])
            regions = both
        own_latitude, own_longitude = (values[row] for values in coordinates(customers, ""))
        known = ~np.isnan(own_latitude)
        latitude[told[known]], longitude[told[known]] = own_latitude[known], own_longitude[known]
        coordinates_from[told[known]] = said_from[known]
    ids = np.concatenate([objects(people), objects(anonymous), np.full(loners, "", object)])
    kind = np.where(np.arange(count) < len(people), CUSTOMER, SESSION).astype(np.int8)
    return Population(
        ids,
        kind,
        known_from,
        region,
        objects(regions),
        latitude,
        longitude,
        region_from,
        coordinates_from,
        of_record,
    )


def _first_record(count: int, entity: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The earliest record of each entity that has any, int64."""
    first = np.full(count, -1)
    order = np.arange(len(at)) if (at[1:] >= at[:-1]).all() else np.argsort(at, kind="stable")
    first[entity[order[::-1]]] = order[::-1]  # of several, numpy keeps the last assignment
    return first[first >= 0]


def _first_places(
    places: Places, count: int, entity: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, pa.Array, np.ndarray, np.ndarray]:
    """Region codes, their names, and coordinates of each entity by its first record."""
    regions = sorted_union(used(places.region, places.regions))
    region = np.full(count, -1, np.int32)
    region[entity[first]] = recode(places.region[first], places.regions, regions)
    latitude, longitude = np.full(count, np.nan), np.full(count, np.nan)
    latitude[entity[first]], longitude[entity[first]] = places.latitude[first], places.longitude[first]
    return region, regions, latitude, longitude


def _rows_of(people: pa.Array, customers: pa.Table, codes: np.ndarray, names: pa.Array) -> np.ndarray:
    """The row of each customer in the source, int64 [C], the first that became known; -1 for none."""
    order = np.argsort(_known(customers), kind="stable")
    row = np.full(len(names) + 1, -1)
    row[codes[order[::-1]]] = order[::-1]
    row[-1] = -1
    return row[find(people, names)]


def _known(customers: pa.Table) -> np.ndarray:
    """After which instant each row counts, datetime64[us] [C]: always, where it has no `known_at`."""
    if not present(customers, ["known_at"]):
        return np.full(len(customers), _ALWAYS)
    known = arrow_instants(customers["known_at"]) - np.timedelta64(1, "us")
    return np.where(np.isnat(known), _ALWAYS, known)


def _announced(customers: pa.Table) -> np.ndarray:
    """After which instant each customer exists, as the source says, datetime64[us] [C]."""
    if not present(customers, ["signed_up_at"]):
        return _known(customers)
    signed_up = arrow_instants(customers["signed_up_at"])
    return np.maximum(_known(customers), np.where(np.isnat(signed_up), _ALWAYS, signed_up))

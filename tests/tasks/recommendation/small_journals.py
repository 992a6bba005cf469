"""Journals written out by hand, row by row, for tests of single rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.histories import Histories
from forecasting.task import Cases
from tasks.recommendation.catalogue import Catalogue
from tasks.recommendation.journal import CUSTOMER, PURCHASE, SESSION, Journal, Stock

DAY = np.timedelta64(1, "D")
START = np.datetime64("2024-01-01", "us")


def catalogue(count: int, **columns: Any) -> Catalogue:
    """Items i000, i001, ..., all listed and known before START; `category` is a sequence of names or None."""
    names = columns.pop("category", None)
    labels, categories = {}, {}
    if names is not None:
        known = sorted({name for name in names if name is not None})
        labels["category"] = np.array([known.index(name) if name is not None else -1 for name in names], np.int32)
        categories["category"] = np.array(known, object)
    fields = {
        "ids": np.array([f"i{number:03d}" for number in range(count)], object),
        "known_from": np.full(count, START - DAY),
        "listed": np.ones(count, bool),
        "title": np.full(count, None, object),
        "price": np.full(count, np.nan),
    }
    return Catalogue(**{**fields, **columns}, labels=labels, categories=categories)


def journal(
    items: Catalogue,
    events: Sequence[tuple[str, float, int] | tuple[str, float, int, int]],
    *,
    entities: Sequence[str] = (),
    regions: Mapping[str, str] | None = None,
    stock: Sequence[tuple[int, int, float, float, float]] = (),
) -> Journal:
    """`events`: (entity, day, item) or (entity, day, item, kind), purchases unless said. Entities whose names begin
    with s are sessions. Rows of one entity at one instant are one step. `stock`: (item, location, day, known on day,
    on hand)."""
    names = sorted({event[0] for event in events} | set(entities), key=lambda name: (name[0] == "s", name))
    rows = sorted((names.index(event[0]), *event[1:3], event[3] if len(event) > 3 else PURCHASE) for event in events)
    rows.sort(key=lambda row: row[:2])
    entity = np.array([row[0] for row in rows], np.int64)
    at = START + np.array([round(row[1] * 86400e6) for row in rows], "m8[us]") if rows else np.empty(0, "M8[us]")
    is_session = np.array([name[0] == "s" for name in names], bool)
    begins = np.ones(len(rows), bool)
    begins[1:] = (entity[1:] != entity[:-1]) | (at[1:] != at[:-1])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(entity, minlength=len(names)))]).astype(np.int64)
    step = np.cumsum(begins) - 1
    first = np.append(step, 0)[offsets[:-1]]
    columns = {
        "item": np.array([row[2] for row in rows], np.int32),
        "kind": np.array([row[3] for row in rows], np.int8),
        "step": step,
        "session": np.where(is_session[entity], entity, -1).astype(np.int32),
        "seen": step - first[entity],
        "price": np.full(len(rows), np.nan, np.float32),
    }
    places = sorted(set((regions or {}).values()))
    histories = Histories(np.array(names, object), offsets, at, at, columns)
    return Journal(
        events=histories,
        catalogue=items,
        kind=np.where(is_session, SESSION, CUSTOMER).astype(np.int8),
        ids=np.array(names, object),
        region=np.array([places.index((regions or {})[n]) if n in (regions or {}) else -1 for n in names], np.int32),
        regions=np.array(places, object),
        latitude=np.full(len(names), np.nan),
        longitude=np.full(len(names), np.nan),
        known_from=np.full(len(names), START - DAY),
        region_from=np.full(len(names), START - DAY),
        coordinates_from=np.full(len(names), START - DAY),
        step_row=np.append(np.flatnonzero(begins), len(rows)),
        stock=counts(stock) if stock else None,
    )


def counts(rows: Sequence[tuple[int, int, float, float, float]]) -> Stock:
    """Stock counts (item, location, day, known on day, on hand)."""
    item, location, day, known, on_hand = (np.array(column) for column in zip(*rows, strict=True))
    instants = [START + np.round(days * 86400e6).astype("m8[us]") for days in (day, known)]
    return Stock(item.astype(np.int32), location.astype(np.int32), *instants, on_hand.astype(np.float64))


def cases(made: Journal, *pairs: tuple[str, float]) -> Cases:
    """Cases (entity, day)."""
    entity = np.array([list(made.ids).index(name) for name, _ in pairs], np.int64)
    cutoff = START + np.array([round(day * 86400e6) for _, day in pairs], "m8[us]").reshape(-1)
    return Cases(entity, cutoff)

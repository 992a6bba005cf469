"""The catalogue from the source `items` and from what happened."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import find, labels, numbers, objects, present, recode, sorted_union, used
from tasks.recommendation.catalogue import Catalogue

_LABELS = ("category", "brand")


def listing(items: pa.Table | None, touched: pa.Array, item: np.ndarray, at: np.ndarray) -> Catalogue:
    """Every item that `items` lists or that has an event.

    `touched`: string array of names, `item`: int32 [R] codes into it and `at`: datetime64[us] [R] when, of the events.
    Of several versions of a row of `items` the first that became known counts, so that no later one rewrites the past.
    """
    touched_used = used(item, touched)
    first = _first_events(len(touched), item, at)[find(touched_used, touched)]
    if items is None or not items.num_rows:
        ids = sorted_union(touched_used)
        count = len(ids)
        known_from = np.empty(count, "datetime64[us]")
        known_from[find(touched_used, ids)] = first
        return Catalogue(
            objects(ids),
            known_from,
            np.ones(count, bool),
            np.full(count, None, object),
            np.full(count, np.nan),
            {name: np.full(count, -1, np.int32) for name in _LABELS},
            {name: np.empty(0, object) for name in _LABELS},
        )

    row, listed_names = _first_versions(items)
    ids = sorted_union(listed_names, touched_used)
    place = find(listed_names, ids)
    listed = np.zeros(len(ids), bool)
    listed[place] = True
    known_from = np.full(len(ids), np.datetime64("NaT"), "datetime64[us]")
    known_from[place] = _announced(items)[row]
    event = np.full(len(ids), np.datetime64("NaT"), "datetime64[us]")
    event[find(touched_used, ids)] = first
    known_from = np.fmin(known_from, event)
    # What nobody has touched, and the source does not date, is mostly old stock, and must not pass for new.
    known_from[np.isnat(known_from)] = at.min() if len(at) else np.datetime64(0, "us")

    title = np.full(len(ids), None, object)
    price = np.full(len(ids), np.nan)
    if present(items, ["title"]):
        codes, names = labels(items["title"])
        title[place] = np.concatenate([objects(names), np.array([None], object)])[codes[row]]
    if present(items, ["price"]):
        price[place] = numbers(items["price"])[row]
    codes_of, categories = {}, {}
    for name in _LABELS:
        codes_of[name], categories[name] = np.full(len(ids), -1, np.int32), np.empty(0, object)
        if present(items, [name]):
            codes, names = labels(items[name])
            distinct = sorted_union(used(codes[row], names))
            codes_of[name][place] = recode(codes[row], names, distinct)
            categories[name] = objects(distinct)
    return Catalogue(objects(ids), known_from, listed, title, price, codes_of, categories)


def _first_events(count: int, item: np.ndarray, at: np.ndarray) -> np.ndarray:
    """When the first event of each item happened, datetime64[us] [count]; meaningless for items without."""
    first = np.zeros(count, "datetime64[us]")
    if (at[1:] >= at[:-1]).all():
        first[item[::-1]] = at[::-1]  # of several, numpy keeps the last assignment: the earliest
    else:
        first[:] = at.max() if len(at) else 0
        np.minimum.at(first, item, at)
    return first


def _first_versions(items: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """(rows int64 [I], ids string [I]): one row of each item, the first that became known."""
    codes, names = labels(items["item_id"])
    order = np.arange(len(codes))
    if present(items, ["known_at"]):
        order = np.argsort(arrow_instants(items["known_at"]), kind="stable")
    row = np.full(len(names) + 1, -1)
    row[codes[order[::-1]]] = order[::-1]
    has_row = row[:-1] >= 0
    return row[:-1][has_row], names.filter(pa.array(has_row))


def _announced(items: pa.Table) -> np.ndarray:
    """The instants after which rows count as their source says, datetime64[us] [I]; NaT where it says nothing."""
    announced = np.full(len(items), np.datetime64("NaT"), "datetime64[us]")
    if present(items, ["introduced_at"]):
        announced = arrow_instants(items["introduced_at"])
    if present(items, ["known_at"]):
        announced = np.fmax(announced, arrow_instants(items["known_at"]) - np.timedelta64(1, "us"))
    return announced

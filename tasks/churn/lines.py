"""The lines of orders, and the categories of what they sold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import find, labels, numbers, objects, present
from forecasting.schema import DataError
from tasks.churn.orders import Orders, sensible


@dataclass(frozen=True, eq=False)
class Lines:
    """L lines of orders: `order` int64 [L] into the orders, `known_at` datetime64[us] [L], never before the order's
    (None: all were known with it), `item` int32 [L] code, `category` int32 [L] code into `categories` (-1 unknown),
    `category_known_at` datetime64[us] [L], `quantity` and `price` float64 [L], NaN where unknown."""

    order: np.ndarray
    known_at: np.ndarray | None
    item: np.ndarray
    category: np.ndarray
    category_known_at: np.ndarray | None
    categories: np.ndarray
    quantity: np.ndarray
    price: np.ndarray


def lines_of(table: pa.Table, orders: Orders, items: pa.Table | None) -> Lines:
    """The lines of known orders in the source `order_lines`, and the category that `items` gives them."""
    code, names = labels(table["order_id"])
    order = np.append(find(names, orders.ids), np.int32(-1))[code].astype(np.int64)
    item, item_ids = labels(table["item_id"])
    if (item < 0).any():
        raise DataError("an id is missing.", source="order_lines", column="item_id", row=int((item < 0).argmax()))
    kept = np.flatnonzero(order >= 0)
    order, item = order[kept], item[kept]
    known = None
    if present(table, ["known_at"]):
        known = np.fmax(orders.known_at[order], arrow_instants(table["known_at"])[kept])
    priced = bool(present(table, ["unit_price"]))
    category, category_known, categories = _categories(items, item_ids)
    return Lines(
        order,
        known,
        item,
        category[item],
        None if category_known is None else category_known[item],
        categories,
        np.nan_to_num(sensible(numbers(table["quantity"])[kept])),
        sensible(numbers(table["unit_price"])[kept]) if priced else np.full(len(kept), np.nan),
    )


def _categories(items: pa.Table | None, ids: pa.Array) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """(category int32 [I] of each of `ids`, since when that is known or None, names): by the row of the catalogue that
    became known first."""
    unknown = np.full(len(ids), -1, np.int32)
    if items is None or not present(items, ["category"]):
        return unknown, None, np.empty(0, object)
    code, names = labels(items["category"])
    item, listed = labels(items["item_id"])
    row = np.full(len(listed) + 1, -1)
    known = arrow_instants(items["known_at"]) if present(items, ["known_at"]) else None
    order = np.arange(len(item)) if known is None else np.argsort(_always(known), kind="stable")
    row[item[order[::-1]]] = order[::-1]
    row[-1] = -1
    mine = row[find(ids, listed)]
    texts = objects(names).astype(str)
    distinct, rank = np.unique(texts, return_inverse=True) if len(texts) else (np.empty(0, object), np.empty(0, int))
    coded = np.append(rank, -1).astype(np.int32)[code]
    category = np.append(coded, np.int32(-1))[mine]
    since = None if known is None else np.append(_always(known), np.datetime64("NaT", "us"))[mine]
    return category, since, distinct.astype(object)


def _always(known: np.ndarray) -> np.ndarray:
    """Instants whose missing ones lie before everything."""
    return np.where(np.isnat(known), np.datetime64(-(2**62), "us"), known)

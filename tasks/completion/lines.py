"""What orders hold: units, items, weight, money and category, from their lines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import find, labels, numbers, present
from forecasting.histories import changes
from tasks.completion.places import Labels, labelled, text_of
from tasks.completion.records import Records

LARGEST = 1e15
"""A number further from 0 (1e300, infinity) is no measure, but a sign for "unknown" or a mistake."""


def sensible(values: np.ndarray) -> np.ndarray:
    """The values, float64; NaN for those beyond LARGEST."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def baskets(lines: pa.Table, items: pa.Table | None, orders: Records) -> tuple[dict[str, np.ndarray], Labels]:
    """(`units`, `items`, `weight`, `value`: float64 [N], NaN where unknown; the category that an order is mostly of).

    From the lines of positive quantity that were known when their order was; what the catalogue says of an item, as far
    as it was known then. `weight` is that of the units whose weight is known, `value` the money of the lines with a
    price. The category has most of the money, or most of the units where no price is known; of equal ones it is the
    first by name.
    """
    count = len(orders.ids)
    code, ids = labels(lines["order_id"])
    order = np.append(orders.find(ids), np.int32(-1))[code].astype(np.int64)
    item, item_ids = labels(lines["item_id"])
    quantity = sensible(numbers(lines["quantity"]))
    kept = (order >= 0) & (item >= 0) & (quantity > 0)
    if present(lines, ["known_at"]):
        known = arrow_instants(lines["known_at"])
        kept[kept] &= np.isnat(known[kept]) | (known[kept] <= orders.known_at[order[kept]])
    order, item, quantity = order[kept], item[kept].astype(np.int64), quantity[kept]
    price = (
        sensible(numbers(lines["unit_price"])[kept]) if present(lines, ["unit_price"]) else np.full(len(item), np.nan)
    )
    listed = _listed(items, item_ids)[item]
    if items is not None and present(items, ["known_at"]):
        since = np.append(arrow_instants(items["known_at"]), np.datetime64("NaT"))[listed]
        listed = np.where(since > orders.known_at[order], -1, listed)  # NaT is after nothing
    weight = np.full(len(item), np.nan)
    category = labelled(np.full(len(item), None, object))
    if items is not None and present(items, ["weight"]):
        weight = sensible(np.append(numbers(items["weight"]), np.nan)[listed])
    if items is not None and present(items, ["category"]):
        own = labelled(text_of(items, "category"))
        category = Labels(np.append(own.codes, np.int32(-1))[listed], own.names)
    distinct = np.unique(order * max(len(item_ids), 1) + item) // max(len(item_ids), 1)
    money = _sum(order, quantity * price, count)
    has_lines = np.bincount(order, minlength=count) > 0
    figures = {
        "units": np.where(has_lines, np.bincount(order, quantity, count), np.nan),
        "items": np.where(has_lines, np.bincount(distinct, minlength=count), np.nan),
        "weight": _sum(order, quantity * weight, count),
        "value": money,
    }
    importance = np.where(np.isnan(money)[order], quantity, np.nan_to_num(quantity * price))
    return figures, Labels(_heaviest(order, category.codes, importance, count, len(category.names)), category.names)


def _listed(items: pa.Table | None, ids: pa.Array) -> np.ndarray:
    """The row of the catalogue of each item, int64 [I + 1]: the first that became known; -1 for none."""
    if items is None:
        return np.full(len(ids) + 1, -1)
    code, names = labels(items["item_id"])
    since = np.full(len(code), np.datetime64(-(2**62), "us"))
    if present(items, ["known_at"]):
        since = np.fmax(since, arrow_instants(items["known_at"]))
    row = np.full(len(names) + 1, -1)
    latest_first = np.argsort(since, kind="stable")[::-1]
    row[code[latest_first]] = latest_first
    row[-1] = -1
    return np.append(row[find(ids, names)], -1)


def _sum(order: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The sum of the known values of each order, float64 [count]; NaN where none is known."""
    known = np.isfinite(values)
    return np.where(
        np.bincount(order, known, count) > 0, np.bincount(order, np.where(known, values, 0.0), count), np.nan
    )


def _heaviest(order: np.ndarray, code: np.ndarray, weight: np.ndarray, count: int, wide: int) -> np.ndarray:
    """The code with the largest sum of weights in each order, int32 [count]; -1 for none."""
    found = np.full(count, -1, np.int32)
    known = np.flatnonzero(code >= 0)
    if not len(known):
        return found
    key = order[known] * wide + code[known]
    place = np.argsort(key, kind="stable")
    new = changes(key[place])
    total = np.bincount(np.cumsum(new) - 1, weight[known][place])
    owner, codes = np.divmod(key[place][new], wide)
    begins = np.flatnonzero(changes(owner))
    most = np.repeat(np.maximum.reduceat(total, begins), np.diff(np.append(begins, len(owner))))
    best = np.flatnonzero(total == most)[::-1]
    found[owner[best]] = codes[best]  # of several, numpy keeps the last assignment: the first by name
    return found

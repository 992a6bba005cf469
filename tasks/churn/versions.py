"""What was known of orders when: purchases and returns with their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.columns import is_text, labels, numbers, objects, present
from forecasting.histories import ragged_ranges
from forecasting.schema import ConfigurationError
from tasks.churn.customers import COLUMNS, PURCHASE, RETURN
from tasks.churn.features import FACT_FEATURES
from tasks.churn.lines import Lines
from tasks.churn.orders import TICK, Orders
from tasks.churn.snapshot import SEASON

TAKEN = frozenset({*COLUMNS, *SEASON, *FACT_FEATURES, *(name for names in FACT_FEATURES.values() for name in names)})
"""What no feature may be called: names of the task's own."""


@dataclass(frozen=True, eq=False)
class Versions:
    """What was known of orders, in V versions by order and instant: as each became known, and anew whenever lines of it
    came in later. Each replaces the one before.

    `order`: int64 [V] into the orders. `known_at`, `withdrawn_at`: datetime64[us] [V] as in `Orders`. `kind`: int8 [V],
    PURCHASE or RETURN. `columns`, `categories`: the columns of `Customers.events` without `kind`.
    """

    order: np.ndarray
    known_at: np.ndarray
    withdrawn_at: np.ndarray | None
    kind: np.ndarray
    columns: Mapping[str, np.ndarray]
    categories: Mapping[str, np.ndarray]


def versions_of(table: pa.Table, orders: Orders, lines: Lines | None, features: Sequence[str]) -> Versions:
    """What was known of orders when, by these rules.

    - An order is a purchase, unless it has lines and none of a positive quantity, or its value is negative: then it is
      a return.
    - Its value is what the source says, else the sum of quantity x unit_price of the lines that have a price; without
      its sign.
    - Its units, items and category come from the lines of positive quantity (of a return, from all).
    - Lines that become known later than the order make a new version of it.

    Raises ConfigurationError for a feature that `orders` lacks or that has a name of the task's own.
    """
    count = len(orders.row)
    order, known, withdrawn = np.arange(count), orders.known_at, orders.withdrawn_at
    if lines is not None and lines.known_at is not None:
        order, known = _instants(orders, lines.order, lines.known_at)
        withdrawn = _until_next(order, known, None if withdrawn is None else withdrawn[order])
    value = np.full(len(order), np.nan)
    if present(table, ["value"]):
        value = numbers(table["value"])[orders.row[order]]
    columns = {name: np.full(len(order), np.nan) for name in ("units", "items")}
    columns["category"] = np.full(len(order), -1, np.int32)
    gives_back = value < 0
    categories = {"category": np.empty(0, object)}
    if lines is not None:
        of_line, line = _pairs(order, known, lines)
        quantity, price = lines.quantity[line], lines.price[line]
        has_lines = np.bincount(of_line, minlength=len(order)) > 0
        sold = np.bincount(of_line, quantity > 0, len(order)) > 0
        has_price = np.bincount(of_line, np.isfinite(price), len(order)) > 0
        money = np.bincount(of_line, np.nan_to_num(quantity * price), len(order))
        value = np.where(np.isnan(value) & has_price, money, value)
        gives_back = (value < 0) | (has_lines & ~sold)
        counts = (quantity > 0) | (gives_back[of_line] & (quantity < 0))
        of_line, line = of_line[counts], line[counts]
        columns |= _contents(lines, of_line, line, has_price, known, has_lines)
        categories = {"category": lines.categories}
    columns["value"] = np.abs(value)
    for name in features:
        columns[name], texts = _feature(table, name)
        columns[name] = columns[name][orders.row[order]]
        if texts is not None:
            categories[name] = texts
    return Versions(
        order, known, withdrawn, np.where(gives_back, RETURN, PURCHASE).astype(np.int8), columns, categories
    )


def _instants(orders: Orders, order: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(order, known_at) of each version, by order and instant: when the order became known, and whenever lines of it
    did later."""
    every = np.concatenate([np.arange(len(orders.row)), order])
    at = np.concatenate([orders.known_at, known])
    place = np.lexsort((at, every))
    every, at = every[place], at[place]
    new = np.append(True, (every[1:] != every[:-1]) | (at[1:] != at[:-1]))[: len(every)]
    return every[new], at[new]


def _until_next(order: np.ndarray, known: np.ndarray, withdrawn: np.ndarray | None) -> np.ndarray | None:
    """When each version is withdrawn: by the next one, or with its order. A cutoff at that very instant sees
    the next."""
    replaced = np.append(order[1:] == order[:-1], False)[: len(order)]
    if not replaced.any():
        return withdrawn
    next_at = np.full(len(known), np.datetime64("NaT", "us"))
    next_at[:-1] = np.where(replaced[:-1], known[1:] - TICK, next_at[:-1])
    return next_at if withdrawn is None else np.fmin(next_at, withdrawn)


def _pairs(order: np.ndarray, known: np.ndarray, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """(version, line) of every line that a version knows, int64 [P] each, line by line."""
    every = np.arange(len(lines.order))
    if lines.known_at is None:
        return lines.order, every
    first = _first_knowing(order, known, lines)
    counts = np.searchsorted(order, lines.order, side="right") - first
    return ragged_ranges(first, counts), np.repeat(every, counts)


def _first_knowing(order: np.ndarray, known: np.ndarray, lines: Lines) -> np.ndarray:
    """The first version that knows each line, int64 [L]: that of its own instant."""
    assert lines.known_at is not None
    instants = np.unique(known)
    key = order * len(instants) + np.searchsorted(instants, known)
    return np.searchsorted(key, lines.order * len(instants) + np.searchsorted(instants, lines.known_at))


def _contents(
    lines: Lines, version: np.ndarray, line: np.ndarray, has_price: np.ndarray, known: np.ndarray, has_lines: np.ndarray
) -> dict[str, np.ndarray]:
    """Units, items and category of each version."""
    count = len(known)
    quantity = np.abs(lines.quantity[line])
    wide = int(lines.item.max(initial=0)) + 1
    distinct = np.unique(version * wide + lines.item[line]) // wide
    found = {
        "units": np.where(has_lines, np.bincount(version, quantity, count), np.nan),
        "items": np.where(has_lines, np.bincount(distinct, minlength=count), np.nan),
        "category": np.full(count, -1, np.int32),
    }
    category = lines.category[line]
    told = category >= 0
    if lines.category_known_at is not None:
        told &= lines.category_known_at[line] <= known[version]
    weight = np.where(has_price[version], np.nan_to_num(quantity * lines.price[line]), quantity)
    if told.any():
        wide = len(lines.categories)
        pair, place = np.unique(version[told] * wide + category[told], return_inverse=True)
        total = np.bincount(place, weight[told])
        order = np.lexsort((-pair, total, pair // wide))  # the best comes last; of equal ones the first by name
        found["category"][(pair // wide)[order]] = (pair % wide)[order]
    return found


def _feature(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """An extra column of orders: numbers, or codes and their texts."""
    if name not in table.column_names:
        raise ConfigurationError(
            f"source 'orders' has no column {name!r}.",
            remedy=f"Name columns of orders in features; it has {', '.join(table.column_names)}.",
        )
    if name in TAKEN:
        raise ConfigurationError(f"{name!r} in features is a name of the task's own.", remedy="Leave it out.")
    column = table[name]
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        raise ConfigurationError(f"{name!r} in features holds dates.", remedy="Name numbers, flags or texts.")
    if not is_text(column.type):
        return numbers(column), None
    codes, texts = labels(column)
    distinct, rank = np.unique(objects(texts).astype(str), return_inverse=True)
    return np.append(rank, -1).astype(np.int32)[codes], distinct.astype(object)

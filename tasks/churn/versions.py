"""What was known of orders when: purchases and returns with their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.columns import is_text, labels, numbers, objects, present
from forecasting.histories import changes, ragged_ranges
from forecasting.schema import ConfigurationError
from tasks.churn.baskets import Holds, basket_of, money_of
from tasks.churn.customers import COLUMNS, PURCHASE, RETURN
from tasks.churn.features import FACT_FEATURES
from tasks.churn.lines import Lines
from tasks.churn.orders import TICK, Orders, sensible
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
    - Numbers beyond LARGEST are unknown; the sign of a value counts all the same.

    Raises ConfigurationError for a feature that `orders` lacks or that has a name of the task's own.
    """
    order, known, withdrawn = np.arange(len(orders.row)), orders.known_at, orders.withdrawn_at
    first = None if lines is None else lines.order
    if lines is not None and lines.known_at is not None:
        order, known, first = _instants(orders, lines)
        withdrawn = _until_next(order, known, None if withdrawn is None else withdrawn[order])
    value = np.full(len(order), np.nan)
    if present(table, ["value"]):
        value = numbers(table["value"])[orders.row[order]]
    gives_back = value < 0
    if lines is None:
        columns: dict[str, np.ndarray] = {name: np.full(len(order), np.nan) for name in ("units", "items")}
        columns["category"] = np.full(len(order), -1, np.int32)
        categories = {"category": np.empty(0, object)}
    else:
        assert first is not None
        holds = _pairs(order, first, lines)
        money = money_of(lines, holds, len(order))
        value = np.where(np.isnan(value), money.total, value)
        gives_back = (value < 0) | (money.has_lines & ~money.sells)
        columns = basket_of(lines, holds, money, gives_back, known)
        categories = {"category": lines.categories}
    columns["value"] = np.abs(value)
    for name in ("value", "units"):
        columns[name] = sensible(columns[name])
    for name in features:
        columns[name], texts = _feature(table, name)
        columns[name] = columns[name][orders.row[order]]
        if texts is not None:
            categories[name] = texts
    return Versions(
        order, known, withdrawn, np.where(gives_back, RETURN, PURCHASE).astype(np.int8), columns, categories
    )


def _instants(orders: Orders, lines: Lines) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(order, known_at) of each version, by order and instant: when the order became known, and whenever lines of it
    did later; and the first version, int64 [L], that each line is in."""
    assert lines.known_at is not None
    late = np.flatnonzero(lines.known_at > orders.known_at[lines.order])
    every = np.concatenate([np.arange(len(orders.row)), lines.order[late]])
    at = np.concatenate([orders.known_at, lines.known_at[late]])
    place = np.lexsort((at, every))
    every, at = every[place], at[place]
    new = changes(every) | changes(at)
    version = np.empty(len(every), np.int64)
    version[place] = np.cumsum(new) - 1
    first = version[lines.order]  # that of the order as it first became known
    first[late] = version[len(orders.row) :]
    return every[new], at[new], first


def _until_next(order: np.ndarray, known: np.ndarray, withdrawn: np.ndarray | None) -> np.ndarray | None:
    """When each version is withdrawn: by the next one, or with its order. A cutoff at that very instant sees
    the next."""
    replaced = np.append(order[1:] == order[:-1], False)[: len(order)]
    if not replaced.any():
        return withdrawn
    next_at = np.full(len(known), np.datetime64("NaT", "us"))
    next_at[:-1] = np.where(replaced[:-1], known[1:] - TICK, next_at[:-1])
    return next_at if withdrawn is None else np.fmin(next_at, withdrawn)


def _pairs(order: np.ndarray, first: np.ndarray, lines: Lines) -> Holds:
    """Every line with each version that knows it: from the first one on."""
    every = np.arange(len(lines.order))
    if len(order) == 0 or order[-1] + 1 == len(order):  # one version of each order
        return Holds(first, every)
    stop = np.cumsum(np.bincount(order))[lines.order]
    return Holds(ragged_ranges(first, stop - first), np.repeat(every, stop - first))


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
        return sensible(numbers(column)), None
    codes, texts = labels(column)
    distinct, rank = np.unique(objects(texts).astype(str), return_inverse=True)
    return np.append(rank, -1).astype(np.int32)[codes], distinct.astype(object)

"""What orders hold: money, units, items and the category that they are mostly of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.histories import changes
from tasks.churn.lines import Lines


@dataclass(frozen=True, eq=False)
class Holds:
    """That versions of orders hold lines: `version`, `line` int64 [P], positions."""

    version: np.ndarray
    line: np.ndarray

    def where(self, kept: np.ndarray) -> Holds:
        """Those of the pairs, `kept` bool [P]."""
        return Holds(self.version[kept], self.line[kept])


@dataclass(frozen=True, eq=False)
class Money:
    """The lines of V versions in sum: `total` float64 [V], quantity x price of those that have a price, NaN where none
    has; `has_lines` bool [V]; `sells` bool [V], whether any has a positive quantity."""

    total: np.ndarray
    has_lines: np.ndarray
    sells: np.ndarray


def money_of(lines: Lines, holds: Holds, count: int) -> Money:
    """The money of `count` versions."""
    quantity, price = lines.quantity[holds.line], lines.price[holds.line]
    priced = np.bincount(holds.version, np.isfinite(price), count) > 0
    total = np.bincount(holds.version, np.nan_to_num(quantity * price), count)
    return Money(
        np.where(priced, total, np.nan),
        np.bincount(holds.version, minlength=count) > 0,
        np.bincount(holds.version, quantity > 0, count) > 0,
    )


def basket_of(
    lines: Lines, holds: Holds, money: Money, gives_back: np.ndarray, known_at: np.ndarray
) -> dict[str, np.ndarray]:
    """`units`, `items` (float64 [V], NaN without lines) and `category` (int32 [V]) of each version: of its lines of
    positive quantity, or of all of one that `gives_back` (bool [V]). The category has most of the money, or most of the
    units where no price is known; of equal ones it is the first by name. `known_at`: datetime64[us] [V], as of which
    the catalogue is read."""
    quantity = lines.quantity[holds.line]
    counted = (quantity > 0) | (gives_back[holds.version] & (quantity < 0))
    holds, quantity, count = holds.where(counted), np.abs(quantity[counted]), len(known_at)
    wide = int(lines.item.max(initial=0)) + 1
    item = np.sort(holds.version * wide + lines.item[holds.line])
    distinct = item[changes(item)] // wide
    price = np.nan_to_num(lines.price[holds.line])
    weight = quantity * np.where(np.isnan(money.total)[holds.version], 1.0, price)
    told = lines.category[holds.line] >= 0
    if lines.category_known_at is not None:
        told &= lines.category_known_at[holds.line] <= known_at[holds.version]
    return {
        "units": np.where(money.has_lines, np.bincount(holds.version, quantity, count), np.nan),
        "items": np.where(money.has_lines, np.bincount(distinct, minlength=count), np.nan),
        "category": _heaviest(lines, holds.where(told), weight[told], count),
    }


def _heaviest(lines: Lines, holds: Holds, weight: np.ndarray, count: int) -> np.ndarray:
    """The category with the largest sum of weights in each version, int32 [count]; -1 for none."""
    found = np.full(count, -1, np.int32)
    if not len(weight):
        return found
    wide = len(lines.categories)
    key = holds.version * wide + lines.category[holds.line]
    order = np.argsort(key, kind="stable")
    new = changes(key[order])
    total = np.bincount(np.cumsum(new) - 1, weight[order])
    version, category = np.divmod(key[order][new], wide)
    begins = np.flatnonzero(changes(version))
    most = np.repeat(np.maximum.reduceat(total, begins), np.diff(np.append(begins, len(version))))
    best = np.flatnonzero(total == most)[::-1]
    found[version[best]] = category[best]  # of several, numpy keeps the last assignment: the first by name
    return found

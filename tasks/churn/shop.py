"""What all the shop did lately, as of a cutoff: its trend, and how soon customers of a label buy again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting.features.space import missing_place
from forecasting.task import Instant
from tasks.churn.customers import Customers

LATELY_DAYS = 180
"""Purchases so many days back from the last one say what the shop does lately."""

AGAIN_DAYS = 30.0
"""A purchase is followed up for so long."""

PRIOR = 30.0
"""Purchases made again that the rest of the shop counts in the level of a label."""

AROUND = 5
"""Neighbouring regions of a region: the nearest ones, by the mean place of their customers."""

_TREND_DAYS, _BEFORE_DAYS = 28, 84
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Shop:
    """The shop's latest purchases at a cutoff, one row for each customer and day.

    `row`: int64 [m] positions in `customers.purchases`, ascending. `entity`: int64 [m]. `again`: bool [m], whether the
    customer bought on a later day within AGAIN_DAYS. `followed`: float64 [m] days until then, or for which the purchase
    was followed up: AGAIN_DAYS, or less where it is that recent. `end`: up to when purchases are known. `first`: the
    first purchase of all.
    """

    customers: Customers
    row: np.ndarray
    entity: np.ndarray
    again: np.ndarray
    followed: np.ndarray
    end: Instant
    first: Instant

    @staticmethod
    def at(customers: Customers, entity_of: np.ndarray, cutoff: Instant) -> Shop:
        """The shop as a cutoff sees it. `entity_of`: int [R], the customer of each row of `customers.purchases`."""
        purchases = customers.purchases
        row = np.flatnonzero(purchases.occurred_at < cutoff)
        if not purchases.on_time:
            row = row[purchases.visible(row, cutoff)]
        at = purchases.occurred_at[row]
        if not len(row):
            nothing = np.datetime64("NaT", "us")
            return Shop(customers, row, row, row > 0, row.astype(np.float64), nothing, nothing)
        end = np.minimum(at.max().astype("datetime64[D]") + np.timedelta64(1, "D"), cutoff).astype("datetime64[us]")
        first = at.min()
        recent = at >= end - LATELY_DAYS * _DAY
        row, at = row[recent], at[recent]
        entity, day = entity_of[row], at.astype("datetime64[D]")
        last_of_day = np.append((entity[1:] != entity[:-1]) | (day[1:] != day[:-1]), True)
        row, at, entity = row[last_of_day], at[last_of_day], entity[last_of_day]
        watched = np.minimum((end - at) / _DAY, AGAIN_DAYS)
        until_next = np.full(len(row), np.inf)
        same = entity[1:] == entity[:-1]
        until_next[:-1][same] = (at[1:] - at[:-1])[same] / _DAY
        return Shop(
            customers, row, entity, until_next < watched, np.minimum(until_next, watched), end, np.datetime64(first)
        )

    @property
    def trend(self) -> float:
        """Log of the purchases a day of the last 28 days over those of the 84 before; NaN before 56 days of history."""
        if not len(self.row):
            return float("nan")
        before = min(float((self.end - self.first) / _DAY) - _TREND_DAYS, float(_BEFORE_DAYS))
        if before < _TREND_DAYS:
            return float("nan")
        age = (self.end - self.customers.purchases.occurred_at[self.row]) / _DAY
        lately = np.count_nonzero(age <= _TREND_DAYS)
        earlier = np.count_nonzero((age > _TREND_DAYS) & (age <= _TREND_DAYS + before))
        return float(np.log((lately + 1.0) / _TREND_DAYS) - np.log((earlier + before / _TREND_DAYS) / before))

    def label_levels(self, column: str) -> np.ndarray:
        """By label of a text column of purchases: log of how much more often than in all the shop a purchase of that
        label is followed by another one, shrunk to 0 by PRIOR; float64 [labels]."""
        code = self.customers.purchases.columns[column][self.row]
        count = len(self.customers.purchases.categories[column])
        again, expected = self._totals(code, count)
        return np.log((again + PRIOR) / (expected + PRIOR))

    @cached_property
    def region_levels(self) -> np.ndarray:
        """By region: log of how much more often than in all the shop a purchase is followed by another one, float64
        [regions]. A region leans on its neighbouring ones as far as it has few purchases itself, and these on all the
        shop."""
        count = len(self.customers.regions)
        again, expected = self._totals(self.customers.region[self.entity], count)
        around = np.ones(count)
        region, near = self._neighbours(count)
        if len(region):
            around[region] = (again[near].sum(axis=1) + PRIOR) / (expected[near].sum(axis=1) + PRIOR)
        return np.log((again + PRIOR * around) / (expected + PRIOR))

    def _totals(self, code: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """By code: purchases made again, and how many there would be at the pace of all the shop, float64 [count]."""
        total = self.followed.sum()
        pace = self.again.sum() / total if total > 0 else 0.0
        known = code >= 0
        again = np.bincount(code[known], self.again[known], minlength=count)
        return again, np.bincount(code[known], self.followed[known], minlength=count) * pace

    def _neighbours(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Regions that have a place, int64 [p], and their nearest others, int64 [p, k]: by great-circle distance of
        the mean places of their purchases."""
        region = self.customers.region[self.entity]
        latitude, longitude = self.customers.latitude[self.entity], self.customers.longitude[self.entity]
        known = (region >= 0) & ~missing_place(latitude, longitude)
        region, phi, theta = region[known], np.radians(latitude[known]), np.radians(longitude[known])
        points = np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=1)
        total = np.stack([np.bincount(region, points[:, axis], minlength=count) for axis in range(3)], axis=1)
        placed = np.flatnonzero(np.bincount(region, minlength=count))
        if len(placed) < 2:
            return placed[:0], placed[:0, None]
        # scipy takes a while to import, and every command that knows the task would wait for it
        from scipy.spatial import cKDTree

        centre = total[placed]
        centre = centre / np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), 1e-12)
        taken = min(AROUND, len(placed) - 1) + 1
        _, near = cKDTree(centre).query(centre, k=taken)
        itself = near == np.arange(len(placed))[:, None]
        itself[~itself.any(axis=1), -1] = True  # where several stand at the very same place, it may be missing
        return placed, placed[near[~itself].reshape(len(placed), taken - 1)]

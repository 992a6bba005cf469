"""What customers did: the dataset of churn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.histories import Histories

PURCHASE, RETURN, VISIT = 0, 1, 2
"""Kinds of events."""

COLUMNS = ("kind", "value", "units", "items", "category")
"""Columns of `events`; all others are features that the options name."""


@dataclass(frozen=True, eq=False)
class Customers:
    """C customers and all they did.

    `events`: histories of customers (entity: customer_id): purchases, returns and visits. Columns: `kind` int8
    (PURCHASE, RETURN, VISIT); `value` float64, the money of an order, positive for purchases and returns alike, NaN
    where unknown; `units` and `items` float64, how many pieces and how many different items, NaN where unknown;
    `category` int32 code into `events.categories["category"]`, the category with most of the order's money, -1
    unknown; each of the options' `features` as float64 or, for text, as codes with categories. `purchases`: the rows
    of `events` that are purchases, with the same entities. A row that was taken back later (a cancelled order) counts
    until then: see `Histories.withdrawn_at`. `region`: int32 [C] code into `regions` (object array of str), -1 unknown.
    `latitude`, `longitude`: float64 [C] degrees, NaN where unknown.
    """

    events: Histories
    purchases: Histories
    region: np.ndarray
    regions: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray

    def __len__(self) -> int:
        """How many customers there are."""
        return len(self.events)

    def observed(self, until: np.datetime64) -> np.datetime64:
        """Up to when purchases are known as of an instant, datetime64[us]: `until`, or the end of the day (UTC) of the
        last purchase that it sees, where that is earlier. A warehouse that was not filled for a week says nothing
        about that week. NaT without any purchase."""
        at = self._bought(until)
        if not len(at):
            return np.datetime64("NaT", "us")
        end_of_day = at.max().astype("datetime64[D]") + np.timedelta64(1, "D")
        return np.minimum(until, end_of_day).astype("datetime64[us]")

    def begun(self, until: np.datetime64) -> np.datetime64:
        """When the first purchase that an instant sees was made, datetime64[us]; NaT without any."""
        at = self._bought(until)
        return at.min() if len(at) else np.datetime64("NaT", "us")

    def _bought(self, until: np.datetime64) -> np.ndarray:
        every = np.arange(len(self.purchases.occurred_at))
        return self.purchases.occurred_at[self.purchases.visible(every, until)]

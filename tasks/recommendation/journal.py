"""What customers and sessions did, in order: the dataset of the task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.features.space import Weather
from forecasting.histories import Histories
from tasks.recommendation.catalogue import Catalogue

VIEW, CART, PURCHASE = 0, 1, 2
"""Codes of the column `kind`."""

EVENT_KINDS = ("view", "cart", "purchase")
"""Their names."""

CUSTOMER, SESSION = 0, 1
"""Codes of the kind of an entity."""

ENTITY_KINDS = ("customer", "session")
"""Their names."""

COLUMNS = ("item", "kind", "step", "session", "seen", "price")
"""Columns that the events of every journal have."""


@dataclass(frozen=True, eq=False)
class Journal:
    """E entities, their R events, and N items.

    `events`: histories whose entities are the customers and then the sessions without one, rows in the order in which
    they became known. A row's `occurred_at` here is the instant from which on it counts: `cutoff > occurred_at` is all
    that visibility needs (late rows enter when they became known; events of one session at the same instant follow
    each other a microsecond apart, in the order of the source). Columns [R]:

    - `item` int32: position in the catalogue
    - `kind` int8: VIEW, CART or PURCHASE
    - `step` int64: number of the step, 0 ... S - 1, ascending over all rows. A step is what happens at once: one event
      of a session, one order of a customer without sessions. "Next" always means the next step.
    - `session` int32: number of the session within the journal, -1 for rows of none
    - `seen` int64: how many source rows of its session came before; of rows without one, of its customer's such rows;
      where the journal is of orders, how many orders of its customer
    - `price` float32: what was paid or asked, NaN where unknown
    - one float32 column for each feature that the options name (numbers and flags), or int32 codes with `categories`

    `kind`: int8 [E], CUSTOMER or SESSION. `ids`: object [E] of str, the id as the source has it: customers ascending,
    then sessions ascending (an order without a customer is a session of one step, outside of `session`: others learn
    from it, and it gets no list). `known_from`: datetime64[us] [E], UTC, the entity exists for a cutoff later than
    this: signed up, or its first event. `region`: int32 [E], -1 where unknown, into `regions` (object of str).
    `latitude`, `longitude`: float64 [E] degrees, NaN where unknown. `region_from`, `coordinates_from`: datetime64[us]
    [E], they count for a cutoff later than this (`region_at`): what the source `customers` does not say comes from the
    entity's first order.
    `step_row`: int64 [S + 1], the first row of each step, and R. `stock`: by instant, see `Stock`. `weather`: by region
    and day.
    """

    events: Histories
    catalogue: Catalogue
    kind: np.ndarray
    ids: np.ndarray
    region: np.ndarray
    regions: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    known_from: np.ndarray
    region_from: np.ndarray
    coordinates_from: np.ndarray
    step_row: np.ndarray
    stock: Stock | None = None
    weather: Weather | None = None

    def __len__(self) -> int:
        """How many entities there are."""
        return len(self.kind)

    def region_at(self, entity: np.ndarray, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """The regions, int32 [n], of entities as far as known at their cutoffs; -1 where not."""
        return np.where(self.region_from[entity] < cutoff, self.region[entity], np.int32(-1))


@dataclass(frozen=True, eq=False)
class Stock:
    """Stock counts: `item` int32 [C], `location` int32 [C], `occurred_at` and `known_at` datetime64[us] [C], and
    `on_hand` float64 [C], units."""

    item: np.ndarray
    location: np.ndarray
    occurred_at: np.ndarray
    known_at: np.ndarray
    on_hand: np.ndarray

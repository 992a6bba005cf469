"""What customers and sessions did, in order: the dataset of the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from forecasting.histories import Histories
from tasks.recommendation.catalogue import Catalogue

VIEW, CART, PURCHASE = 0, 1, 2
"""Codes of the column `kind`."""

CUSTOMER, SESSION = 0, 1
"""Codes of the kind of an entity."""

ENTITY_KINDS = ("customer", "session")


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
    - `seen` int64: how many source rows of its session (orders of its customer, where there are none) came before
    - `price` float32: what was paid or asked, NaN where unknown
    - one float32 column for each feature that the options name (numbers and flags), or int32 codes with `categories`

    `kind`: int8 [E], CUSTOMER or SESSION. `ids`: object [E] of str, the id as the source has it. `region`: int32 [E],
    -1 where unknown, into `regions` (object of str). `latitude`, `longitude`: float64 [E] degrees, NaN where unknown.
    `step_row`: int64 [S + 1], the first row of each step, and R. `stock`: by instant, see `Stock`.
    """

    events: Histories
    catalogue: Catalogue
    kind: np.ndarray
    ids: np.ndarray
    region: np.ndarray
    regions: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    step_row: np.ndarray
    stock: Stock | None = None
    weather: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many entities there are."""
        return len(self.kind)


@dataclass(frozen=True, eq=False)
class Stock:
    """Stock counts: `item` int32 [C], `location` int32 [C], `occurred_at` and `known_at` datetime64[us] [C], and
    `on_hand` float64 [C], units."""

    item: np.ndarray
    location: np.ndarray
    occurred_at: np.ndarray
    known_at: np.ndarray
    on_hand: np.ndarray

"""The items that can be recommended, and what is known of them without anybody having wanted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Catalogue:
    """N items: every one that the source `items` lists or an event names.

    `ids`: object [N] of str, ascending, each once; everywhere else an item is its position here. `known_from`:
    datetime64[us] [N], UTC, an item exists for a cutoff later than this: `introduced_at` or `known_at` where the source
    says so, else its first event, else (listed, never touched) the first event of all. `listed`: bool [N],
    whether `items` lists it, all True without that source; only listed items are recommended. `title`: object [N] of
    str or None. `price`: float64 [N], NaN where unknown. `labels`: int32 codes [N] (-1: missing) by column, `category`
    and `brand` among them; `categories`: object array of str that the codes of each index.
    """

    ids: np.ndarray
    known_from: np.ndarray
    listed: np.ndarray
    title: np.ndarray
    price: np.ndarray
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    categories: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.ids)

    def known(self, cutoff: np.datetime64) -> np.ndarray:
        """Which items exist at a cutoff, bool [N]."""
        return self.known_from < cutoff

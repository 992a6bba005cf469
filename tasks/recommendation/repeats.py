"""Which items are bought, or looked at, again: groceries more than cookers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.recommendation.visits import Visits

NAMES: Sequence[str] = ("again", "again_next")

PRIOR = 10.0
"""Visits, or chances, that every item is given at the rate of all items together."""


def repeat_rates(visits: Visits) -> np.ndarray:
    """float32 [2, N], by `NAMES`: the log of the share of an item's visits that name it in several steps, and of the
    share of its mentions, the last steps of visits aside, whose next step names it as well."""
    items = visits.items
    # Of every visit, item and step one mention.
    key = np.unique((visits.visit * max(items, 1) + visits.item) * 256 + np.minimum(visits.position, 255))
    pair, position = np.divmod(key, 256)
    visit, item = np.divmod(pair, max(items, 1))
    same = pair[1:] == pair[:-1]
    first = np.concatenate([[True], ~same])[: len(pair)]
    starts = np.flatnonzero(first)
    several = np.diff(np.append(starts, len(pair))) > 1
    last = np.zeros(len(visits), np.int64)
    np.maximum.at(last, visits.visit, np.minimum(visits.position, 255))
    chance = position < last[visit]
    next_too = np.append(same & (position[1:] == position[:-1] + 1), False)[: len(pair)]
    counts = [
        (np.bincount(item[starts][several], minlength=items), np.bincount(item[starts], minlength=items)),
        (np.bincount(item[next_too], minlength=items), np.bincount(item[chance], minlength=items)),
    ]
    rates = []
    for again, all_ in counts:
        usual = (again.sum() + 1) / (all_.sum() + 100)
        rates.append(np.log((again + PRIOR * usual) / (all_ + PRIOR)))
    return np.array(rates, np.float32).reshape(2, items)

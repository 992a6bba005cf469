"""Why an item is shown, in words for a web page: each of them true of the case, and of what it could see.

In order of what tells most: what the entity did with the item itself; an item of its history that goes together with
it; what is popular where it lives, or everywhere; a category that it knows; that the item is new.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.recommendation.catalogue import Catalogue
from tasks.recommendation.crowd import Crowd, crowd_of
from tasks.recommendation.journal import CART, PURCHASE, VIEW, Journal
from tasks.recommendation.past import Past, blocks, past

LOOK_BACK = 500
"""Rows of an entity's history that reasons tell of, its last ones."""

ANCHORS = 5
"""Different items of the history, the last ones, because of which another may be shown."""

NEW_FOR = np.timedelta64(30, "D")
"""How long an item is new; in the first days of the data none is."""


class Reason(IntEnum):
    """Kinds of reasons, the more telling the higher. A reason is an int64 code: its kind times BASE plus what it is
    about, an item, a region, a span of time or a count."""

    PICKED = 0
    NEW = 1
    CATEGORY = 2
    POPULAR = 3
    POPULAR_IN = 4
    BECAUSE = 5
    VIEWED = 6
    CARTED = 7
    BOUGHT = 8
    AGAIN = 9
    OFTEN = 10


BASE = 1 << 40

_DAY = np.timedelta64(1, "D")
_UNITS = ("hour", "day", "week", "month", "year")
_UNIT_DAYS = np.array([1 / 24, 1.0, 7.0, 365.25 / 12, 365.25])
_UNIT_FROM = np.array([0.98, 13.5, 60.0, 730.0])
"""Days from which on the next larger unit is spoken of."""
_SPAN = 100_000


def reasons(journal: Journal, cases: Cases, items: np.ndarray) -> pa.DictionaryArray:
    """The reasons for what is shown to n cases, case by case, best item first; of others they tell what was known at
    the start of the case's day, UTC.

    `items`: int32 [n, k], positions in the catalogue, -1 for none, which has no reason.
    """
    codes = np.empty(items.shape, np.int64)
    days = cases.cutoff.astype("datetime64[D]")
    for day in np.unique(days):
        today = np.flatnonzero(days == day)
        asked, crowd = cases.take(today), crowd_of(journal, day)
        for block in blocks(journal, asked, LOOK_BACK, at_once=500_000, limit=8192):
            part = asked.take(np.arange(block.start, block.stop))
            codes[today[block]] = reason_codes(journal, part, items[today[block]], crowd)
    distinct, index = np.unique(codes[items >= 0], return_inverse=True)
    words = [_words(journal, *divmod(int(code), BASE)) for code in distinct]
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(words, pa.string()))


def reason_codes(journal: Journal, cases: Cases, items: np.ndarray, crowd: Crowd) -> np.ndarray:
    """The code of each reason, int64 [b, k], for cases of one day; of no meaning where the item is -1."""
    history = past(journal, cases, LOOK_BACK)
    codes = _own(journal, cases, items, history)
    case, place = np.nonzero((codes == 0) & (items >= 0))
    item = items[case, place].astype(np.int64)
    anchor = _anchors(history, len(journal.catalogue))[case]

    found = np.full(len(case), Reason.PICKED * BASE)
    found[_is_new(journal, item, cases.cutoff[case])] = Reason.NEW * BASE
    known = _category_known(journal.catalogue, item, anchor)
    found[known] = Reason.CATEGORY * BASE + item[known]
    found[crowd.popular[item]] = Reason.POPULAR * BASE
    region = journal.region_at(cases.entity, cases.cutoff)[case].astype(np.int64)
    there = crowd.is_popular_in(region, item)
    found[there] = Reason.POPULAR_IN * BASE + region[there]
    strength = np.where(anchor >= 0, crowd.strength(np.maximum(anchor, 0), item[:, None]), np.float32(0))
    best = strength.argmax(axis=1)
    linked = strength[np.arange(len(best)), best] > 0
    found[linked] = Reason.BECAUSE * BASE + anchor[linked, best[linked]]
    codes[case, place] = found
    return codes


def _own(journal: Journal, cases: Cases, items: np.ndarray, history: Past) -> np.ndarray:
    """Reasons from what the entity did with the item itself, int64 [b, k]; 0 where it did nothing."""
    many = len(journal.catalogue)
    shown = np.where(items >= 0, np.arange(len(items))[:, None] * many + items, -1).ravel()
    codes = np.zeros(len(shown), np.int64)
    order = np.argsort(shown, kind="stable")
    key = history.case * many + history.item
    place = np.minimum(np.searchsorted(shown, key, sorter=order), len(shown) - 1)
    hit = shown[order[place]] == key if len(shown) else np.zeros(len(key), bool)
    slot, row = order[place[hit]], history.row[hit]
    kind, at = journal.events.columns["kind"][row], journal.events.occurred_at[row]
    ago = cases.cutoff[history.case[hit]] - at
    for what, reason in ((VIEW, Reason.VIEWED), (CART, Reason.CARTED), (PURCHASE, Reason.BOUGHT)):
        mine = kind == what
        codes[slot[mine]] = reason * BASE + _span(ago[mine])  # rows come in order of time: the last one stays

    bought = np.flatnonzero(kind == PURCHASE)
    bought = bought[np.argsort(slot[bought], kind="stable")]
    slot, step, at = slot[bought], journal.events.columns["step"][row[bought]], at[bought]
    once = np.ones(len(slot), bool)
    once[1:] = (slot[1:] != slot[:-1]) | (step[1:] != step[:-1])  # two lines of one order are one purchase
    slot, at = slot[once], at[once]
    again = np.flatnonzero(slot[1:] == slot[:-1])
    slot, gap = slot[again], at[again + 1] - at[again]
    order = np.lexsort((gap, slot))
    repeated, first, count = np.unique(slot, return_index=True, return_counts=True)
    usual = gap[order][first + (count - 1) // 2]  # the median, the lower one of two
    codes[repeated] = np.where(usual >= _DAY, Reason.AGAIN * BASE + _span(usual), Reason.OFTEN * BASE + count + 1)
    return codes.reshape(items.shape)


def _anchors(history: Past, many: int) -> np.ndarray:
    """The last different items of each case, the latest first, int64 [b, ANCHORS], -1 where there are no more."""
    key = history.case * many + history.item
    last = np.sort(len(key) - 1 - np.unique(key[::-1], return_index=True)[1])
    case = history.case[last]
    place = np.searchsorted(case, case, side="right") - 1 - np.arange(len(case))
    anchors = np.full((len(history), ANCHORS), -1, np.int64)
    late = place < ANCHORS
    anchors[case[late], place[late]] = history.item[last[late]]
    return anchors


def _is_new(journal: Journal, item: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """Which items have been there for less than NEW_FOR, bool [m]."""
    known = journal.catalogue.known_from[item]
    at = journal.events.occurred_at
    return (cutoff - known < NEW_FOR) & (known - at.min() > NEW_FOR) if len(at) else np.zeros(len(item), bool)


def _category_known(catalogue: Catalogue, item: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Whether the item's category is that of one of the anchors, bool [m]."""
    category = catalogue.labels.get("category")
    if category is None:
        return np.zeros(len(item), bool)
    code = category[item]
    return (code >= 0) & ((anchor >= 0) & (category[anchor] == code[:, None])).any(axis=1)


def _span(length: np.ndarray) -> np.ndarray:
    """Lengths of time, timedelta64 [m], as unit * _SPAN + number of units, in the unit that people would use."""
    days = length / _DAY
    unit = np.searchsorted(_UNIT_FROM, days, side="right")
    unit[np.round(days) == 7] = 2
    number = np.minimum(np.round(days / _UNIT_DAYS[unit]), _SPAN - 1)
    return unit * _SPAN + number.astype(np.int64)


def _words(journal: Journal, kind: int, about: int) -> str:
    catalogue = journal.catalogue
    number, unit = about % _SPAN, _UNITS[min(about // _SPAN, len(_UNITS) - 1)]
    ago = f"{number} {unit}{'s' * (number != 1)} ago" if number else "less than an hour ago"
    match kind:
        case Reason.OFTEN:
            return f"bought {about} times"
        case Reason.AGAIN:
            return f"bought again every {unit if number == 1 else f'{number} {unit}s'}"
        case Reason.BOUGHT:
            return f"bought before, {ago}"
        case Reason.CARTED:
            return f"put in the cart {ago}"
        case Reason.VIEWED:
            return f"viewed {ago}"
        case Reason.BECAUSE:
            return f"because of {catalogue.title[about] or catalogue.ids[about]}"
        case Reason.POPULAR_IN:
            return f"popular in {journal.regions[about]}"
        case Reason.POPULAR:
            return "popular now"
        case Reason.CATEGORY:
            return f"more of {catalogue.categories['category'][catalogue.labels['category'][about]]}"
        case Reason.NEW:
            return "new"
    return "picked for you"

"""What must not be shown: items that do not exist yet, and what the shop or the case itself excludes."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from forecasting.histories import ragged_ranges
from forecasting.task import Cases
from tasks.recommendation.catalogue import Catalogue
from tasks.recommendation.journal import Journal, Stock
from tasks.recommendation.options import RecommendationOptions

ALWAYS = np.datetime64(np.iinfo(np.int64).min + 1, "us")
"""Before every cutoff (the smallest integer is numpy's NaT)."""

NEVER = np.datetime64(np.iinfo(np.int64).max, "us")
"""After every cutoff."""

TICK = np.timedelta64(1, "us")

Cells = tuple[np.ndarray, np.ndarray]
"""Rows and columns of a matrix of scores, int64 [m] each."""


@dataclass(frozen=True, eq=False)
class Closures:
    """When items may not be shown, whoever asks: `item` int32 [m] is closed to cutoffs in [`since`, `until`),
    datetime64[us] [m], UTC."""

    item: np.ndarray
    since: np.ndarray
    until: np.ndarray

    @staticmethod
    def unborn(catalogue: Catalogue) -> Closures:
        """Items are closed until they exist, and those that `items` does not list always: then no customer can choose
        them. The probabilities of the others add up to one."""
        item = np.arange(len(catalogue), dtype=np.int32)
        born = catalogue.known_from.astype("datetime64[us]")
        exists = catalogue.listed & ~np.isnat(born)
        until = np.where(exists, np.minimum(born, NEVER - TICK) + TICK, NEVER)
        return Closures(item, np.full(len(item), ALWAYS), until)

    @staticmethod
    def denied(catalogue: Catalogue, options: RecommendationOptions) -> Closures:
        """Items and categories on the shop's deny lists."""
        barred = np.isin(catalogue.ids, list(options.deny))
        if options.deny_categories and "category" in catalogue.labels:
            names = np.isin(catalogue.categories["category"], list(options.deny_categories))
            barred |= np.append(names, False)[catalogue.labels["category"]]  # code -1 reads the appended one
        item = np.flatnonzero(barred).astype(np.int32)
        return Closures(item, np.full(len(item), ALWAYS), np.full(len(item), NEVER))

    @staticmethod
    def sold_out(stock: Stock) -> Closures:
        """Items that have been counted somewhere, and whose latest count is zero or less at every location where there
        is one. A late count of an earlier instant replaces no newer one; an item never counted is in stock, and a count
        that says nothing (NaN) is none."""
        if stock not in _SOLD_OUT:
            _SOLD_OUT[stock] = _sold_out(stock)
        return _SOLD_OUT[stock]

    def __add__(self, other: Closures) -> Closures:
        return Closures(
            np.concatenate([self.item, other.item]),
            np.concatenate([self.since, other.since]),
            np.concatenate([self.until, other.until]),
        )

    def within(self, cutoff: np.ndarray) -> Closures:
        """Those that matter to any of the cutoffs, datetime64[us] [n]."""
        if not len(cutoff):
            return self
        near = (self.since <= cutoff.max()) & (self.until > cutoff.min())
        return Closures(self.item[near], self.since[near], self.until[near])

    def by_item(self) -> Closures:
        """The same, ascending by item."""
        order = np.argsort(self.item, kind="stable")
        return Closures(self.item[order], self.since[order], self.until[order])

    def covers(self, items: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        """Whether each of `items`, int32 [b, L], is closed to the cutoff of its row, datetime64[us] [b]: bool [b, L].
        Asks for closures in the order of `by_item`."""
        closed = np.zeros(items.size, bool)
        if not len(self.item):
            return closed.reshape(items.shape)
        first = np.searchsorted(self.item, items.ravel())
        count = np.searchsorted(self.item, items.ravel(), side="right") - first
        cell, row = np.repeat(np.arange(items.size), count), ragged_ranges(first, count)
        at = cutoff[cell // items.shape[1]]
        closed[cell[(self.since[row] <= at) & (at < self.until[row])]] = True
        return closed.reshape(items.shape)

    def close(self, scores: np.ndarray, cutoff: np.ndarray) -> None:
        """Writes -inf to `scores`, float32 [b, N], where an item is closed to the case's cutoff, datetime64[us] [b]."""
        if not len(cutoff):
            return
        order = np.argsort(cutoff, kind="stable")
        ordered = cutoff[order]
        near = self.within(cutoff)
        item = near.item
        first = np.searchsorted(ordered, near.since)
        count = np.searchsorted(ordered, near.until) - first
        whole = count == len(cutoff)
        scores[:, np.unique(item[whole])] = -np.inf
        item, first, count = item[~whole], first[~whole], count[~whole]
        scores[order[ragged_ranges(first, count)], np.repeat(item, count)] = -np.inf


_SOLD_OUT: WeakKeyDictionary[Stock, Closures] = WeakKeyDictionary()  # shard after shard asks for the same


def _sold_out(stock: Stock) -> Closures:
    counted = (stock.item >= 0) & ~np.isnan(stock.on_hand)
    item, location, on_hand = (values[counted] for values in (stock.item, stock.location, stock.on_hand))
    occurred_at, known_at = stock.occurred_at[counted], stock.known_at[counted]
    pair = item.astype(np.int64) * (int(location.max(initial=0)) + 2) + location + 1  # -1: at no place by name
    since = np.maximum(occurred_at + TICK, known_at)  # occurred_at < cutoff and known_at <= cutoff
    age = np.empty(len(pair), np.int64)
    age[np.lexsort((known_at, occurred_at, pair))] = np.arange(len(pair))
    order = np.lexsort((age, since, pair))
    # Ages of one pair are above those of all pairs before it, so that one running maximum serves all pairs.
    newest = age[order] == np.maximum.accumulate(age[order])
    order = order[newest]
    pair, item, since = pair[order], item[order], since[order]
    filled = (on_hand[order] > 0).astype(np.int64)
    begins = np.diff(pair, prepend=-1) != 0
    change = filled - np.where(begins, 0, np.roll(filled, 1))

    order = np.lexsort((since, item))
    item, since = item[order], since[order]
    stocked = np.cumsum(change[order])  # at how many locations there is some, once the items before are taken off
    first = np.flatnonzero(np.diff(item, prepend=-1) != 0)
    stocked -= np.repeat(np.append(0, stocked)[first], np.diff(np.append(first, len(item))))
    follows = np.append(item[1:] == item[:-1], False) if len(item) else np.empty(0, bool)
    until = np.where(follows, np.roll(since, -1), NEVER)
    gone = (stocked <= 0) & (since < until)
    return Closures(item[gone], since[gone], until[gone])


def seen(journal: Journal, cases: Cases) -> Cells:
    """What each case's entity has had to do with by the case's cutoff: rows (cases) and columns (items), each once."""
    events = journal.events
    entity, of = np.unique(cases.entity, return_inverse=True)
    stop = events.stop(cases.entity, cases.cutoff)
    last = np.zeros(len(entity), np.int64)
    np.maximum.at(last, of, stop)
    length = np.maximum(last - events.offsets[entity], 0)
    row = ragged_ranges(events.offsets[entity], length)
    key = np.repeat(np.arange(len(entity)), length) * len(journal.catalogue) + events.columns["item"][row]
    # A customer may come back to an item a thousand times, and be a thousand cases: only first times are looked at.
    row = row[np.sort(np.unique(key, return_index=True)[1])]
    begin, end = np.searchsorted(row, events.offsets[cases.entity]), np.searchsorted(row, stop)
    found = row[ragged_ranges(begin, end - begin)]
    return np.repeat(np.arange(len(cases)), end - begin), events.columns["item"][found].astype(np.int64)

"""The latest events of customers as the sequence model reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from forecasting.features.time import log_gaps
from forecasting.task import Cases
from tasks.churn.customers import PURCHASE, RETURN, VISIT, Customers

STEP_COLUMNS = ("gap", "value", "value_known", "units", "items", "purchase", "return", "visit")
"""Columns of an event: log(1 + days since the event before), log(1 + value) and whether it is known, log(1 + units),
log(1 + items), and flags of its kind. What is unknown is 0."""

_GAP = STEP_COLUMNS.index("gap")

FACT_STEPS: Mapping[str, tuple[str, ...]] = {
    "rhythm": ("gap",),
    "value": ("value", "value_known"),
    "basket": ("units", "items"),
}
"""Columns of events that belong to a fact."""

FACT_KINDS: Mapping[str, str] = {"returns": "return", "visits": "visit"}
"""Kinds of events that belong to a fact."""

EVENT_FACTS = frozenset({*FACT_STEPS, *FACT_KINDS, "category"})
"""Facts that show in the events."""


@dataclass(frozen=True, eq=False)
class LatestEvents:
    """The last T events of n cases, oldest first, at the right end: `columns` float32 [n, T, C] (STEP_COLUMNS, 0 where
    masked), `category` int32 [n, T] code into `categories` (object array of str; -1 unknown), `mask` bool [n, T], which
    cells hold an event. Codes are those of one dataset: what is learnt about a category goes by its label."""

    columns: np.ndarray
    category: np.ndarray
    mask: np.ndarray
    categories: np.ndarray = field(default_factory=lambda: np.empty(0, object))

    def take(self, index: np.ndarray) -> LatestEvents:
        """Those of the cases at `index`."""
        return replace(self, columns=self.columns[index], category=self.category[index], mask=self.mask[index])

    def differs(self, other: LatestEvents) -> np.ndarray:
        """Whether the events of each case differ from those of `other`, bool [n]."""
        steps = (self.columns != other.columns).any(axis=2) | (self.category != other.category)
        return (steps | (self.mask != other.mask)).any(axis=1)

    def with_columns(self, columns: list[int], values: np.ndarray) -> LatestEvents:
        """The same events with some columns set to constants, float32 [len(columns)]. The first one has no event
        before it, and keeps its gap of 0."""
        changed = self.columns.copy()
        changed[:, :, columns] = np.where(self.mask[:, :, None], values, 0.0)
        first = self.mask.copy()
        first[:, 1:] &= ~self.mask[:, :-1]
        changed[first, _GAP] = self.columns[first, _GAP]
        return replace(self, columns=changed)

    def without_kind(self, kind: str) -> LatestEvents:
        """Without events of a kind ("return", "visit"): gaps reach over them. The very same object where there is
        none."""
        gone = self.mask & (self.columns[:, :, STEP_COLUMNS.index(kind)] > 0)
        case = np.flatnonzero(gone.any(axis=1))
        if not len(case):
            return self
        left = self.mask[case] & ~gone[case]
        order = np.argsort(left, axis=1, kind="stable")  # what is left to the right, in its order
        left = np.take_along_axis(left, order, axis=1)
        since = np.cumsum(np.expm1(self.columns[case, :, _GAP].astype(np.float64)), axis=1)
        gap = np.diff(np.take_along_axis(since, order, axis=1), axis=1)
        moved = np.take_along_axis(self.columns[case], order[:, :, None], axis=1)
        moved[:, :, _GAP] = 0.0
        moved[:, 1:, _GAP] = np.where(left[:, 1:] & left[:, :-1], np.log1p(np.maximum(gap, 0.0)), 0.0)
        moved[~left] = 0.0
        columns, category, mask = self.columns.copy(), self.category.copy(), self.mask.copy()
        columns[case], mask[case] = moved, left
        category[case] = np.where(left, np.take_along_axis(self.category[case], order, axis=1), -1)
        return replace(self, columns=columns, category=category, mask=mask)


def latest_events(customers: Customers, cases: Cases, length: int) -> LatestEvents:
    """The last `length` events that each case sees."""
    events = customers.events
    labels = events.categories.get("category", np.empty(0, object))
    row, mask = events.window(cases.entity, cases.cutoff, length)
    kind = events.columns["kind"][row] if len(events.occurred_at) else np.zeros(row.shape, np.int8)
    if not len(events.occurred_at):
        empty = np.zeros((*row.shape, len(STEP_COLUMNS)), np.float32)
        return LatestEvents(empty, np.full(row.shape, -1, np.int32), mask, labels)
    value = events.columns["value"][row]
    numbers = [
        log_gaps(events.occurred_at[row], mask),
        _log(value),
        np.isfinite(value),
        _log(events.columns["units"][row]),
        _log(events.columns["items"][row]),
        *(kind == one for one in (PURCHASE, RETURN, VISIT)),
    ]
    columns = np.stack(numbers, axis=2).astype(np.float32)
    columns[~mask] = 0.0
    category = np.where(mask, events.columns["category"][row], -1).astype(np.int32)
    return LatestEvents(columns, category, mask, labels)


def _log(values: np.ndarray) -> np.ndarray:
    return np.log1p(np.maximum(np.nan_to_num(values), 0.0))

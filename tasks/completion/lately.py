"""What others did lately, as of each case's cutoff: how long orders of the same origin, route, carrier took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting.task import Cases
from tasks.completion.spans import Spans, gaps, remaining
from tasks.completion.heard import DAY, NEVER, Heard, microseconds
from tasks.completion.orders import PLACED, Orders
from tasks.completion.running_totals import RunningTotals

MOST_STATUSES = 6
"""Gaps before an event are told by its status where there are at most so many."""

PRIOR = 8.0
"""Spans that what stands above a group counts in its level."""

_BASE_DAYS, _BASE_MOST = 90, 400
_SHORT, _MIDDLE, _LONG = 7, 28, 90


@dataclass(frozen=True, eq=False)
class Levels:
    """Mean log durations by group and status, as of any cutoff."""

    totals: RunningTotals
    statuses: int
    label: np.ndarray

    @staticmethod
    def of(spans: Spans, label: np.ndarray, statuses: int, values: np.ndarray) -> Levels:
        """`label`: int [N], the group of each order, -1 for none; `values`: float64 [R], of the spans."""
        group = _coded(label[spans.order], spans.status, statuses)
        return Levels(RunningTotals.of(spans.seen, group, values), statuses, label)

    def at(
        self,
        order: np.ndarray,
        status: np.ndarray,
        cutoff: np.ndarray,
        days: float,
        above: np.ndarray,
        prior: float = PRIOR,
        at_most: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(level, count), float64 [n] each, over the last `days`: the mean of the order's group at that status, in
        which `above` (float64 [n]) counts `prior` times; where that is unknown, the group's own mean."""
        until = self.totals.rank(cutoff)
        after = self.totals.rank(cutoff - int(days * DAY))
        count, (total,) = self.totals.between(_coded(self.label[order], status, self.statuses), after, until, at_most)
        known = np.isfinite(above)
        weight = np.where(known, prior, 0.0)
        with np.errstate(invalid="ignore"):
            return (total + weight * np.where(known, above, 0.0)) / (count + weight), count


def _coded(label: np.ndarray, status: np.ndarray, statuses: int) -> np.ndarray:
    return np.where(label >= 0, label.astype(np.int64) * statuses + status, -1)


def lately_figures(orders: Orders, cases: Cases) -> Mapping[str, np.ndarray]:
    """Figures by name, float64 [n], NaN where unknown."""
    heard = Heard.of(orders)
    cutoff = microseconds(cases.cutoff)
    status = orders.events.columns["status"][cases.columns["event"]].astype(np.int64)
    figures: dict[str, np.ndarray] = {}
    figures |= _remaining_figures(orders, heard, cases.entity, status, cutoff)
    figures |= _gap_figures(orders, heard, cases.entity, cutoff)
    return figures


def _groups(orders: Orders) -> dict[str, np.ndarray]:
    return {"all": np.zeros(len(orders), np.int64), **orders.labels}


def _remaining_figures(
    orders: Orders, heard: Heard, order: np.ndarray, status: np.ndarray, cutoff: np.ndarray
) -> dict[str, np.ndarray]:
    spans = remaining(orders, heard)
    count = len(orders.statuses)
    groups = _groups(orders)
    base = [
        Levels.of(spans, groups[name], count, spans.log_days)
        for name in ("all", "destination", "route")
        if name in groups
    ]

    def expected(order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
        level = np.full(len(order), np.nan)
        for levels in base:
            level, _ = levels.at(order, status, cutoff, _BASE_DAYS, level, at_most=_BASE_MOST)
        return level

    figures = {"expected": expected(order, status, cutoff)}
    surprise = spans.log_days - expected(spans.order, spans.status, spans.began)
    known = np.isfinite(surprise)
    told = spans.take(known)
    surprise = surprise[known]
    nothing = np.full(len(order), 0.0)
    levels = Levels.of(told, groups["all"], count, surprise)
    for days in (_SHORT, _MIDDLE):
        figures[f"all_{days}d"], _ = levels.at(order, status, cutoff, days, nothing)
    every = figures[f"all_{_MIDDLE}d"]
    groups |= _cells(orders)
    for name, label in groups.items():
        if name == "all":
            continue
        levels = Levels.of(told, label, count, surprise)
        for days in (_MIDDLE, _LONG):
            figures[f"{name}_{days}d"], number = levels.at(order, status, cutoff, days, every)
            figures[f"{name}_{days}d_count"] = np.log1p(number)
    return figures


def _cells(orders: Orders) -> dict[str, np.ndarray]:
    la, lb = orders.destination_latitude, orders.destination_longitude
    out = {}
    for w in (0.5, 2.0):
        ok = np.isfinite(la) & np.isfinite(lb)
        c = np.where(ok, np.floor((np.nan_to_num(la) + 90) / w) * 1000 + np.floor((np.nan_to_num(lb) + 180) / w), -1)
        out[f"cell{w:g}"] = c.astype(np.int64)
    return out


def _gap_figures(orders: Orders, heard: Heard, order: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    count = len(orders.statuses)
    if count > MOST_STATUSES:
        return {}
    spans = gaps(orders, heard)
    groups = _groups(orders)
    figures = {}
    for code, name in enumerate(orders.statuses):
        if name == PLACED:
            continue
        status = np.full(len(order), code)
        every, _ = Levels.of(spans, groups["all"], count, spans.log_days).at(
            order, status, cutoff, _MIDDLE, np.full(len(order), np.nan)
        )
        figures[f"gap@{name}_all"] = every
        for group in ("origin", "origin_area"):
            if group in groups:
                levels = Levels.of(spans, groups[group], count, spans.log_days)
                for days in (_MIDDLE, _LONG):
                    figures[f"gap@{name}_{group}_{days}d"], number = levels.at(
                        order, status, cutoff, days, every, prior=4.0
                    )
    return figures

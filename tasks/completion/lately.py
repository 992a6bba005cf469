"""What others did lately, as of each case's cutoff: how long orders of the same origin, route, carrier took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.task import Cases
from tasks.completion.heard import Heard, microseconds
from tasks.completion.levels import Levels
from tasks.completion.orders import PLACED, Orders
from tasks.completion.past import Past
from tasks.completion.recent import recent, recent_of
from tasks.completion.spans import gaps

__all__ = ["lately_figures", "recent", "recent_of"]

MOST_STATUSES = 6
"""Gaps before an event are told by its status where there are at most so many."""

_SHORT, _MIDDLE, _LONG = 7, 28, 90


def lately_figures(orders: Orders, cases: Cases, past: Past | None = None) -> Mapping[str, np.ndarray]:
    """Figures by name, float64 [n], NaN where unknown. `past`: of the same orders, where it is there already."""
    past = Past.of(orders) if past is None else past
    cutoff = microseconds(cases.cutoff)
    status = past.status[cases.columns["event"]]
    figures: dict[str, np.ndarray] = {}
    figures |= _remaining_figures(past, cases.entity, status, cutoff)
    figures |= _gap_figures(orders, past.heard, cases.entity, cutoff)
    return figures


def _remaining_figures(past: Past, order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    orders, count = past.orders, len(past.orders.statuses)
    figures = {"expected": past.expected.at(order, status, cutoff)}
    surprise = past.remaining.log_days - past.expected.at_event[past.remaining.event]
    known = np.isfinite(surprise)
    told, surprise = past.remaining.take(known), surprise[known]
    every = np.zeros(len(order))
    levels = Levels.of(told, np.zeros(len(orders), np.int64), count, surprise)
    for days in (_SHORT, _MIDDLE):
        figures[f"all_{days}d"], _ = levels.at(order, status, cutoff, days, every)
    every = figures[f"all_{_MIDDLE}d"]
    for name, label in {**orders.labels, **_cells(orders)}.items():
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
    figures = {}
    unknown = np.full(len(order), np.nan)
    everywhere = Levels.of(spans, np.zeros(len(orders), np.int64), count, spans.log_days)
    groups = [name for name in ("origin", "origin_area") if name in orders.labels]
    levels = {name: Levels.of(spans, orders.labels[name], count, spans.log_days) for name in groups}
    for code, name in enumerate(orders.statuses):
        if name == PLACED:
            continue
        status = np.full(len(order), code)
        every, _ = everywhere.at(order, status, cutoff, _MIDDLE, unknown)
        figures[f"gap@{name}_all"] = every
        for group in groups:
            for days in (_MIDDLE, _LONG):
                figures[f"gap@{name}_{group}_{days}d"], _ = levels[group].at(order, status, cutoff, days, every, 4.0)
    return figures

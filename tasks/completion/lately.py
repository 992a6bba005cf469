"""What others did lately, as of each case's cutoff: how long orders of the same origin, route, carrier took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import first_statuses
from tasks.completion.heard import microseconds
from tasks.completion.levels import Levels
from tasks.completion.orders import PLACED, Orders
from tasks.completion.past import Past
from tasks.completion.recent import recent, recent_of
from tasks.completion.spans import gaps

__all__ = ["lately_figures", "recent", "recent_of"]

MOST_STATUSES = 6
"""Gaps are told for so many statuses, the first that ever occurred."""

NEIGHBOURHOODS = {"near": 0.5, "around": 2.0}
"""Cells around the destination by name, and how many degrees they are wide and high: some 50 and 200 kilometres."""

_SHORT, _MIDDLE, _LONG = 7, 28, 90
_GAP_PRIOR = 4.0


def lately_figures(orders: Orders, cases: Cases, past: Past | None = None) -> Mapping[str, np.ndarray]:
    """Figures by name, float64 [n], NaN where unknown, each as of its case's cutoff. `past`: of the same orders, where
    it is there already.

    `expected`: the mean log of the days that remained on its route from the case's stage to completion, of what was
    completed in the last 90 days (class `Expected`). `all_7d`, `all_28d`: by how much orders completed in the last
    days surprised: the mean, over spans from the case's stage, of the log of what remained less what was expected at
    the time. `LABEL_28d`, `LABEL_90d`: the same of orders of the same label (`Orders.labels`) or neighbourhood, drawn
    towards that of all; with `_count`, log(1 + how many). `gap@STATUS_all`, `gap@STATUS_origin_28d`, ...: the mean log
    of the days that went by before events of a status, of all orders in the last 28 days and of the same origin or area
    of origin, drawn towards that.
    """
    past = Past.of(orders) if past is None else past
    cutoff = microseconds(cases.cutoff)
    status = past.status[cases.columns["event"]]
    return _surprises(past, cases.entity, status, cutoff) | _gaps(past, cases.entity, cutoff)


def _surprises(past: Past, order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    orders, count = past.orders, len(past.orders.statuses)
    figures = {"expected": past.expected.at(order, status, cutoff)}
    surprise = past.remaining.log_days - past.expected.at_event[past.remaining.event]
    known = np.isfinite(surprise)
    told, surprise = past.remaining.take(known), surprise[known]
    levels = Levels.of(told, np.zeros(len(orders), np.int64), count, surprise)
    for days in (_SHORT, _MIDDLE):
        figures[f"all_{days}d"], _ = levels.at(order, status, cutoff, days, np.zeros(len(order)))
    every = figures[f"all_{_MIDDLE}d"]
    for name, label in {**orders.labels, **_neighbourhoods(orders)}.items():
        levels = Levels.of(told, label, count, surprise)
        for days in (_MIDDLE, _LONG):
            figures[f"{name}_{days}d"], number = levels.at(order, status, cutoff, days, every)
            figures[f"{name}_{days}d_count"] = np.log1p(number)
    return figures


def _neighbourhoods(orders: Orders) -> dict[str, np.ndarray]:
    """The cell of each order's destination, int64 [N] by name of NEIGHBOURHOODS; -1 where its place is unknown."""
    latitude, longitude = orders.destination_latitude, orders.destination_longitude
    known = np.isfinite(latitude) & np.isfinite(longitude)
    north, east = np.where(known, latitude + 90.0, 0.0), np.where(known, longitude + 180.0, 0.0)
    cells = {name: np.floor(north / width) * 1000 + np.floor(east / width) for name, width in NEIGHBOURHOODS.items()}
    return {name: np.where(known, cell, -1).astype(np.int64) for name, cell in cells.items()}


def _gaps(past: Past, order: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    orders, count = past.orders, len(past.orders.statuses)
    spans = gaps(orders, past.heard)
    everywhere = Levels.of(spans, np.zeros(len(orders), np.int64), count, spans.log_days)
    groups = [name for name in ("origin", "origin_area") if name in orders.labels]
    levels = {name: Levels.of(spans, orders.labels[name], count, spans.log_days) for name in groups}
    unknown = np.full(len(order), np.nan)
    figures = {}
    named = set(orders.once(first_statuses)[:MOST_STATUSES]) - {PLACED}
    for code, name in enumerate(orders.statuses):
        if name not in named:
            continue
        status = np.full(len(order), code)
        every, _ = everywhere.at(order, status, cutoff, _MIDDLE, unknown)
        figures[f"gap@{name}_all"] = every
        for group in groups:
            for days in (_MIDDLE, _LONG):
                figures[f"gap@{name}_{group}_{days}d"], _ = levels[group].at(
                    order, status, cutoff, days, every, _GAP_PRIOR
                )
    return figures

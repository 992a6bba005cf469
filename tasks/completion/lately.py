"""What others did lately, as of each case's cutoff: how long orders of the same origin, route, carrier took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.case_facts import first_statuses
from tasks.completion.heard import microseconds
from tasks.completion.levels import Levels
from tasks.completion.orders import PLACED, Orders
from tasks.completion.past import Past
from tasks.completion.spans import gaps

MOST_STATUSES = 6
"""Gaps are told for so many statuses, the first that ever occurred."""

NEIGHBOURHOODS = {"near": 0.5, "around": 2.0}
"""Cells around the destination by name, and how many degrees they are wide and high: some 50 and 200 kilometres."""

_ORIGINS = ("origin", "origin_area")
_SHORT, _MIDDLE, _LONG = 7, 28, 90
_GAP_PRIOR = 4.0


def lately_figures(orders: Orders, cases: Cases) -> Mapping[str, np.ndarray]:
    """Figures by name, float64 [n], NaN where unknown, each as of its case's cutoff.

    `expected`: the mean log of the days that remained on its route from the case's stage to completion, of what was
    completed in the last 90 days (class `Expected`). `all_7d`, `all_28d`: by how much orders completed in the last
    days surprised: the mean, over spans from the case's stage, of the log of what remained less what was expected at
    the time. `LABEL_28d`, `LABEL_90d`: the same of orders of the same label (`Orders.labels`) or neighbourhood, drawn
    towards that of all; with `_count`, log(1 + how many). `gap@STATUS_all`, `gap@STATUS_origin_28d`, ...: the mean log
    of the days that went by before events of a status, of all orders in the last 28 days and of the same origin or area
    of origin, drawn towards that.
    """
    past, told = orders.once(Past.of), orders.once(_Told.of)
    cutoff = microseconds(cases.cutoff)
    status = past.status[cases.columns["event"]]
    figures = {"expected": past.expected.at(cases.entity, status, cutoff)}
    return figures | _surprises(told, cases.entity, status, cutoff) | _gaps(told, cases.entity, cutoff)


@dataclass(frozen=True, eq=False)
class _Told:
    """What is averaged, indexed by those who did it; no case has a part in it. `surprises`, by the status that spans
    began with, of all orders and by name of a label or neighbourhood; `gaps`, by the status that ended them, of all
    orders and by origin. `codes`: the statuses of which gaps are told, by code."""

    surprises: Levels
    surprises_by: Mapping[str, Levels]
    gaps: Levels
    gaps_by: Mapping[str, Levels]
    codes: Mapping[int, str]

    @staticmethod
    def of(orders: Orders) -> _Told:
        """Of all orders."""
        past, count = orders.once(Past.of), len(orders.statuses)
        surprise = past.remaining.log_days - past.expected.at_event[past.remaining.event]
        known = np.isfinite(surprise)
        spans, surprise = past.remaining.take(known), surprise[known]
        between = gaps(orders, past.heard)
        everybody = np.zeros(len(orders), np.int64)
        labels = {**orders.labels, **_neighbourhoods(orders)}
        origins = {name: orders.labels[name] for name in _ORIGINS if name in orders.labels}
        named = set(orders.once(first_statuses)[:MOST_STATUSES]) - {PLACED}
        return _Told(
            Levels.of(spans, everybody, count, surprise),
            {name: Levels.of(spans, label, count, surprise) for name, label in labels.items()},
            Levels.of(between, everybody, count, between.log_days),
            {name: Levels.of(between, label, count, between.log_days) for name, label in origins.items()},
            {code: name for code, name in enumerate(orders.statuses) if name in named},
        )


def _surprises(told: _Told, order: np.ndarray, status: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    figures = {}
    for days in (_SHORT, _MIDDLE):
        figures[f"all_{days}d"], _ = told.surprises.at(order, status, cutoff, days, np.zeros(len(order)))
    every = figures[f"all_{_MIDDLE}d"]
    for name, levels in told.surprises_by.items():
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


def _gaps(told: _Told, order: np.ndarray, cutoff: np.ndarray) -> dict[str, np.ndarray]:
    unknown = np.full(len(order), np.nan)
    figures = {}
    for code, name in told.codes.items():
        status = np.full(len(order), code)
        every, _ = told.gaps.at(order, status, cutoff, _MIDDLE, unknown)
        figures[f"gap@{name}_all"] = every
        for group, levels in told.gaps_by.items():
            for days in (_MIDDLE, _LONG):
                figures[f"gap@{name}_{group}_{days}d"], _ = levels.at(order, status, cutoff, days, every, _GAP_PRIOR)
    return figures

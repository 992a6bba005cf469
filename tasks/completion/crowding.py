"""Whether more orders come in than go out, against what is usual: a surge (a sale, a strike) that has to be worked off.

The open orders of a surge are still young, and nothing is late yet that could tell: durations and the pace of
completions say so only weeks later. A network cannot learn it either, of the few surges that a history holds.
"""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases
from tasks.completion.heard import DAY, days_before, microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.running_totals import FIXED

WEEK = 7
"""Days that are counted: whole weeks, as orders come and go by the weekday."""

USUAL_DAYS = 56
"""The usual is that of so many days before the last week."""

LEAST_COMPLETED = 50
"""Completions a week below which nothing is said: chance, or a shop that has just begun."""

USUAL_SWING = 0.2
"""So much, up or down, is as usual."""

MOST = 1.0
"""No surge counts for more."""


def log_crowding(orders: Orders, cases: Cases) -> np.ndarray:
    """log (orders placed / orders completed) in the week before the last midnight (UTC) of each case's cutoff, less its
    mean over the USUAL_DAYS before, float64 [n]: 0 within USUAL_SWING, and the swing less further out."""
    until = microseconds(cases.cutoff) // DAY
    if not len(until):
        return np.zeros(0)
    first = int(until.min()) - USUAL_DAYS - WEEK
    midnights = np.arange(first, int(until.max()) + 1) * DAY
    past = orders.once(Past.of)
    placed, completed = (days_before(seen, midnights, WEEK) for seen in (past.placements, past.completions))
    enough = completed >= LEAST_COMPLETED
    ratio = np.where(enough, np.log(np.maximum(placed, 1) / np.maximum(completed, 1)), 0.0)
    now = until - first
    # whole numbers, whose sums do not depend on where they begin
    sums = np.concatenate([[0], np.cumsum(np.rint(ratio * FIXED).astype(np.int64))])
    days = np.concatenate([[0], np.cumsum(enough)])
    usual = (sums[now - WEEK + 1] - sums[now - WEEK + 1 - USUAL_DAYS]) / (FIXED * USUAL_DAYS)
    told = days[now + 1] - days[now + 1 - USUAL_DAYS - WEEK] == USUAL_DAYS + WEEK
    swing = np.clip(ratio[now] - usual, -MOST, MOST)
    return np.where(told, np.sign(swing) * np.maximum(np.abs(swing) - USUAL_SWING, 0.0), 0.0)

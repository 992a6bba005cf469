"""How fast orders move of late, as one number for each case, by which the network's time runs.

What is completed of late against what was expected (`tasks.completion.drift`) hardly varies in most histories, so that
a network learns nothing from it as a figure, or learns the season by heart. As the speed of time it needs no learning:
where orders move at half their pace, everything that is to come takes so much longer. On Olist this takes 2% off the
mean absolute error and 4% off the pinball loss; the same figures as inputs take nothing. A surge of orders slows time
as well (`tasks.completion.crowding`), before the pace shows it: 1% of both over a year, 3% around Black Friday.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.task import Cases
from tasks.completion.crowding import log_crowding
from tasks.completion.drift import EVERYBODY, ended_over_expected
from tasks.completion.heard import microseconds
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.spells import Spells
from tasks.completion.usual_pace import Pace

EXPONENT = 0.4
"""Of the ratio of completions to what was expected: a hazard that rises with age doubles when time runs less than twice
as fast; and part of a surprise is over before the order arrives."""

CROWDING_EXPONENT = 0.3
"""Of a surge: the part of it that orders come to feel."""

SURPRISE_DAYS = 7
"""What happened in so many days counts."""

_PLACE = "destination"


def log_speed(orders: Orders, cases: Cases) -> np.ndarray:
    """The log of how fast time runs for each case as of its cutoff, float64 [n]: 0 where all is as usual. The pace of
    all orders and of those to the same destination in equal parts, over the last week."""
    labels = {name: codes for name, codes in orders.labels.items() if name == _PLACE}
    figures = _surprises(orders, cases, labels)
    every = figures[EVERYBODY]
    return EXPONENT * (every + figures.get(_PLACE, every)) / 2


def log_speed_ahead(orders: Orders, cases: Cases) -> np.ndarray:
    """`log_speed` for cases to forecast, float64 [n]: a surge slows time as well. (What the network learns from is left
    as it was: with surges taken out of it, forecasts of ordinary weeks became worse.)"""
    return log_speed(orders, cases) - CROWDING_EXPONENT * log_crowding(orders, cases)


def surprise_of_all(orders: Orders, cases: Cases) -> np.ndarray:
    """The log of completions over what was expected, of all orders in the week before each case's cutoff, float64 [n];
    0 where it is unknown."""
    return _surprises(orders, cases, {})[EVERYBODY]


def _surprises(orders: Orders, cases: Cases, labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pace = orders.once(_completions)
    return ended_over_expected(pace, labels, cases.entity, microseconds(cases.cutoff), SURPRISE_DAYS)


def _completions(orders: Orders) -> Pace:
    past = orders.once(Past.of)
    spells = Spells.of(past.heard)
    return Pace.of(
        spells,
        spells.completed,
        past.status[spells.event],
        past.expected.at_event[spells.event],
        len(orders.statuses),
    )

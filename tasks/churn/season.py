"""The season of a shop: what is usual in retail, until the shop's own weeks have gone round the year."""

from __future__ import annotations

import numpy as np

QUARTERS = np.log([0.94, 0.94, 0.935, 1.19])
"""Logarithms of how busy each quarter is: U.S. retail e-commerce sales as they were, over seasonally adjusted ones
(U.S. Census Bureau, Quarterly Retail E-Commerce Sales: 2nd and 3rd quarter of 2010, 4th of 2020; the 1st as the
2nd). Taken as published. Half as strong it foretold the next 90 days of two online shops no better (errors of the log
level .23 and .22), and those of a bakery, a chain of stores and a made-up one better (.13 and .16)."""

CHANGE = 1 / 3
"""Quarters to both sides of a border within which the one factor gives way to the other: a month."""

YEAR_DAYS = 365.25
LEAST_WEEKS = 56
"""From so many weeks on a shop's own season is looked for: in less, it cannot be told from a trend."""

_SEASON_SPREAD, _TREND_SPREAD, _NOISE = 0.25, 0.5, 0.4
"""Standard deviations expected: of the yearly wave, of the trend over a year, and of a week."""


def usual_season(instants: np.ndarray) -> np.ndarray:
    """The logarithm of how busy retail is at `instants` (datetime64), float64: that of the quarter, which around its
    borders gives way to the next one's in a line."""
    year = instants.astype("datetime64[Y]")
    begins, ends = year.astype("datetime64[us]"), (year + 1).astype("datetime64[us]")
    quarters = 4 * ((instants.astype("datetime64[us]") - begins) / (ends - begins))
    border = np.rint(quarters)  # the nearest
    before, after = (QUARTERS[(border.astype(np.int64) + side) % 4] for side in (-1, 0))
    return before + np.clip(0.5 + (quarters - border) / (2 * CHANGE), 0, 1) * (after - before)


def own_season(instants: np.ndarray, level: np.ndarray, weight: np.ndarray, later: np.ndarray) -> np.ndarray:
    """A yearly wave (one harmonic, beside a trend) in weeks at `instants` (datetime64[us] [W]), whose `level` (float64
    [W], logarithms) counts with a `weight` (float64 [W], 0 to 1): its values at `instants` and then at `later`
    (datetime64[us] [A]), float64 [W + A]. A ridge shrinks it; it is 0 before LEAST_WEEKS."""
    every = np.concatenate([instants, later])
    if np.count_nonzero(weight > 0.1) < LEAST_WEEKS:
        return np.zeros(len(every))
    years = (every - instants[-1]) / np.timedelta64(1, "us") / (YEAR_DAYS * 86_400e6)
    wave = np.column_stack([np.ones(len(every)), years, np.cos(2 * np.pi * years), np.sin(2 * np.pi * years)])
    past = wave[: len(instants)]
    ridge = np.diag([1e-6, _TREND_SPREAD**-2, _SEASON_SPREAD**-2, _SEASON_SPREAD**-2])
    information = (past * weight[:, None]).T
    found = np.linalg.solve(information @ past / _NOISE**2 + ridge, information @ level / _NOISE**2)
    return wave[:, 2:] @ found[2:]

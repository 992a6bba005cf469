"""Which series are forecast when: at an instant, in a backtest, and where a recipe is judged."""

from __future__ import annotations

import numpy as np

from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Fold, Instant
from tasks.demand.options import DemandOptions
from tasks.demand.sales import NEVER, SalesGrid

MOST_FOLDS = 3
"""Windows on which the gate judges."""

LEAST_HISTORY = 2
"""Horizons of history before the first window, and one season, from which a model may be fitted."""


def cases_at(grid: SalesGrid, cutoffs: np.ndarray, horizon: int) -> Cases:
    """Every series to forecast at each of `cutoffs` (datetime64[us] [C]), by cutoff, then by series."""
    series = [grid.existing(cutoff, horizon) for cutoff in cutoffs]
    counts = [len(part) for part in series]
    return Cases(
        np.concatenate([np.empty(0, np.int64), *series]).astype(np.int64),
        np.repeat(np.asarray(cutoffs, "datetime64[us]"), counts),
    )


def backtest_cases(
    grid: SalesGrid, options: DemandOptions, start: Instant, end: Instant, every_days: int | None
) -> Cases:
    """Every series at `start`, a horizon later, and so on before `end`; or every so many days."""
    start, end = start.astype("datetime64[us]"), end.astype("datetime64[us]")
    if every_days is not None:
        return cases_at(grid, np.arange(start, end, np.timedelta64(every_days, "D")), options.steps)
    first = int(grid.period_of(start))
    begins = np.arange(first, int(grid.period_of(end)) + 1, options.steps)
    cutoffs = grid.periods.start(begins).astype("datetime64[us]") + (start - grid.periods.start(first))
    return cases_at(grid, cutoffs[cutoffs < end], options.steps)


def folds(grid: SalesGrid, options: DemandOptions, as_of: Instant) -> list[Fold]:
    """Up to three consecutive horizons, the last of which ends with the last complete period of which sales had come in
    at `as_of`; one fit before the first. Fewer where history is short.

    Raises NotEnoughData where even one would leave less than two horizons, or one week (8 weeks, 6 months), before.
    """
    as_of = as_of.astype("datetime64[us]")
    every = np.arange(grid.series)
    began = grid.began(every, np.full(grid.series, as_of))
    first = int(began.min(initial=NEVER))
    stop = min(int(grid.period_of(as_of)), grid.last_seen(as_of) + 1)
    least = max(LEAST_HISTORY * options.steps, {"D": 7, "W": 8, "M": 6}[options.frequency])
    room = (stop - first - least) // options.steps if first < NEVER else 0
    if room < 1:
        raise NotEnoughData(
            f"{max(stop - first, 0) if first < NEVER else 0} periods of sales are known as of"
            f" {np.datetime_as_string(as_of, 'D')}, and {least + options.steps} are needed to judge a model.",
            remedy="A baseline is published until there are more; or choose a shorter horizon.",
        )
    begins = stop - options.steps * np.arange(min(room, MOST_FOLDS), 0, -1)
    cutoffs = grid.periods.start(begins).astype("datetime64[us]")
    return [
        Fold(cutoffs[0], cases_at(grid, cutoffs[number : number + 1], options.steps)) for number in range(len(cutoffs))
    ]

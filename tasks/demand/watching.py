"""Whether sales of late are what the model expects when it looks back: its bias, and how often its intervals held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.calibration_drift import LEAST_Z, drift_figures
from forecasting.task import Cases, Forecaster, Instant
from tasks.demand.forecast import DemandForecast
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

STRETCH = {"D": 7, "W": 4, "M": 3}
"""Periods of one look back: whole weeks, so that weekdays are alike."""

STRETCHES = 5
"""Looks back: the latest is judged by the others, which say how far off a week of this shop usually is."""

MOST_SERIES = 500
"""Series in each, evenly drawn."""

LEAST_SERIES = 20
"""Series from which anything is said."""

LOWEST_COVERAGE = 0.65
"""An alarm is raised, too, where fewer of the outcomes lie within the central 80% ..."""

COVERAGE_FALL = 0.1
"""... and it is by so much fewer than in the worst of the looks back before."""

_BAND, _MOST = (0.1, 0.9), 0.975


def watch(model: Forecaster, grid: SalesGrid, options: DemandOptions, as_of: Instant) -> Mapping[str, float]:
    """Figures of the latest closed STRETCH of periods as of an instant: `drift_alarm`, `drift_z` and `drift_log_ratio`
    of units sold to units expected, with series as the units of chance and sales no higher than the 97.5% quantile
    counted, less what that ratio was before; and `coverage80`.

    What the model says as of the beginning of the stretch is compared with what is known of it at `as_of`; a stretch
    before its training is told a little too well, and then an alarm comes late, never early. Empty where too few series
    sell."""
    as_of = as_of.astype("datetime64[us]")
    length = min(STRETCH[options.frequency], options.steps)
    stop = min(int(grid.period_of(as_of)), grid.last_seen(as_of) + 1)
    cutoffs = grid.periods.start(stop - length * np.arange(1, STRETCHES + 1)).astype("datetime64[us]")
    drawn = [_drawn(grid.existing(cutoff, options.steps)) for cutoff in cutoffs]
    if len(drawn[0]) < LEAST_SERIES:
        return {}
    stretch = np.repeat(np.arange(STRETCHES), [len(series) for series in drawn])
    cases = Cases(np.concatenate(drawn), cutoffs[stretch])
    forecast: DemandForecast = model.predict(grid, cases)
    sold, observed = grid.window(
        cases.entity, grid.period_of(cases.cutoff) + length, length, np.full(len(cases), as_of)
    )
    sold, mean = sold.astype(np.float64), forecast.mean[:, :length].astype(np.float64)
    low, high, most = (forecast.quantile(level)[:, :length] for level in (*_BAND, _MOST))
    inside = (observed & (sold >= low) & (sold <= high)).sum(axis=1)
    capped = np.where(observed, np.minimum(sold, most), 0.0).sum(axis=1)  # one order of a thousand is no drift
    expected = np.where(observed, np.minimum(mean, most), 0.0).sum(axis=1)
    seen = observed.sum(axis=1)

    looks = [stretch == number for number in range(STRETCHES)]
    known = [look for look in looks if seen[look].sum()]
    now = looks[0]
    if not seen[now].sum():
        return {}
    past = np.array([_log_ratio(capped[look], expected[look]) for look in known[1:]])
    usual = float(np.median(past)) if len(past) else 0.0
    expected = expected * np.exp(usual)
    error = float(np.sqrt(np.square((capped - expected)[now]).sum()))
    spread = float(np.abs(past - usual).max(initial=0.0))
    figures = drift_figures(float(capped[now].sum()), float(expected[now].sum()), error, spread)
    coverage = [float(inside[look].sum() / seen[look].sum()) for look in known]
    figures["coverage80"] = coverage[0]
    short = inside[now] - LOWEST_COVERAGE * seen[now]  # by series: days of one go together
    fallen = coverage[0] < min(coverage[1:], default=1.0) - COVERAGE_FALL
    if fallen and short.sum() < -LEAST_Z * np.sqrt(np.square(short - short.mean()).sum()):
        figures["drift_alarm"] = 1.0
    return figures


def _drawn(series: np.ndarray) -> np.ndarray:
    return series[:: max(-(-len(series) // MOST_SERIES), 1)]


def _log_ratio(sold: np.ndarray, expected: np.ndarray) -> float:
    return float(np.log((sold.sum() + 1.0) / (expected.sum() + 1.0)))

"""What a demand forecast was worth, by the measures that demand forecasts are judged by."""

from __future__ import annotations

import numpy as np

from forecasting import metrics
from forecasting.task import Cases, Score
from tasks.demand.forecast import DemandForecast
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

GATE_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975)
"""Levels whose mean weighted quantile loss decides publication."""

GATE_METRIC = "wQL"

PROTECTION = {"D": (7, 14, 28), "W": (1, 2, 4, 8), "M": (1, 2, 3, 6)}
"""Periods over which stock decisions are judged."""

EVER = np.datetime64("9999-01-01", "us")
"""As known by then: outcomes, corrections included."""


def score(grid: SalesGrid, options: DemandOptions, cases: Cases, forecast: DemandForecast) -> Score:
    """Judge `forecast` against what sold, as far as that was observed; sold-out periods say nothing and are left out.

    wQL is twice the pinball loss over the units sold, its mean over six levels (Salinas et al. 2020, section 4.2);
    MASE and RMSSE scale by each case's own past (Hyndman and Koehler 2006; Makridakis et al. 2022); `csl@P`, `fill@P`
    and `cost@P` judge the service-level quantile of demand over P periods as an order-up-to level.
    """
    horizon = forecast.horizon
    period = grid.period_of(cases.cutoff)
    values, observed = grid.window(cases.entity, period + horizon, horizon, np.full(len(cases), EVER))
    actual = np.where(observed, values.astype(np.float64), np.nan)
    known = observed.ravel()
    flat, mean = actual.ravel(), forecast.mean.ravel().astype(np.float64)
    quantiles = np.stack([forecast.quantile(level).ravel() for level in GATE_LEVELS], axis=-1).astype(np.float64)
    sold = max(float(flat[known].sum()), 1.0)

    pinball = np.where(known[:, None], np.nan_to_num(metrics.pinball(flat, quantiles, GATE_LEVELS)), 0.0)
    loss = 2 * pinball.reshape(len(cases), horizon, -1).mean(axis=2).sum(axis=1) / sold
    found: dict[str, float] = {GATE_METRIC: float(loss.sum()), "samples": float(observed.any(axis=1).sum())}
    if known.any():
        found |= {f"wQL@{level:g}": float(2 * pinball[:, k].sum() / sold) for k, level in enumerate(GATE_LEVELS)}
        found |= _coverage(flat, quantiles)
        found |= _points(grid, options, cases, period, actual, mean.reshape(actual.shape), forecast.quantile(0.5))
        found |= _stock(options, actual, forecast)
    finite = {name: value for name, value in found.items() if np.isfinite(value)}
    return Score(finite, loss, cases.entity)


def _coverage(actual: np.ndarray, quantiles: np.ndarray) -> dict[str, float]:
    at = {level: k for k, level in enumerate(GATE_LEVELS)}
    hits = metrics.hit_rate(actual, quantiles)
    return {
        "coverage80": metrics.coverage(actual, quantiles[:, at[0.1]], quantiles[:, at[0.9]]),
        "coverage95": metrics.coverage(actual, quantiles[:, at[0.025]], quantiles[:, at[0.975]]),
        **{f"hit@{level:g}": float(hits[at[level]]) for level in (0.5, 0.9, 0.95, 0.975)},
    }


def _points(
    grid: SalesGrid,
    options: DemandOptions,
    cases: Cases,
    period: np.ndarray,
    actual: np.ndarray,
    mean: np.ndarray,
    median: np.ndarray,
) -> dict[str, float]:
    past, offsets = grid.past(cases.entity, period, cases.cutoff.astype("datetime64[us]"))
    scales = metrics.history_scales(past, offsets, options.season)
    case = np.repeat(np.arange(len(cases)), actual.shape[1])
    absolute, squared = np.abs(actual - median).ravel(), np.square(actual - mean).ravel()
    return {
        "MASE": metrics.mase(absolute, case, scales),
        "RMSSE": metrics.rmsse(squared, case, scales),
        "wRMSSE": metrics.rmsse(squared, case, scales, by_volume=True),
        "WAPE": metrics.wape(actual, median),
        "bias": metrics.bias(actual, mean),
    }


def _stock(options: DemandOptions, actual: np.ndarray, forecast: DemandForecast) -> dict[str, float]:
    level = options.service_level
    order_up_to = forecast.cumulative_quantile(level)
    found: dict[str, float] = {}
    for periods in PROTECTION[options.frequency]:
        if periods > forecast.horizon:
            continue
        demand = actual[:, :periods].sum(axis=1)  # NaN where a period was not observed: left out
        if not np.isfinite(demand).any():
            continue
        stock = metrics.stock_score(demand, order_up_to[:, periods - 1], level)
        found |= {f"csl@{periods}": stock.service, f"fill@{periods}": stock.fill, f"cost@{periods}": stock.cost}
    return found

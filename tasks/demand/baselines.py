"""What any forecaster has to beat: each answers all cases at once, from the last periods before their cutoffs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from forecasting.task import Cases, Instant
from tasks.demand.empirical import (
    cumulative_quantiles,
    exponential_smoothing,
    gamma_quantiles,
    masked_mean,
    masked_quantiles,
    mixed_quantiles,
    window_sums,
)
from tasks.demand.forecast import CUMULATIVE_LEVELS, LEVELS, DemandForecast, coherent
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

RECENT = {"D": 56, "W": 26, "M": 12}
"""Periods whose distribution is taken for that of the next ones."""

SMOOTHED = {"D": 28, "W": 8, "M": 6}
"""Periods of the moving average."""

CYCLE = {"D": 7, "W": 52, "M": 12}
"""Lag of the seasonal naive forecast."""

INTERMITTENT = {"D": 364, "W": 104, "M": 36}
"""Periods that the Croston family looks back."""

ALPHA = 0.1
"""Smoothing of the Croston family, the usual choice (Syntetos and Boylan 2005)."""

_CASES_AT_ONCE = 2048

Raw = tuple[np.ndarray, np.ndarray, np.ndarray]
"""mean [n, H], quantiles [n, H, Q], cumulative quantiles [n, H, K]; NaN where there is no history at all."""

Method = Callable[[SalesGrid, np.ndarray, np.ndarray, np.ndarray, DemandOptions], Raw]
"""method(grid, series, period, known_by, options)."""


@dataclass(frozen=True)
class Baseline:
    """A method as a forecaster. A series with less than a week (four weeks, three months) of history leans on those of
    its item, or on all, as they stood at `until`."""

    method: Method
    grid: SalesGrid
    options: DemandOptions
    until: Instant

    def predict(self, dataset: SalesGrid, cases: Cases) -> DemandForecast:
        """The forecast of each case as of its own cutoff."""
        parts = [
            self._answer(dataset, cases.take(np.arange(start, min(start + _CASES_AT_ONCE, len(cases)))))
            for start in range(0, max(len(cases), 1), _CASES_AT_ONCE)
        ]
        return DemandForecast.concatenate(parts)

    def _answer(self, grid: SalesGrid, cases: Cases) -> DemandForecast:
        series, known_by = cases.entity, cases.cutoff.astype("datetime64[us]")
        period = grid.period_of(known_by)
        raw = self.method(grid, series, period, known_by, self.options)
        enough = ENOUGH[self.options.frequency]
        seen = grid.window(series, period, RECENT[self.options.frequency], known_by)[1].sum(axis=1)
        trust = np.minimum(seen / enough, 1.0)
        if (trust < 1).any():
            raw = self._leaning(raw, trust, grid.items[grid.item[series]])
        return coherent(*raw)

    def _leaning(self, raw: Raw, trust: np.ndarray, item: np.ndarray) -> Raw:
        """What the history says, as far as it can be trusted, and for the rest what items like it do."""
        by_item, overall = self._elsewhere
        places = np.array([by_item.get(name, -1) for name in item])
        result = []
        for own, pooled, every in zip(raw, self._pooled, overall, strict=True):
            other = np.where((places >= 0).reshape(-1, *[1] * (own.ndim - 1)), pooled[places], every)
            weight = trust.reshape(-1, *[1] * (own.ndim - 1))
            result.append(weight * np.nan_to_num(own) + (1 - weight) * other)
        return result[0], result[1], result[2]

    @cached_property
    def _known(self) -> tuple[np.ndarray, Raw]:
        """Series with enough history at `until`, and what the method says of them."""
        grid, options = self.grid, self.options
        series = np.arange(grid.series)
        known_by = np.full(grid.series, self.until, "datetime64[us]")
        period = grid.period_of(known_by)
        seen = grid.window(series, period, RECENT[options.frequency], known_by)[1].sum(axis=1)
        series = series[seen >= ENOUGH[options.frequency]]
        parts = [
            self.method(grid, part, period[: len(part)], known_by[: len(part)], options)
            for part in np.split(series, range(_CASES_AT_ONCE, len(series), _CASES_AT_ONCE))
        ]
        return series, tuple(np.concatenate([part[k] for part in parts]) for k in range(3))  # type: ignore[return-value]

    @cached_property
    def _elsewhere(self) -> tuple[dict[str, int], Raw]:
        """(position by item name of its means in `_pooled`, means over all series)."""
        series, raw = self._known
        if not len(series):
            return {}, tuple(np.zeros(values.shape[1:]) for values in raw)  # type: ignore[return-value]
        items = np.unique(self.grid.item[series])
        names = {name: place for place, name in enumerate(self.grid.items[items].tolist())}
        return names, tuple(np.nanmean(values, axis=0) for values in raw)

    @cached_property
    def _pooled(self) -> Raw:
        """Means by item, in the order of `_elsewhere`; one entry of zeros where nothing is known."""
        series, raw = self._known
        if not len(series):
            return tuple(np.zeros((1, *values.shape[1:])) for values in raw)  # type: ignore[return-value]
        _, place, count = np.unique(self.grid.item[series], return_inverse=True, return_counts=True)
        pooled = []
        for values in raw:
            total = np.zeros((len(count), *values.shape[1:]))
            np.add.at(total, place, np.nan_to_num(values))
            pooled.append(total / count.reshape(-1, *[1] * (values.ndim - 1)))
        return pooled[0], pooled[1], pooled[2]


ENOUGH = {"D": 7, "W": 4, "M": 3}
"""Observed periods from which a series speaks for itself."""


def baselines(grid: SalesGrid, options: DemandOptions, until: Instant) -> Mapping[str, Baseline]:
    """The rivals of the gate by name; the first one is what goes out where no model can be fitted."""
    return {name: Baseline(method, grid, options, until) for name, method in METHODS.items()}


def empirical_quantiles(
    grid: SalesGrid, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, options: DemandOptions
) -> Raw:
    """The distribution of the last 56 days (26 weeks, 12 months); of days, each weekday around its own level."""
    steps, length = options.steps, RECENT[options.frequency]
    values, seen = grid.window(series, period, length, known_by)
    quantiles = np.repeat(masked_quantiles(values, seen, LEVELS)[:, None], steps, axis=1)
    mean = np.repeat(masked_mean(values, seen)[:, None], steps, axis=1)
    if options.frequency == "D":
        mean, quantiles = _by_weekday(values, seen, mean, quantiles, steps)
    return mean, quantiles, _sums(grid, series, period, known_by, options)


def _by_weekday(
    values: np.ndarray, seen: np.ndarray, mean: np.ndarray, quantiles: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and quantiles with the weekday's own in place of the overall ones, halfway for the quantiles: eight days say
    little about a tail. The window is a whole number of weeks, so step h falls on the weekday of column h mod 7."""
    n, days = values.shape
    own, own_seen = (array.reshape(n, days // 7, 7).transpose(0, 2, 1) for array in (values, seen))
    weekday = np.arange(steps) % 7
    own_mean = masked_mean(own, own_seen)[:, weekday]
    own_quantiles = masked_quantiles(own, own_seen, LEVELS)[:, weekday]
    mean = np.where(np.isnan(own_mean), mean, own_mean)
    return mean, np.where(np.isnan(own_quantiles), quantiles, (own_quantiles + quantiles) / 2)


def _sums(
    grid: SalesGrid, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, options: DemandOptions
) -> np.ndarray:
    values, seen = grid.window(series, period, RECENT[options.frequency] + options.steps, known_by)
    return cumulative_quantiles(values, seen, options.steps, CUMULATIVE_LEVELS)


def moving_average(
    grid: SalesGrid, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, options: DemandOptions
) -> Raw:
    """The mean of the last 28 days (8 weeks, 6 months), and the distribution of these around it."""
    values, seen = grid.window(series, period, SMOOTHED[options.frequency], known_by)
    mean = np.repeat(masked_mean(values, seen)[:, None], options.steps, axis=1)
    quantiles = np.repeat(masked_quantiles(values, seen, LEVELS)[:, None], options.steps, axis=1)
    return mean, quantiles, _sums(grid, series, period, known_by, options)


def seasonal_naive(
    grid: SalesGrid, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, options: DemandOptions
) -> Raw:
    """The same weekday a week ago (week or month a year ago), with the errors that this made lately around it; where
    that was not observed, the last level."""
    steps, cycle, recent = options.steps, CYCLE[options.frequency], RECENT[options.frequency]
    values, seen = grid.window(series, period, cycle + recent + steps, known_by)
    level = masked_mean(values[:, -recent:], seen[:, -recent:])[:, None]
    values = values.astype(np.float64)
    ahead = np.arange(steps) % cycle - cycle
    point = np.where(seen[:, ahead], values[:, ahead], level)
    error, both = values[:, cycle:] - values[:, :-cycle], seen[:, cycle:] & seen[:, :-cycle]
    deviation = np.nan_to_num(masked_quantiles(error[:, -recent:], both[:, -recent:], LEVELS))
    total = np.nan_to_num(cumulative_quantiles(error, both, steps, CUMULATIVE_LEVELS))
    return point, point[:, :, None] + deviation[:, None], point.cumsum(axis=1)[:, :, None] + total


def croston_tsb(
    grid: SalesGrid, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, options: DemandOptions
) -> Raw:
    """For intermittent demand: smoothed chance of a sale times smoothed size (Teunter, Syntetos and Babai 2011).
    Quantiles mix no sale with the sizes seen; sums over time are gamma with the mean and variance that this implies."""
    steps = options.steps
    values, seen = grid.window(series, period, INTERMITTENT[options.frequency], known_by)
    sold = seen & (values > 0)
    chance, size = tsb(values, seen)
    chance, size = np.where(seen.any(axis=1), np.nan_to_num(chance), np.nan), np.nan_to_num(size)
    level = chance * size
    quantiles = mixed_quantiles(np.nan_to_num(chance), values, sold, LEVELS)
    scale = np.divide(size, masked_mean(values, sold), out=np.ones(len(values)), where=sold.any(axis=1))
    spread = np.nan_to_num(masked_mean(np.square(values, dtype=np.float64), sold)) * scale**2
    variance = np.maximum(chance * spread - level**2, 0)
    # Errors of successive periods go together: the variance of sums seen, over that of independent periods.
    together = _dependence(values, seen, steps)
    step = np.arange(1, steps + 1)
    normal = np.array([NormalDist().inv_cdf(level) for level in CUMULATIVE_LEVELS])
    total = gamma_quantiles(level[:, None] * step, (variance * together)[:, None] * step, normal)
    return (
        np.repeat(level[:, None], steps, axis=1),
        np.repeat((quantiles * scale[:, None])[:, None], steps, axis=1),
        total,
    )


def tsb(values: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed chance of a sale and smoothed size, [n] each, of `values` [n, T] where `seen`."""
    sold = seen & (values > 0)
    return exponential_smoothing(sold, seen, ALPHA), exponential_smoothing(values, sold, ALPHA)


def _dependence(values: np.ndarray, seen: np.ndarray, length: int) -> np.ndarray:
    """Variance of sums over `length` periods over `length` times that of one, float64 [n], between 1 and 4."""
    single = np.maximum(masked_mean(np.square(values, dtype=np.float64), seen) - masked_mean(values, seen) ** 2, 1e-9)
    sums, whole = window_sums(values, seen, length)
    double = masked_mean(np.square(sums), whole) - masked_mean(sums, whole) ** 2
    return np.nan_to_num(np.clip(double / (length * single), 1, 4), nan=1.0)


METHODS: Mapping[str, Method] = {
    "empirical_quantiles": empirical_quantiles,
    "seasonal_naive": seasonal_naive,
    "moving_average": moving_average,
    "croston_tsb": croston_tsb,
}

"""What a demand forecast is compared with, run then and there: LightGBM, AutoETS, and the plainest of methods.

Every peer gets the same columns as the model, those known ahead for the steps to come included, is fitted once before
the first window, and then forecasts each window from what was known at its cutoff. They need the extra `bench`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tasks.demand.forecast import CUMULATIVE_LEVELS, LEVELS, DemandForecast, coherent
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

SPANS = {"D": (7, 28, 56, 364), "W": (4, 8, 26, 52), "M": (3, 6, 12, 24)}
JUDGED = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975)
ROWS = 400_000
"""Training rows of a boosted tree at most, drawn at random."""

TREES = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbose": -1,
    "num_threads": 1,
    "seed": 0,
}
ROUNDS = 300

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(series, cutoff, step): step 1 is the period at the cutoff; positions in the dense table."""


@dataclass(frozen=True)
class Table:
    """Dense demand as the peers like it. `demand`: float32 [S, T], NaN before a series began or where not observed.
    `known`: float32 [S, T, A]. `cutoffs`: positions of the first period of each window. `first`: the period number of
    position 0."""

    demand: np.ndarray
    known: np.ndarray
    cutoffs: tuple[int, ...]
    first: int
    grid: SalesGrid
    options: DemandOptions

    @staticmethod
    def of(grid: SalesGrid, options: DemandOptions, cutoffs: np.ndarray) -> Table:
        """All series up to the end of the last window."""
        every, starts = np.arange(grid.series), grid.period_of(cutoffs)
        stop, first = int(starts[-1]) + options.steps, int(grid.sales.first.min())
        ever = np.full(grid.series, np.datetime64("9999-01-01", "us"))
        values, observed = grid.window(every, np.full(grid.series, stop), stop - first, ever)
        known = grid.known_ahead(every, np.full(grid.series, first), stop - first, ever)
        return Table(
            np.where(observed, values, np.nan).astype(np.float32),
            known,
            tuple((starts - first).tolist()),
            first,
            grid,
            options,
        )

    def seen(self, cutoff: int) -> Table:
        """The table with nothing from `cutoff` on but what is known ahead."""
        demand = self.demand.copy()
        demand[:, cutoff:] = np.nan
        return Table(demand, self.known, self.cutoffs, self.first, self.grid, self.options)

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Running totals [S, T + 1] of demand, of periods observed, and of periods with sales."""
        known = ~np.isnan(self.demand)
        filled = np.where(known, self.demand, 0).astype(np.float64)
        return tuple(np.pad(x.cumsum(axis=1), ((0, 0), (1, 0))) for x in (filled, known, filled > 0))  # type: ignore[return-value]

    def mean(self, series: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Mean demand over positions [begin, end); NaN where none was observed."""
        total, count, _ = self.sums
        begin, end = np.maximum(begin, 0), np.maximum(end, 0)
        number = count[series, end] - count[series, begin]
        return np.where(number > 0, (total[series, end] - total[series, begin]) / np.maximum(number, 1), np.nan)

    def at(self, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Demand at positions, NaN before the first."""
        return np.where(position >= 0, self.demand[series, np.maximum(position, 0)], np.nan)

    def features(self, rows: Rows) -> np.ndarray:
        """What a boosted tree sees, float32 [n, F]; item and location are the last two columns."""
        series, cutoff, step = rows
        frequency, season = self.options.frequency, self.options.season
        spans, target = SPANS[frequency], cutoff + step - 1
        columns = [self.mean(series, cutoff - span, cutoff) for span in spans]
        sold = self.sums[2]
        columns.append(sold[series, cutoff] - sold[series, np.maximum(cutoff - spans[1], 0)])
        columns.append(self.at(series, cutoff - 1))
        back = ((step - 1) // season + 1) * season
        weeks = [self.at(series, target - back - k * season) for k in range(8 if frequency == "D" else 2)]
        columns += weeks[:4]
        if frequency == "D":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is NaN, as wanted
                columns += [np.nanmean(np.stack(weeks[:4]), axis=0), np.nanmean(np.stack(weeks), axis=0)]
            columns += [self.at(series, target - 364), self.mean(series, target - 367, target - 360)]
        start = self.grid.periods.start(self.first + target)
        year, month = start.astype("datetime64[Y]"), start.astype("datetime64[M]")
        columns += [(start.astype(np.int64) + 3) % 7, (start - month).astype(np.int64), (start - year).astype(np.int64)]
        columns += [month.astype(np.int64) % 12, step]
        columns += [self.known[series, target, k] for k in range(self.known.shape[2])]
        columns += [self.grid.item[series], self.grid.location[series]]
        return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)

    def training_rows(self, steps: np.ndarray, every: int) -> Rows:
        """Rows of about the last year (two years of weeks and months) before the first window whose target was known by
        then: every so many cutoffs, each of `steps`."""
        until, first_span = self.cutoffs[0], SPANS[self.options.frequency][0]
        longest = until - steps.max() + 1
        cutoffs = np.arange(longest, max(longest - 400, SPANS[self.options.frequency][1]), -every)
        series, cutoff, step = (
            x.ravel() for x in np.meshgrid(np.arange(len(self.demand)), cutoffs, steps, indexing="ij")
        )
        began = np.where(np.isnan(self.demand).all(axis=1), 1 << 40, (~np.isnan(self.demand)).argmax(axis=1))
        usable = (began[series] + first_span <= cutoff) & ~np.isnan(self.demand[series, cutoff + step - 1])
        rows = np.flatnonzero(usable)
        if len(rows) > ROWS:
            rows = np.random.default_rng(0).choice(rows, ROWS, replace=False)
        return series[rows], cutoff[rows], step[rows]


def forecast_of(mean: np.ndarray, quantiles: np.ndarray) -> DemandForecast:
    """A peer's forecast; cumulative quantiles, on which peers are not judged, are summed daily ones."""
    places = [int(np.argmin(np.abs(np.array(LEVELS) - level))) for level in CUMULATIVE_LEVELS]
    return coherent(mean, quantiles, quantiles[..., places].cumsum(axis=1))


def lightgbm_quantiles(table: Table) -> list[DemandForecast]:
    """Direct quantiles: a booster per level over all series and steps at once."""
    import lightgbm

    steps = np.arange(1, table.options.steps + 1)
    rows = table.training_rows(steps, {"D": 7, "W": 2, "M": 1}[table.options.frequency])
    inputs, target = table.features(rows), table.demand[rows[0], rows[1] + rows[2] - 1]
    labels = [inputs.shape[1] - 2, inputs.shape[1] - 1]
    data = lightgbm.Dataset(inputs, target, categorical_feature=labels, free_raw_data=False)
    boosters = [lightgbm.train(TREES | {"objective": "quantile", "alpha": level}, data, ROUNDS) for level in JUDGED]
    forecasts = []
    for cutoff in table.cutoffs:
        series, step = (x.ravel() for x in np.meshgrid(np.arange(len(table.demand)), steps, indexing="ij"))
        inputs = table.features((series, np.full(len(series), cutoff), step))
        found = np.sort(np.stack([booster.predict(inputs) for booster in boosters], axis=1), axis=1)
        every = np.stack([np.interp(LEVELS, JUDGED, row) for row in found])
        # The mean is the area under the quantile function.
        mean = np.trapezoid(np.c_[every[:, :1], every, every[:, -1:]], (0, *LEVELS, 1), axis=1)
        shape = (len(table.demand), len(steps))
        forecasts.append(forecast_of(mean.reshape(shape), every.reshape(*shape, -1)))
    return forecasts


def lightgbm_tweedie(table: Table) -> list[DemandForecast]:
    """One step ahead under a Tweedie loss, fed back its own forecasts; its quantiles, all equal, say nothing."""
    import lightgbm

    rows = table.training_rows(np.array([1]), 1)
    inputs, target = table.features(rows), np.maximum(table.demand[rows[0], rows[1]], 0)
    labels = [inputs.shape[1] - 2, inputs.shape[1] - 1]
    data = lightgbm.Dataset(inputs, target, categorical_feature=labels)
    booster = lightgbm.train(TREES | {"objective": "tweedie", "tweedie_variance_power": 1.2}, data, ROUNDS)
    every, forecasts = np.arange(len(table.demand)), []
    for cutoff in table.cutoffs:
        seen = table.seen(cutoff)
        for step in range(table.options.steps):
            now = Table(seen.demand, table.known, table.cutoffs, table.first, table.grid, table.options)
            place = np.full(len(every), cutoff + step)
            seen.demand[:, cutoff + step] = booster.predict(now.features((every, place, np.ones(len(every), int))))
        mean = seen.demand[:, cutoff : cutoff + table.options.steps]
        forecasts.append(forecast_of(mean, np.repeat(mean[..., None], len(LEVELS), axis=-1)))
    return forecasts


def auto_ets(table: Table) -> list[DemandForecast]:
    """statsforecast's AutoETS with additive errors, each series by itself, refitted at each window."""
    from statsforecast.models import AutoETS

    # 52 seasonal states are more than ETS takes.
    season = table.options.season if table.options.season <= 24 else 1
    bands = ["lo-95", "lo-80", "lo-50", "mean", "hi-50", "hi-80", "hi-90", "hi-95"]
    forecasts = []
    for cutoff in table.cutoffs:
        mean = np.zeros((len(table.demand), table.options.steps))
        quantiles = np.zeros((*mean.shape, len(LEVELS)))
        for number, row in enumerate(table.demand[:, :cutoff]):
            past = row[~np.isnan(row)].astype(np.float64)
            if len(past) < 2 * season or not past.any():
                mean[number] = past.mean() if len(past) else 0
                quantiles[number] = mean[number][:, None]
                continue
            model = AutoETS(season_length=season, model="AZA" if season > 1 else "AZN").fit(past)
            found = model.predict(table.options.steps, level=[50, 80, 90, 95])
            mean[number] = found["mean"]
            quantiles[number] = np.stack([found[band] for band in bands], axis=1)
        forecasts.append(forecast_of(mean, quantiles))
    return forecasts


def empirical_quantiles(table: Table) -> list[DemandForecast]:
    """The distribution of the last 56 days, 26 weeks or 12 months."""
    length, forecasts = {"D": 56, "W": 26, "M": 12}[table.options.frequency], []
    for cutoff in table.cutoffs:
        recent = table.demand[:, max(cutoff - length, 0) : cutoff].astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            quantiles = np.nan_to_num(np.nanquantile(recent, LEVELS, axis=1).T)
            mean = np.nan_to_num(np.nanmean(recent, axis=1))
        steps = table.options.steps
        forecasts.append(
            forecast_of(np.repeat(mean[:, None], steps, axis=1), np.repeat(quantiles[:, None], steps, axis=1))
        )
    return forecasts


def seasonal_naive(table: Table) -> list[DemandForecast]:
    """The same period of the last season, with the errors that this made in the last year."""
    season, steps, forecasts = table.options.season, table.options.steps, []
    for cutoff in table.cutoffs:
        ahead = np.arange(steps)
        place = cutoff + ahead - (ahead // season + 1) * season
        point = np.nan_to_num(table.demand[:, np.maximum(place, 0)])
        error = (table.demand[:, season:cutoff] - table.demand[:, : cutoff - season])[:, -364:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            off = (
                np.nan_to_num(np.nanquantile(error, LEVELS, axis=1).T) if error.shape[1] else np.zeros((1, len(LEVELS)))
            )
        forecasts.append(forecast_of(point, point[..., None] + off[:, None]))
    return forecasts


PEERS: Mapping[str, Callable[[Table], list[DemandForecast]]] = {
    "seasonal_naive": seasonal_naive,
    "empirical_quantiles": empirical_quantiles,
    "auto_ets": auto_ets,
    "lightgbm_tweedie": lightgbm_tweedie,
    "lightgbm_quantiles": lightgbm_quantiles,
}


def run(name: str, table: Table) -> tuple[DemandForecast, float]:
    """(forecasts of all windows, one after the other, CPU seconds) of a peer."""
    began = time.process_time()
    forecasts = PEERS[name](table)
    return DemandForecast.concatenate(forecasts), time.process_time() - began

"""A demand model watches itself: it is silent while sales go on as it expects, and says so when they do not."""

from __future__ import annotations

import numpy as np
import pytest
from demand_shops import START, sales_table

from forecasting.task import Cases
from tasks.demand.assemble import assemble
from tasks.demand.forecast import CUMULATIVE_LEVELS, LEVELS, DemandForecast, coherent
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid
from tasks.demand.watching import LEAST_SERIES, STRETCH, watch

OPTIONS = DemandOptions("D", 14)
SERIES, DAYS, NOW = 60, 100, 84


def instant(day: int) -> np.datetime64:
    return (START + day).astype("datetime64[us]")


def rates(series: int) -> np.ndarray:
    return np.linspace(1.0, 12.0, series)


def sales(
    series: int = SERIES, factor: float = 1.0, since: int = NOW - 7, noise: float = 0.0, known: int = 1
) -> SalesGrid:
    """Sales at rates of their own, `factor` times as many from day `since` on; `noise`: of factors that all series of
    a day share; `known`: days until a row
    from `since` on is known."""
    random = np.random.default_rng(5)
    item, day = (axis.ravel() for axis in np.meshgrid(np.arange(series), np.arange(DAYS), indexing="ij"))
    shared = np.exp(random.normal(0, noise, DAYS // 7 + 1))[day // 7]
    usual = rates(series)[item] * shared
    before, after = random.poisson(usual), np.random.default_rng(7).poisson(usual * factor)
    quantity = np.where(day >= since, after, before).astype(float)
    known_at = (START + day + np.where(day >= since, known, 1)).astype("datetime64[us]")
    rows = {"item": item, "location": item * 0, "day": day, "quantity": quantity, "known_at": known_at}
    return assemble({"sales": sales_table(rows)}, OPTIONS)


class Knowing:
    """Knows the rates, and that sales are Poisson; asked about what is to come, it would tell."""

    def predict(self, grid: SalesGrid, cases: Cases) -> DemandForecast:
        rate = rates(grid.series)[np.array([int(name) for name in grid.items])][cases.entity]
        drawn = np.random.default_rng(6).poisson(rate, (400, len(rate)))
        shape = (len(rate), OPTIONS.steps)
        levels = np.quantile(drawn, LEVELS, axis=0).T[:, None, :]
        sums = np.quantile(drawn, CUMULATIVE_LEVELS, axis=0).T[:, None, :] * np.arange(1, OPTIONS.steps + 1)[:, None]
        quantiles = np.broadcast_to(levels, (*shape, len(LEVELS)))
        return coherent(np.broadcast_to(rate[:, None], shape), quantiles, sums)


def seen(grid: SalesGrid, day: int = NOW) -> dict[str, float]:
    return dict(watch(Knowing(), grid, OPTIONS, instant(day)))


def test_silent_while_sales_go_on_as_expected() -> None:
    for day in range(60, DAYS, 5):
        figures = seen(sales(), day)
        assert figures["drift_alarm"] == 0 and abs(figures["drift_log_ratio"]) < 0.1, (day, figures)
        assert 0.75 < figures["coverage80"] <= 1.0


@pytest.mark.parametrize(("factor", "sign"), [(1.6, 1), (0.5, -1)])
def test_an_alarm_where_sales_change(factor: float, sign: int) -> None:
    figures = seen(sales(factor=factor))
    assert figures["drift_alarm"] == 1 and sign * figures["drift_z"] > 4
    assert figures["drift_log_ratio"] == pytest.approx(np.log(factor), abs=0.15)


def test_weeks_that_differ_anyway_raise_none() -> None:
    assert seen(sales(factor=1.4, noise=0.4))["drift_alarm"] == 0
    assert seen(sales(factor=1.4))["drift_alarm"] == 1, "where they do not, the same is one"


def test_only_what_is_known_counts() -> None:
    changed = sales(factor=3.0, since=NOW)
    assert seen(changed) == seen(sales(since=NOW)), "sales of later days"
    late = seen(sales(factor=3.0, known=15))
    assert late["drift_alarm"] == 0 and abs(late["drift_log_ratio"]) < 0.1, "sales that became known later"


def test_few_series_and_no_history_say_nothing() -> None:
    assert seen(sales(LEAST_SERIES - 1)) == {}
    assert seen(sales(), 1) == {} and STRETCH["D"] == 7
    short = seen(sales(), 9)
    assert short == {} or short["drift_alarm"] == 0

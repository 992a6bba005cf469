"""When and how much to order, from demand over the lead time and what is in stock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.demand.forecast import DemandForecast
from tasks.demand.leadtime import lead_time_demand
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

_LOOK_BACK = {"D": 364, "W": 104, "M": 36}
"""Periods searched for the latest price."""

_SURE = (1e-3, 1 - 1e-3)
"""Service levels are kept inside: no stock makes a stock-out impossible."""


@dataclass(frozen=True)
class ReorderPlan:
    """The columns of `reorder_plan`, float64 [n] each, units, NaN where unknown; `expected_stockout` int64 [n] is a
    period number, -1 for none within the horizon, or unknown."""

    on_hand: np.ndarray
    on_order: np.ndarray
    lead_time_days: np.ndarray
    lead_time_demand_p50: np.ndarray
    service_level: np.ndarray
    safety_stock: np.ndarray
    reorder_point: np.ndarray
    order_quantity: np.ndarray
    expected_stockout: np.ndarray
    stockout_probability: np.ndarray
    priority: np.ndarray
    unit_price: np.ndarray


def reorder_plan(grid: SalesGrid, options: DemandOptions, cases: Cases, forecast: DemandForecast) -> ReorderPlan:
    """The plan of each case as of its cutoff.

    The reorder point is the service-level quantile of demand over the lead time, from the joint distribution over its
    periods, and at the same time the level to order up to: what is ordered is the reorder point less what is on hand
    or on order, at least the minimum order, rounded up to the order multiple (whole units, where none is given). Stock
    on order counts as there within the lead time. Without a stock count, all that depends on it is NaN.
    """
    n, series = len(cases), cases.entity
    period = grid.period_of(cases.cutoff)
    supply = _Supply(grid, series)
    lead_days = supply("lead_time_days", options.lead_time_days)
    deviation = supply("lead_time_stddev_days", 0.0)
    level = np.clip(supply("service_level", options.service_level), *_SURE)
    demand = lead_time_demand(
        forecast, lead_days / options.days_a_period, deviation / options.days_a_period, options.season
    )
    reorder_point = demand.quantile(level)
    on_hand, on_order = _stock(grid, cases)
    position = on_hand + np.nan_to_num(on_order)
    lacking = np.maximum(reorder_point - position, 0)
    quantity = _rounded(lacking, supply("minimum_order", 0.0), supply("order_multiple", 1.0))
    price = unit_price(grid, options, cases)
    counted = ~np.isnan(on_hand)
    held = np.nan_to_num(position)
    median = forecast.cumulative_quantile(0.5)
    short = median > np.maximum(held, 0)[:, None]
    stockout = np.where(counted & short.any(axis=1), period + short.argmax(axis=1), -1)
    value = np.where(np.isnan(price), 1.0, price)
    unknown = np.full(n, np.nan)
    return ReorderPlan(
        on_hand=on_hand,
        on_order=on_order,
        lead_time_days=lead_days,
        lead_time_demand_p50=demand.quantile(np.full(n, 0.5)),
        service_level=level,
        safety_stock=np.maximum(reorder_point - demand.mean, 0),
        reorder_point=reorder_point,
        order_quantity=np.where(counted, quantity, unknown),
        expected_stockout=stockout,
        stockout_probability=np.where(counted, demand.exceeds(held), unknown),
        priority=np.where(counted, demand.shortage(held) * value, unknown),
        unit_price=price,
    )


def unit_price(grid: SalesGrid, options: DemandOptions, cases: Cases) -> np.ndarray:
    """What a unit costs, float64 [n]: its latest price known at the cutoff, else the catalogue's, else what it costs to
    buy; NaN where nothing says."""
    period, known_by = grid.period_of(cases.cutoff), cases.cutoff.astype("datetime64[us]")
    length = _LOOK_BACK[options.frequency]
    price = np.full(len(cases), np.nan)
    panel = next((panel for panel in (grid.sales, grid.ahead) if "price" in panel.columns), None)
    if panel is not None:
        seen = panel.gather("price", cases.entity, period - length, length, known_by)
        last = length - 1 - (~np.isnan(seen))[:, ::-1].argmax(axis=1)
        price = seen[np.arange(len(cases)), last].astype(np.float64)
    catalogue = (grid.item_columns or {}).get("price")
    if catalogue is not None:
        price = np.where(np.isnan(price), catalogue[grid.item[cases.entity]], price)
    return np.where(np.isnan(price), _Supply(grid, cases.entity)("unit_cost", np.nan), price)


@dataclass(frozen=True)
class _Supply:
    grid: SalesGrid
    series: np.ndarray

    def __call__(self, column: str, default: float) -> np.ndarray:
        """A column of `supply` for each case, float64 [n], the default where it says nothing."""
        values = (self.grid.supply or {}).get(column)
        if values is None:
            return np.full(len(self.series), default)
        return np.where(np.isnan(values[self.series]), default, values[self.series])


def _stock(grid: SalesGrid, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """(on_hand, on_order) of the latest count that each case sees, float64 [n]; NaN where there is none."""
    n = len(cases)
    if grid.stock is None or not len(grid.stock.occurred_at):
        return np.full(n, np.nan), np.full(n, np.nan)
    row, seen = (array[:, 0] for array in grid.stock.window(cases.entity, cases.cutoff, 1))
    columns = grid.stock.columns
    on_hand, on_order = (
        np.where(seen, columns[name][row], np.nan) if name in columns else np.full(n, np.nan)
        for name in ("on_hand", "on_order")
    )
    return on_hand, on_order


def _rounded(quantity: np.ndarray, minimum: np.ndarray, multiple: np.ndarray) -> np.ndarray:
    """What can be ordered to get at least `quantity`: 0 where nothing is lacking."""
    least = np.where(quantity > 0, np.maximum(quantity, minimum), 0)
    pack = np.where(multiple > 0, multiple, 1.0)
    return np.ceil(least / pack - 1e-9) * pack

"""Output rows: forecasts, the reorder plan and recent history as Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from forecasting.schema import Kind
from forecasting.task import Cases
from tasks.demand.forecast import DemandForecast
from tasks.demand.options import DemandOptions
from tasks.demand.outputs import DEMAND_FORECASTS, DEMAND_HISTORY, QUANTILE_COLUMNS, REORDER_PLAN
from tasks.demand.reorder import reorder_plan
from tasks.demand.sales import SalesGrid


def rows(grid: SalesGrid, options: DemandOptions, cases: Cases, forecast: DemandForecast) -> Mapping[str, pa.Table]:
    """The rows of every output table, with `case` in front."""
    return {
        DEMAND_FORECASTS.name: _forecasts(grid, cases, forecast),
        REORDER_PLAN.name: _plan(grid, options, cases, forecast),
        DEMAND_HISTORY.name: _history(grid, options, cases),
    }


def _forecasts(grid: SalesGrid, cases: Cases, forecast: DemandForecast) -> pa.Table:
    case = np.repeat(np.arange(len(cases)), forecast.horizon)
    step = np.tile(np.arange(forecast.horizon), len(cases))
    columns = _keys(grid, cases, case)
    columns["date"] = _dates(grid, grid.period_of(cases.cutoff)[case] + step)
    columns["mean"] = forecast.mean.ravel().astype(np.float64)
    for name, level in QUANTILE_COLUMNS.items():
        columns[name] = forecast.quantile(level).ravel().astype(np.float64)
    return pa.table(columns)


def _plan(grid: SalesGrid, options: DemandOptions, cases: Cases, forecast: DemandForecast) -> pa.Table:
    plan = reorder_plan(grid, options, cases, forecast)
    columns = _keys(grid, cases, np.arange(len(cases)))
    for column in REORDER_PLAN.columns[2:]:
        if column.name == "expected_stockout_date":
            columns[column.name] = _dates(grid, plan.expected_stockout, missing=plan.expected_stockout < 0)
        elif column.kind is Kind.TEXT:
            columns[column.name] = _of_items(grid, column.name, cases)
        else:
            columns[column.name] = _nullable(getattr(plan, column.name))
    return pa.table(columns)


def _history(grid: SalesGrid, options: DemandOptions, cases: Cases) -> pa.Table:
    length = options.published_history
    stop, known_by = grid.period_of(cases.cutoff), cases.cutoff.astype("datetime64[us]")
    period = stop[:, None] + np.arange(-length, 0)
    there = period >= grid.began(cases.entity, known_by)[:, None]
    case = np.repeat(np.arange(len(cases)), there.sum(axis=1))
    values, observed = grid.window(cases.entity, stop, length, known_by)
    sold_out = grid.sold_out(cases.entity, stop, length, known_by)
    columns = _keys(grid, cases, case)
    columns["date"] = _dates(grid, period[there])
    columns["quantity"] = _nullable(np.where(observed | sold_out, values, np.nan)[there])
    panel = next((panel for panel in (grid.sales, grid.ahead) if "price" in panel.columns), None)
    price = np.full(there.shape, np.nan)
    if panel is not None:
        price = panel.gather("price", cases.entity, stop - length, length, known_by)
    columns["price"] = _nullable(price[there])
    if "in_stock" in grid.sales.columns:
        said = ~np.isnan(grid.sales.gather("in_stock", cases.entity, stop - length, length, known_by))
        columns["in_stock"] = pa.array(~sold_out[there], mask=~(said & there)[there])
    else:
        columns["in_stock"] = pa.nulls(int(there.sum()), pa.bool_())
    return pa.table({name: columns[name] for name in ("case", *(column.name for column in DEMAND_HISTORY.columns))})


def _keys(grid: SalesGrid, cases: Cases, case: np.ndarray) -> dict[str, Any]:
    series = cases.entity[case]
    return {
        "case": pa.array(case, pa.int64()),
        "item_id": _names(grid.items, grid.item[series]),
        "location_id": _names(grid.locations, grid.location[series]),
    }


def _names(names: np.ndarray, code: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), pa.array(names, pa.string()))


def _of_items(grid: SalesGrid, name: str, cases: Cases) -> pa.Array:
    """A text column of `items` for each case, null where it is not there."""
    values = (grid.item_columns or {}).get(name)
    if values is None or values.dtype != object:
        return pa.nulls(len(cases), pa.string())
    return pa.array(values[grid.item[cases.entity]], pa.string())


def _dates(grid: SalesGrid, period: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    return pa.array(grid.periods.start(period), pa.date32(), mask=missing)


def _nullable(values: np.ndarray) -> pa.Array:
    values = values.astype(np.float64)
    return pa.array(values, pa.float64(), mask=np.isnan(values))

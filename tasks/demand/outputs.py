"""The tables that demand writes, and its reports, as plain data."""

from __future__ import annotations

from forecasting.schema import Column, Kind, OutputTable, Report

QUANTILE_COLUMNS = {
    "p025": 0.025,
    "p10": 0.1,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p975": 0.975,
}
"""Column of `demand_forecasts` -> level of the quantile."""

_KEYS = (Column("item_id", Kind.ID), Column("location_id", Kind.ID))


def _number(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name, Kind.NUMBER, required, description=description)


DEMAND_FORECASTS = OutputTable(
    "demand_forecasts",
    (
        *_KEYS,
        Column("date", Kind.DATE, future=True, description="first day of the period"),
        _number("mean", "expected units"),
        *(_number(name, f"quantile {level:g} of units") for name, level in QUANTILE_COLUMNS.items()),
    ),
    key=("item_id", "location_id", "date"),
    description="distribution of the units sold in each period of the horizon",
)

REORDER_PLAN = OutputTable(
    "reorder_plan",
    (
        *_KEYS,
        _number("on_hand", "units in stock at the latest count; null where nothing was counted", required=False),
        _number("on_order", "units ordered and not yet delivered", required=False),
        _number("lead_time_days", "expected days from order to delivery"),
        _number("lead_time_demand_p50", "median of demand over the lead time, units"),
        _number("service_level", "wanted probability of no stock-out in a lead time"),
        _number("safety_stock", "reorder_point less the expected demand over the lead time, units, at least 0"),
        _number("reorder_point", "service-level quantile of demand over the lead time, units"),
        _number("order_quantity", "units to order today; null where stock is unknown", required=False),
        Column(
            "expected_stockout_date",
            Kind.DATE,
            required=False,
            future=True,
            description="first period at whose end median cumulative demand exceeds stock; null beyond the horizon",
        ),
        _number("stockout_probability", "that demand over the lead time exceeds on_hand + on_order", required=False),
        _number(
            "priority",
            "expected loss if nothing is ordered: units short over the lead time times unit price (1 where unknown);"
            " the largest first",
            required=False,
        ),
        _number("unit_price", "latest price known at the cutoff", required=False),
        Column("title", Kind.TEXT, required=False, description="what `items` calls it"),
        Column("category", Kind.TEXT, required=False, description="its category in `items`"),
    ),
    key=("item_id", "location_id"),
    description="when and how much to order",
)

DEMAND_HISTORY = OutputTable(
    "demand_history",
    (
        *_KEYS,
        Column("date", Kind.DATE, description="first day of the period"),
        _number("quantity", "units sold, as known at the cutoff; null where unobserved", required=False),
        _number("price", "price in the period", required=False),
        Column("in_stock", Kind.FLAG, required=False, description="false where the item was sold out"),
    ),
    key=("item_id", "location_id", "date"),
    description="the recent past of each series, for charts",
)

OUTPUTS = (DEMAND_FORECASTS, REORDER_PLAN, DEMAND_HISTORY)

REPORTS = (Report("inventory", "Inventory"),)

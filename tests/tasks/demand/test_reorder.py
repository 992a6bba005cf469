"""Demand over lead times of any length, and the plan made from it."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from demand_shops import START, ids, sales_table, stamps

from forecasting.task import Cases
from tasks.demand.assemble import assemble
from tasks.demand.forecast import CUMULATIVE_LEVELS, LEVELS, DemandForecast
from tasks.demand.leadtime import lead_time_demand
from tasks.demand.options import DemandOptions
from tasks.demand.reorder import reorder_plan

MEAN, DEVIATION, HORIZON = 10.0, 2.0, 28


def independent_days(n: int) -> DemandForecast:
    """Normal demand of MEAN and DEVIATION a day, days independent."""
    step = np.arange(1, HORIZON + 1)
    normal = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    total = np.array([NormalDist().inv_cdf(level) for level in CUMULATIVE_LEVELS])
    return DemandForecast(
        np.full((n, HORIZON), MEAN, np.float32),
        np.broadcast_to(MEAN + DEVIATION * normal, (n, HORIZON, len(LEVELS))).astype(np.float32),
        np.broadcast_to(
            MEAN * step[:, None] + DEVIATION * np.sqrt(step)[:, None] * total, (n, HORIZON, len(total))
        ).astype(np.float32),
    )


def true_quantile(days, level, deviation_of_lead=0.0):
    spread = np.sqrt(DEVIATION**2 * days + MEAN**2 * deviation_of_lead**2)
    return MEAN * days + spread * NormalDist().inv_cdf(level)


@pytest.mark.parametrize("days", [0.25, 1, 6.5, 14, 28, 45, 90])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.995])
def test_lead_times_inside_and_beyond_the_horizon(days, level):
    demand = lead_time_demand(independent_days(1), np.array([float(days)]), np.zeros(1), 7)
    assert demand.quantile(np.array([level]))[0] == pytest.approx(true_quantile(days, level), rel=0.02, abs=0.1)
    assert demand.mean[0] == pytest.approx(MEAN * days)


def test_the_service_level_of_a_whole_lead_time_is_the_forecasts_own_quantile():
    forecast = independent_days(3)
    demand = lead_time_demand(forecast, np.full(3, 14.0), np.zeros(3), 7)
    np.testing.assert_allclose(
        demand.quantile(np.full(3, 0.95)), forecast.cumulative[:, 13, CUMULATIVE_LEVELS.index(0.95)]
    )


def test_an_uncertain_lead_time_needs_more_stock():
    demand = lead_time_demand(independent_days(2), np.full(2, 14.0), np.array([0.0, 3.0]), 7)
    sure, unsure = demand.quantile(np.full(2, 0.95))
    assert sure == pytest.approx(true_quantile(14, 0.95), rel=1e-3)
    assert unsure == pytest.approx(true_quantile(14, 0.95, 3.0), rel=0.04)


def test_no_lead_time_no_demand():
    demand = lead_time_demand(independent_days(1), np.zeros(1), np.zeros(1), 7)
    assert demand.quantile(np.array([0.95]))[0] == 0


def test_shortage_and_probability_are_those_of_the_distribution():
    demand = lead_time_demand(independent_days(1), np.array([16.0]), np.zeros(1), 7)
    stock = np.array([165.0])
    z = (165 - 160) / 8
    expected = 8 * (NormalDist().pdf(z) - z * (1 - NormalDist().cdf(z)))
    assert demand.exceeds(stock)[0] == pytest.approx(1 - NormalDist().cdf(z), abs=0.03)
    assert demand.shortage(stock)[0] == pytest.approx(expected, rel=0.1)


ITEMS = ["counted", "packed", "plenty", "unknown", "owed"]


def plan_of(**options):
    day = np.arange(30)
    rows = {
        "item": np.repeat(ITEMS, 30),
        "location": np.repeat(["x"], 150),
        "day": np.tile(day, 5),
        "quantity": np.full(150, 10.0),
        "price": np.where(np.tile(day, 5) == 29, 3.0, 2.0),
    }
    cutoff = START + 30
    stock = pa.table(
        {
            "item_id": ids(["counted", "counted", "counted", "packed", "plenty", "owed"]),
            "location_id": ids("xxxxxx"),
            "observed_at": stamps(cutoff + np.array([-9, -2, 1, -1, -1, -1])),
            "on_hand": [500.0, 40.0, 900.0, 40.0, 400.0, -20.0],
            "on_order": [0.0, 20.0, 0.0, None, 0.0, 0.0],
        }
    )
    supply = pa.table(
        {
            "item_id": ids(["packed", "packed", "plenty"]),
            "location_id": pa.array(["x", None, None]).dictionary_encode(),
            "lead_time_days": [14.0, 3.0, 14.0],
            "order_multiple": [24.0, None, None],
            "minimum_order": [100.0, None, None],
            "service_level": [None, None, 0.5],
        }
    )
    grid = assemble(
        {"sales": sales_table(rows), "stock": stock, "supply": supply}, DemandOptions(lead_time_days=14, **options)
    )
    cases = Cases(np.arange(5), np.full(5, cutoff).astype("datetime64[us]"))
    plan = reorder_plan(grid, DemandOptions(lead_time_days=14), cases, independent_days(5))
    names = grid.items[grid.item]
    return {name: {column: getattr(plan, column)[k] for column in vars(plan)} for k, name in enumerate(names)}, grid


def test_what_is_ordered_fills_up_to_the_reorder_point():
    plan, _ = plan_of()
    counted = plan["counted"]
    assert (counted["on_hand"], counted["on_order"]) == (40, 20)
    assert counted["reorder_point"] == pytest.approx(true_quantile(14, 0.95), rel=1e-4)
    assert counted["order_quantity"] == np.ceil(counted["reorder_point"] - 60)
    assert counted["safety_stock"] == pytest.approx(counted["reorder_point"] - 140, rel=1e-4)
    assert counted["lead_time_demand_p50"] == pytest.approx(140)
    assert counted["stockout_probability"] == 1
    assert counted["priority"] == pytest.approx(80 * 3, rel=0.01)


def test_multiples_minimum_and_the_row_of_the_location_count():
    packed = plan_of()[0]["packed"]
    assert packed["lead_time_days"] == 14
    assert packed["order_quantity"] == 120
    assert np.isnan(packed["on_order"])


def test_enough_stock_orders_nothing():
    plenty = plan_of()[0]["plenty"]
    assert plenty["order_quantity"] == 0
    assert plenty["service_level"] == 0.5
    assert plenty["reorder_point"] == pytest.approx(140)
    assert plenty["stockout_probability"] == 0
    assert plenty["expected_stockout"] == -1


def test_without_a_count_there_is_a_reorder_point_and_nothing_else():
    unknown = plan_of()[0]["unknown"]
    assert unknown["reorder_point"] > 140
    for column in ("on_hand", "on_order", "order_quantity", "stockout_probability", "priority"):
        assert np.isnan(unknown[column])
    assert unknown["expected_stockout"] == -1


def test_the_stock_out_is_expected_when_median_demand_has_eaten_the_stock():
    plan, grid = plan_of()
    days = {name: row["expected_stockout"] - grid.period_of(START + 30) for name, row in plan.items()}
    assert days["counted"] == 6  # 60 units at 10 a day last six days: the seventh runs short
    assert days["owed"] == 0

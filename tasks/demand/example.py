"""A made-up shop on which the contract suite tries demand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.task import Example
from tasks.demand.options import DemandOptions

_START, _AS_OF, _DAYS = np.datetime64("2023-01-01"), np.datetime64("2023-06-30", "us"), 200


def example() -> Example:
    """Ten series of daily sales with a weekly rhythm, promotions planned ahead, stock-outs, late rows and corrections;
    one item begins late, one has stock but never sold."""
    random = np.random.default_rng(7)
    items, locations = np.array([f"item-{k}" for k in range(5)]), np.array(["north", "south"])
    item, location, day = (
        axis.ravel() for axis in np.meshgrid(np.arange(5), np.arange(2), np.arange(_DAYS), indexing="ij")
    )
    begun = (item < 4) | (day > 140)
    item, location, day = item[begun], location[begun], day[begun]
    promotion = (random.random((5, _DAYS)) < 0.1)[item, day]
    level = (4.0 + 3.0 * item) * (1.5 - location) * (1 + 0.5 * np.isin(day % 7, (5, 6))) * (1 + promotion)
    quantity = random.poisson(level).astype(np.float64)
    in_stock = random.random(len(day)) > 0.03
    quantity[~in_stock] = np.floor(quantity[~in_stock] / 3)
    date = _START + day
    late = random.random(len(day)) < 0.05
    known = np.where(late, date + random.integers(2, 30, len(day)), date + 1).astype("datetime64[us]")
    corrected = np.flatnonzero(random.random(len(day)) < 0.03)
    rows = np.concatenate([np.arange(len(day)), corrected])
    quantity = np.concatenate([quantity, quantity[corrected] + 2])
    known = np.concatenate([known, known[corrected] + np.timedelta64(40, "D")])
    sales = pa.table(
        {
            "item_id": pa.array(items[item[rows]]).dictionary_encode(),
            "location_id": pa.array(locations[location[rows]]).dictionary_encode(),
            "date": pa.array(date[rows], pa.date32()),
            "quantity": quantity,
            "price": 2.0 + item[rows],
            "promotion": promotion[rows],
            "in_stock": in_stock[rows],
            "known_at": pa.array(known, pa.timestamp("us", "UTC")),
        }
    )
    counted = np.repeat(np.array([_AS_OF - np.timedelta64(1, "D"), _AS_OF + np.timedelta64(5, "D")]), 6)
    stock = pa.table(
        {
            "item_id": pa.array([*items, "item-new"] * 2).dictionary_encode(),
            "location_id": pa.array(["north"] * 12).dictionary_encode(),
            "observed_at": pa.array(counted.astype("datetime64[us]"), pa.timestamp("us", "UTC")),
            "on_hand": np.arange(12.0) * 10,
            "on_order": np.arange(12.0),
        }
    )
    supply = pa.table(
        {
            "item_id": pa.array(items).dictionary_encode(),
            "lead_time_days": [3.0, 7.0, 10.0, 14.0, 28.0],
            "lead_time_stddev_days": [0.0, 1.0, None, 2.0, 0.0],
            "order_multiple": [1.0, 6.0, None, 12.0, 1.0],
        }
    )
    catalogue = pa.table(
        {
            "item_id": pa.array([*items, "item-new"]).dictionary_encode(),
            "category": pa.array(["fresh", "fresh", "dry", "dry", "dry", "dry"]).dictionary_encode(),
            "price": [2.0, 3.0, 4.0, 5.0, 6.0, 4.0],
        }
    )
    return Example(
        DemandOptions("D", 7, known_ahead=("promotion",)),
        {"sales": sales, "items": catalogue, "stock": stock, "supply": supply},
        _AS_OF,
        known_ahead={"sales": ("promotion", "date")},
    )

"""Stock and supply for the demo: the invoices have neither, so a warehouse is simulated beside the real sales.

The process, seeded and the same on every machine:

1. Each item gets a supplier at random: domestic (half of them: 5 days, standard deviation 1), European (a third: 14, 3)
   or overseas (the rest: 35, 7 - longer than the forecast's horizon). It is bought in packs of 24, 12, 6 or 1 by its
   price, at least two packs at a time, at 55% of its price, held at 25% of its cost a year. The service level is 0.98
   for the tenth of the items that sell for most, 0.95 for the next 40%, 0.90 for the rest.
2. The warehouse starts with six weeks of each item's average sales over the first 56 days, and from then on is run by
   a plain policy: once a week it orders up to (mean daily sales of the last 56 days) x (lead time + 7 days) plus 1.3
   standard deviations of that, in whole packs. Deliveries arrive after a lead time drawn from the supplier's. What is
   sold leaves the shelf; a shelf that is empty stays at zero.
3. What stands on the shelf and on order at the end is the simulated stock count. Nothing after that instant is used.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from forecasting.app.invoices import LOCATION, is_product

NOTE = (
    "Stock levels, lead times and purchase costs are simulated: the invoices have none. "
    "Sales, prices and dates are real."
)

_LEAD_DAYS = np.array([5.0, 14.0, 35.0])
_LEAD_DEVIATION = np.array([1.0, 3.0, 7.0])
_SUPPLIER_SHARE = (0.50, 0.33, 0.17)
_REVIEW_DAYS = 7
_WINDOW_DAYS = 56
_SAFETY = 1.3


def simulate(lines: pd.DataFrame, as_of: np.datetime64, seed: int = 2011) -> dict[str, pa.Table]:
    """Canonical `supply` and `stock` of every item sold before `as_of` (a day), from the raw lines before it."""
    random = np.random.default_rng(seed)
    day = as_of.astype("datetime64[D]")
    past = lines[(lines["timestamp"] < day) & (lines["quantity"] > 0) & is_product(lines["item_id"])]
    items, code = np.unique(past["item_id"].to_numpy(dtype=str), return_inverse=True)
    dates = past["timestamp"].to_numpy().astype("datetime64[D]")
    first = dates.min()
    sold = np.zeros((int((day - first).astype(int)), len(items)))
    np.add.at(sold, ((dates - first).astype(int), code), past["quantity"].to_numpy())
    price = past[past["unit_price"] > 0].groupby("item_id")["unit_price"].first().reindex(items).fillna(1).to_numpy()

    supplier = random.choice(3, len(items), p=_SUPPLIER_SHARE)
    pack = np.select([price < 1, price < 3, price < 10], [24.0, 12.0, 6.0], 1.0)
    on_hand, on_order = _run_warehouse(sold, _LEAD_DAYS[supplier], _LEAD_DEVIATION[supplier], pack, random)
    place = pa.array([LOCATION] * len(items))
    supply = pa.table(
        {
            "item_id": pa.array(items),
            "location_id": place,
            "lead_time_days": _LEAD_DAYS[supplier],
            "lead_time_stddev_days": _LEAD_DEVIATION[supplier],
            "order_multiple": pack,
            "minimum_order": 2 * pack,
            "unit_cost": np.round(0.55 * price, 2),
            "holding_cost_rate": np.full(len(items), 0.25),
            "service_level": _service_level((sold * price).sum(axis=0)),
        }
    )
    counted = (day.astype("datetime64[us]") - np.timedelta64(1, "h")).astype("datetime64[us]")
    stock = pa.table(
        {
            "item_id": pa.array(items),
            "location_id": place,
            "observed_at": pa.array(np.full(len(items), counted)).cast(pa.timestamp("us", "UTC")),
            "on_hand": on_hand,
            "on_order": on_order,
        }
    )
    return {"supply": supply, "stock": stock}


def _run_warehouse(
    sold: np.ndarray, lead: np.ndarray, deviation: np.ndarray, pack: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(on hand, on order), float64 [items], after the last day of `sold` [days, items]; a step of the process a day."""
    days, items = sold.shape
    longest = int(lead.max() + 4 * deviation.max()) + 1
    arrives = np.zeros((days + longest + 1, items))
    on_hand = np.ceil(sold[:_WINDOW_DAYS].mean(axis=0) * 42 / pack) * pack
    total = np.vstack([np.zeros(items), np.cumsum(sold, axis=0)])
    squares = np.vstack([np.zeros(items), np.cumsum(sold**2, axis=0)])
    for day in range(days):
        on_hand = np.maximum(on_hand + arrives[day] - sold[day], 0)
        if day % _REVIEW_DAYS or day < _WINDOW_DAYS // 2:
            continue
        start = max(day + 1 - _WINDOW_DAYS, 0)
        length = day + 1 - start
        mean = (total[day + 1] - total[start]) / length
        variance = np.maximum((squares[day + 1] - squares[start]) / length - mean**2, 0)
        cover = lead + _REVIEW_DAYS
        target = mean * cover + _SAFETY * np.sqrt(variance * cover)
        short = target - on_hand - arrives[day + 1 :].sum(axis=0)
        order = np.where(short > 0, np.maximum(np.ceil(short / pack), 2) * pack, 0)
        wait = np.clip(np.round(random.normal(lead, deviation)), 1, longest).astype(int)
        arrives[day + wait, np.arange(items)] += order
    return on_hand, arrives[days:].sum(axis=0)


def _service_level(revenue: np.ndarray) -> np.ndarray:
    rank = np.empty(len(revenue))
    rank[np.argsort(-revenue, kind="stable")] = np.arange(len(revenue)) / len(revenue)
    return np.select([rank < 0.1, rank < 0.5], [0.98, 0.95], 0.90)

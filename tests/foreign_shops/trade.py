"""What happened in every one of these shops: 400 orders of 50 customers, until the evening before yesterday."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

CITIES = {"BE": (52.5, 13.4), "BY": (48.1, 11.6), "HH": (53.6, 10.0), "SN": (51.1, 13.7)}


@dataclass(frozen=True)
class Trade:
    """Naive local times, NaT where it has not come to that.

    `orders`: n, customer, placed, paid, shipped, delivered, promised (a midnight), cancelled, total, region.
    `lines`: order, position, item, units, price. `items`: n, title, category, brand, price, weight, introduced.
    `customers`: n, name, joined, region. `clicks`: customer, session, item, what, at. `stock`: item, place, at, left.
    """

    orders: pd.DataFrame
    lines: pd.DataFrame
    items: pd.DataFrame
    customers: pd.DataFrame
    clicks: pd.DataFrame
    stock: pd.DataFrame


@cache
def trade(count: int = 400, days: int = 200) -> Trade:
    """The same in every test of one day."""
    random = np.random.default_rng(5)
    end = pd.Timestamp.now().floor("D") - pd.Timedelta("1D")
    numbers = np.arange(count) + 1001
    placed = pd.Series(end - pd.to_timedelta(np.sort(random.uniform(0.3, days, count))[::-1], "D")).dt.floor("s")
    cancelled = random.random(count) < 0.04

    def later(than: pd.Series, low: float, high: float) -> pd.Series:
        times = (than + pd.to_timedelta(random.uniform(low, high, count), "D")).dt.floor("s")
        return times.where((times < end) & than.notna())

    paid = later(placed, 0.01, 0.8)
    shipped = later(paid, 0.3, 3.0).where(~cancelled)
    delivered = later(shipped, 1.0, 6.0)
    states = np.array(list(CITIES))
    buyer = random.integers(1, 51, count)
    home = states[random.integers(0, 4, 50)]
    items = pd.DataFrame(
        {
            "n": np.arange(1, 25) + 500,
            "title": [f"Thing of kind {number}" for number in range(24)],
            "category": [("lamps", "chairs", "toys")[number % 3] for number in range(24)],
            "brand": [("Acme", "Zeta")[number % 2] for number in range(24)],
            "price": random.integers(300, 9000, 24) / 100,
            "weight": random.integers(1, 80, 24) / 10,
            "introduced": end - pd.to_timedelta(random.integers(200, 900, 24), "D"),
        }
    )
    each = random.integers(1, 4, count)
    order = np.repeat(numbers, each)
    item = random.integers(0, 24, len(order))
    lines = pd.DataFrame(
        {
            "order": order,
            "position": pd.Series(order).groupby(order).cumcount().to_numpy() + 1,
            "item": items["n"].to_numpy()[item],
            "units": random.integers(1, 5, len(order)),
            "price": items["price"].to_numpy()[item],
        }
    )
    total = (lines["units"] * lines["price"]).groupby(lines["order"]).sum().round(2).to_numpy()
    orders = pd.DataFrame(
        {
            "n": numbers,
            "customer": buyer + 70_000,
            "placed": placed,
            "paid": paid,
            "shipped": shipped,
            "delivered": delivered,
            "promised": placed.dt.floor("D") + pd.to_timedelta(random.integers(5, 12, count), "D"),
            "cancelled": later(placed, 0.5, 2).where(cancelled),
            "total": total,
            "region": home[buyer - 1],
        }
    )
    customers = pd.DataFrame(
        {
            "n": np.arange(1, 51) + 70_000,
            "name": [f"Person {number}" for number in range(50)],
            "joined": end - pd.to_timedelta(random.integers(210, 900, 50), "D"),
            "region": home,
        }
    )
    clicks = pd.DataFrame(
        {
            "customer": 70_000 + random.integers(1, 51, 1500),
            "session": [f"s{number}" for number in random.integers(0, 400, 1500)],
            "item": items["n"].to_numpy()[random.integers(0, 24, 1500)],
            "what": np.array(["view", "view", "view", "cart", "purchase"])[random.integers(0, 5, 1500)],
            "at": (end - pd.to_timedelta(np.sort(random.uniform(0, days, 1500))[::-1], "D")).floor("s"),
        }
    )
    stock = pd.DataFrame(
        {
            "item": np.tile(items["n"], 4),
            "place": np.repeat([1, 2], 48),
            "at": np.tile(np.repeat([end - pd.Timedelta("7D"), end], 24), 2),
            "left": random.integers(0, 90, 96),
        }
    )
    return Trade(orders, lines, items, customers, clicks, stock)


def days(times: pd.Series) -> pd.Series:
    """Their dates, as objects, None for NaT."""
    return pd.Series([None if pd.isna(time) else time.date() for time in times], times.index, object)


def mail(names: pd.Series) -> pd.Series:
    """An address for each."""
    return names.str.lower().str.replace(" ", ".") + "@example.com"

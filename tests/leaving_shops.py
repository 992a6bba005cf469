"""A small shop for churn: customers who buy at rates of their own, and of whom some stop; as files for the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

HORIZON, ACTIVE = 30, 60

LEAST_VALUE, START_LIMIT = 12.0, 6

FAST = f"""\
[tasks.churn]
horizon_days = {HORIZON}
active_days = {ACTIVE}
hidden = 4
epochs = 1
alert_least_value = {LEAST_VALUE}
alert_start_limit = {START_LIMIT}
"""
"""Options with which a run takes seconds."""

BEGIN, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-07-01")
"""All history is before END; some days more follow, for the nights after it."""

MORE_DAYS = 12


@dataclass(frozen=True)
class Shop:
    """Tables as the program loads them."""

    orders: pd.DataFrame
    order_lines: pd.DataFrame
    interactions: pd.DataFrame
    customers: pd.DataFrame

    @property
    def purchases(self) -> pd.DataFrame:
        """The orders that are more than returns: of something, and not for less than nothing."""
        lines = self.order_lines.assign(money=self.order_lines["quantity"] * self.order_lines["unit_price"])
        found = lines.groupby("order_id").agg({"quantity": "max", "money": "sum"})
        return self.orders[self.orders["order_id"].isin(found.index[(found["quantity"] > 0) & (found["money"] >= 0)])]

    def before(self, cutoff: pd.Timestamp, start: pd.Timestamp = BEGIN) -> dict[str, pd.DataFrame]:
        """What a warehouse is given of [start, cutoff)."""
        orders = self.orders[self.orders["placed_at"].between(start, cutoff, inclusive="left")]
        views = self.interactions[self.interactions["occurred_at"].between(start, cutoff, inclusive="left")]
        return {
            "orders": orders,
            "order_lines": self.order_lines[self.order_lines["order_id"].isin(orders["order_id"])],
            "interactions": views,
            "customers": self.customers,
        }


def shop(customers: int = 280, leaving: float = 0.35, seed: int = 3) -> Shop:
    """So many customers from the first weeks on, each with a usual gap of 5 to 25 days; the share `leaving` stop at
    some day. Orders know no value: it is that of their lines, of which one in thirty comes back."""
    random = np.random.default_rng(seed)
    days = (END - BEGIN).days + MORE_DAYS
    names = np.array([f"c{number:03}" for number in range(customers)])
    gap, first = random.uniform(5, 25, customers), random.uniform(0, 20, customers)
    stops = np.where(random.random(customers) < leaving, random.uniform(40, days, customers), days)
    at = first[:, None] + np.cumsum(gap[:, None] * random.gamma(4, 0.25, (customers, 60)), axis=1)
    who, which = np.nonzero(at < stops[:, None])
    order = np.argsort(at[who, which])
    who, placed = who[order], BEGIN + pd.to_timedelta(at[who, which][order].round(4), "D")
    placed = placed.floor("s")
    orders = pd.DataFrame({"order_id": np.arange(len(who)) + 1000, "customer_id": names[who], "placed_at": placed})
    line = np.repeat(np.arange(len(orders)), random.integers(1, 4, len(orders)))
    lines = pd.DataFrame(
        {
            "order_id": orders["order_id"].to_numpy()[line],
            "item_id": np.char.add("item-", (random.integers(0, 20, len(line))).astype(str)),
            "quantity": np.where(random.random(len(line)) < 1 / 30, -1, random.integers(1, 4, len(line))),
            "unit_price": random.choice([2.5, 4.0, 9.95], len(line)),
        }
    ).drop_duplicates(["order_id", "item_id"])
    seen = random.integers(0, len(orders), len(orders))
    views = pd.DataFrame(
        {
            "customer_id": orders["customer_id"].to_numpy()[seen],
            "session_id": np.char.add("s", np.arange(len(seen)).astype(str)),
            "item_id": "item-1",
            "kind": "view",
            "occurred_at": orders["placed_at"].to_numpy()[seen]
            - pd.to_timedelta(random.integers(1, 3000, len(seen)), "min"),
        }
    ).sort_values("occurred_at", ignore_index=True)
    regions = pd.DataFrame({"customer_id": names, "region": np.where(np.arange(customers) % 3, "north", 'the "south"')})
    return Shop(orders, lines, views, regions)


def write(directory: Path, tables: Mapping[str, pd.DataFrame], extra: str = "") -> dict[str, Path]:
    """Writes them as CSV, and a forecasting.toml of FAST options and what is `extra`."""
    files = {source: directory / f"{source}.csv" for source in tables}
    for source, table in tables.items():
        table.to_csv(files[source], index=False)
    (directory / "forecasting.toml").write_text(FAST + extra)
    return files

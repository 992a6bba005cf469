"""A small shop for completion: orders that are packed, shipped and arrive, some of them never; as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

FAST = """\
[tasks.completion]
stages = ["placed", "packed", "shipped"]
features = ["carrier"]
hidden = 4
epochs = 1
recent = 2
"""
"""Options with which a run takes seconds."""

BEGIN, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-06-01")
"""Orders are placed from BEGIN on; some days more follow END, for the nights after it."""

MORE_DAYS = 12

DAY = pd.Timedelta("1D")


@dataclass(frozen=True)
class Shop:
    """What the shop will have done in the end."""

    orders: pd.DataFrame
    order_events: pd.DataFrame

    def known(self, until: pd.Timestamp) -> dict[str, pd.DataFrame]:
        """What its warehouse holds at an instant: stamps that lie after it are blank."""
        orders = self.orders[self.orders["placed_at"] < until].copy()
        for column in ("completed_at", "cancelled_at"):
            orders[column] = orders[column].where(orders[column] < until)
        events = self.order_events[self.order_events["occurred_at"] < until]
        return {"orders": orders, "order_events": events}

    def open(self, until: pd.Timestamp) -> pd.DataFrame:
        """Orders under way at an instant."""
        orders = self.known(until)["orders"]
        return orders[orders["completed_at"].isna() & orders["cancelled_at"].isna()]


def shop(orders: int = 900, seed: int = 5) -> Shop:
    """So many orders from three places to four regions: packed within a day or two, shipped, and there after days that
    the distance and the carrier say, on working days only. One in thirty is cancelled, one in a hundred lost."""
    random = np.random.default_rng(seed)
    span = (END - BEGIN).days + MORE_DAYS
    placed = BEGIN + pd.to_timedelta(np.sort(random.uniform(0, span, orders)), "D").floor("s")
    origin, region = random.integers(0, 3, orders), random.integers(0, 4, orders)
    carrier = random.choice(["swift", "steady"], orders)
    days = (1 + np.abs(origin - region)) * np.where(carrier == "swift", 1.0, 1.6) * random.lognormal(0, 0.3, orders)
    packed = placed + pd.to_timedelta(random.uniform(0.1, 1.5, orders), "D").floor("s")
    shipped = packed + pd.to_timedelta(random.uniform(0.05, 0.5, orders), "D").floor("s")
    completed = (shipped + pd.to_timedelta(days, "D").floor("s")).to_series(index=range(orders))
    completed += pd.to_timedelta(np.where(completed.dt.dayofweek == 6, 1, 0), "D")
    cancels, lost = random.random(orders) < 1 / 30, random.random(orders) < 1 / 100
    cancelled = pd.Series(packed + pd.Timedelta("1h"))
    table = pd.DataFrame(
        {
            "order_id": np.arange(orders) + 5000,
            "placed_at": placed,
            "promised_at": (placed + pd.to_timedelta(4 + 2 * np.abs(origin - region), "D")).normalize(),
            "completed_at": completed.where(~cancels & ~lost),
            "cancelled_at": cancelled.where(cancels),
            "origin_id": np.array(["north", "mid", "south"])[origin],
            "origin_latitude": np.array([55.0, 51.0, 47.0])[origin],
            "origin_longitude": 9.0,
            "destination_region": np.array(["A", "B", 'C "east"', "D"])[region],
            "destination_latitude": np.array([56.0, 52.0, 48.0, 44.0])[region],
            "destination_longitude": 10.0,
            "carrier": carrier,
        }
    )
    events = pd.concat(
        [
            pd.DataFrame({"order_id": table["order_id"], "status": "packed", "occurred_at": packed}),
            pd.DataFrame({"order_id": table["order_id"], "status": "shipped", "occurred_at": shipped})[~cancels],
        ]
    )
    return Shop(table, events.sort_values("occurred_at", ignore_index=True))


def write(directory: Path, tables: Mapping[str, pd.DataFrame], options: str = FAST) -> dict[str, Path]:
    """Writes them as CSV, and a forecasting.toml of the options."""
    files = {source: directory / f"{source}.csv" for source in tables}
    for source, table in tables.items():
        table.to_csv(files[source], index=False)
    (directory / "forecasting.toml").write_text(options)
    return files

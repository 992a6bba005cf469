"""A shop that serves all four tasks from one warehouse, night after night: every row is there from the beginning, and
each night sees its own past. Small, with options with which a run takes seconds; six jobs, due at two."""

from __future__ import annotations

from pathlib import Path

import leaving_shops
import numpy as np
import open_orders
import pandas as pd
import wish_shops

TASKS = ("demand", "recommendation", "churn", "completion")
JOBS = (*TASKS, "pages", "alerts")

NIGHTS = 125
FIRST = pd.Timestamp("2024-03-11 02:00", tz="UTC")
"""The slot of the first night; the last one sees the last of the orders."""

KEEP_ARTIFACTS = 3

_SETTINGS = f"""\
[settings]
keep_runs = 5
keep_artifacts = {KEEP_ARTIFACTS}
drift_limit = 0

[alerts.drop]
kind = "csv"
directory = "drop"

[tasks.demand]
known_ahead = ["promotion"]
horizon = 7
members = 1

[tasks.churn]
horizon_days = 10
active_days = 45
hidden = 4
epochs = 1
alert_least_value = 1.0

{wish_shops.FAST}
{open_orders.FAST}
"""

_EACH_NIGHT = "coalesce = false\ngrace_hours = 72\nretries = 5\nretry_wait_seconds = 0\ntimeout_minutes = 5\n"


def slot(night: int) -> pd.Timestamp:
    """When the jobs of a night are due."""
    return FIRST + night * pd.Timedelta("1D")


def write(directory: Path) -> dict[str, Path]:
    """Writes the shop's files by source, and a forecasting.toml."""
    jobs = [f'[jobs.{task}]\ntask = "{task}"\ncron = "0 2 * * *"\nretrain_after_days = 14\n' for task in TASKS]
    jobs += [
        f'[jobs.pages]\nreport = "all"\nafter = {list(TASKS)}\n',
        '[jobs.alerts]\nalerts = true\nafter = ["churn"]\n',
    ]
    toml = "\n".join([_SETTINGS, *(job + _EACH_NIGHT for job in jobs)])
    (directory / "forecasting.toml").write_text(toml, encoding="utf-8")
    tables = {**_sales(), **_clicks(), **_orders()}
    files = {source: directory / f"{source}.csv" for source in tables}
    for source, table in tables.items():
        table.to_csv(files[source], index=False)
    return files


def _sales() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(11)
    items, days = [f"I{item}" for item in range(3)], pd.date_range("2024-01-01", "2024-07-31")
    weekly = 1 + 0.4 * np.sin(2 * np.pi * np.arange(7) / 7)
    promoted = random.random((len(items), len(days))) < 1 / 6
    level = random.uniform(4, 20, len(items))[:, None] * weekly[days.dayofweek]
    sales = {
        "item_id": np.repeat(items, len(days)),
        "location_id": "L1",
        "date": np.tile(days.strftime("%Y-%m-%d"), len(items)),
        "quantity": random.poisson(level * np.where(promoted, 2.5, 1.0)).ravel(),
        "price": 9.5,
        "promotion": promoted.astype(int).ravel(),
    }
    stock = {"item_id": items, "location_id": "L1", "observed_at": "2024-03-01 06:00", "on_hand": 30, "on_order": 0}
    supply = {"item_id": items, "lead_time_days": 5, "service_level": 0.95, "order_multiple": 6}
    return {"sales": pd.DataFrame(sales), "stock": pd.DataFrame(stock), "supply": pd.DataFrame(supply)}


def _clicks() -> dict[str, pd.DataFrame]:
    """A hundred days of clicks, made two hundred that end with the last night."""
    tables = wish_shops.clicks()
    seen = tables["interactions"]
    before = pd.Timestamp(wish_shops.END) - pd.to_datetime(seen["occurred_at"])
    seen["occurred_at"] = (slot(NIGHTS).tz_localize(None) - 2 * before).dt.strftime("%Y-%m-%d %H:%M:%S")
    return {source: tables[source] for source in ("interactions", "items")}


def _orders() -> dict[str, pd.DataFrame]:
    """Orders of customers of whom some leave, each on its way as one of those of the other shop is."""
    leaving = leaving_shops.shop(customers=260, leaving=0.15)
    ways = open_orders.shop(orders=len(leaving.orders))
    later = leaving.orders["placed_at"] - ways.orders["placed_at"]
    orders = ways.orders.assign(
        order_id=leaving.orders["order_id"],
        customer_id=leaving.orders["customer_id"],
        **{name: ways.orders[name] + later for name in ("placed_at", "promised_at", "completed_at", "cancelled_at")},
    )
    number = ways.order_events["order_id"] - ways.orders["order_id"].iloc[0]
    events = ways.order_events.assign(
        order_id=orders["order_id"].to_numpy()[number],
        occurred_at=ways.order_events["occurred_at"] + later.to_numpy()[number],
    )
    return {"orders": orders, "order_lines": leaving.order_lines, "order_events": events}

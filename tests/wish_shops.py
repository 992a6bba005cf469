"""Two small shops for the recommender: one that knows who looked at what, and one that knows orders alone; as files for
the program, and as Arrow tables for the task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

ITEMS, TASTES, CUSTOMERS = 32, 4, 24

FAST = "[tasks.recommendation]\nk = 8\nhidden = 16\nepochs = 2\n"
"""Options with which a run takes seconds."""

END = "2024-05-01"
"""Everything happens before it, and the newest of it on the day before."""

_INSTANTS = ("occurred_at", "placed_at", "observed_at", "introduced_at", "cancelled_at")
_NUMBERS = ("price", "quantity", "on_hand")


def clicks() -> dict[str, pd.DataFrame]:
    """`interactions`, `items`, `customers` and `stock` of a shop with sessions, half of them of nobody known. Who looks
    at an item of a taste looks at the next one of it. The customer "new" has done nothing, the item "item-new" nobody
    has seen, and item-00 is sold out."""
    random = np.random.default_rng(5)
    sessions = 400
    length = random.integers(1, 7, sessions)
    session = np.repeat(np.arange(sessions), length)
    position = np.arange(len(session)) - np.repeat(np.cumsum(length) - length, length)
    begins = pd.Timestamp(END) - pd.to_timedelta(np.sort(random.uniform(0.1, 100, sessions))[::-1].round(3), "D")
    anonymous = random.random(sessions) < 0.5
    customer = random.integers(0, CUSTOMERS, sessions)
    taste, first = customer % TASTES, random.integers(0, ITEMS // TASTES, sessions)
    item = taste[session] + TASTES * ((first[session] + position) % (ITEMS // TASTES))
    names = [*map(name, range(ITEMS)), "item-new"]
    return {
        "interactions": pd.DataFrame(
            {
                "customer_id": np.where(anonymous[session], None, np.char.add("c", customer[session].astype(str))),
                "session_id": np.char.add("s", session.astype(str)),
                "item_id": [name(code) for code in item],
                "kind": np.where(position == 2, "cart", np.where(position == 3, "purchase", "view")),
                "occurred_at": (begins[session] + pd.to_timedelta(position, "min")).strftime("%Y-%m-%d %H:%M:%S"),
            }
        ),
        "items": pd.DataFrame(
            {
                "item_id": names,
                "title": [f"Thing number {number}" for number in range(len(names))],
                "category": [f"taste {number % TASTES}" for number in range(len(names))],
                "price": 9.5,
            }
        ),
        "customers": pd.DataFrame(
            {"customer_id": [*(f"c{code}" for code in range(CUSTOMERS)), "new"], "region": "north"}
        ),
        "stock": pd.DataFrame(
            {"item_id": [name(0)], "location_id": "L1", "observed_at": "2024-04-20 06:00", "on_hand": 0}
        ),
    }


def baskets() -> dict[str, pd.DataFrame]:
    """`orders` and `order_lines` of a shop whose customers come back for much the same every ten days. One order of
    each was cancelled, and a line in twenty is a return."""
    random = np.random.default_rng(6)
    orders, lines = CUSTOMERS * 12, 3
    customer, number = np.divmod(np.arange(orders), 12)
    placed = pd.Timestamp(END) - pd.to_timedelta((114 - 10 * number + random.uniform(0, 4, orders)).round(3), "D")
    item = (customer[:, None] * 5 + np.where(random.random((orders, lines)) < 0.8, [0, 1, 2], [7, 11, 13])) % ITEMS
    return {
        "orders": pd.DataFrame(
            {
                "order_id": np.arange(orders) + 10_000,
                "customer_id": customer + 700,
                "placed_at": placed.strftime("%Y-%m-%d %H:%M:%S"),
                "cancelled_at": np.where(number == 5, (placed + pd.Timedelta("1D")).strftime("%Y-%m-%d"), None),
            }
        ),
        "order_lines": pd.DataFrame(
            {
                "order_id": np.repeat(np.arange(orders) + 10_000, lines),
                "item_id": [name(code) for code in item.ravel()],
                "quantity": np.where(random.random(orders * lines) < 0.05, -1, 2),
            }
        ),
    }


def name(code: int) -> str:
    """The id of an item."""
    return f"item-{code:02}"


def write(directory: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, Path]:
    """Writes them as CSV, and a forecasting.toml."""
    files = {source: directory / f"{source}.csv" for source in tables}
    for source, table in tables.items():
        table.to_csv(files[source], index=False)
    (directory / "forecasting.toml").write_text(FAST)
    return files


def arrow(tables: Mapping[str, pd.DataFrame]) -> dict[str, pa.Table]:
    """The tables as a task gets them: checked types, no table without rows."""
    return {
        source: pa.table({column: _typed(column, table[column]) for column in table})
        for source, table in tables.items()
        if len(table)
    }


def _typed(column: str, values: pd.Series) -> pa.Array:
    if column in _INSTANTS:
        return pa.array(pd.to_datetime(values).to_numpy("datetime64[us]"), pa.timestamp("us", "UTC"))
    if column in _NUMBERS:
        return pa.array(values.to_numpy(float))
    return pa.array([None if pd.isna(value) else str(value) for value in values], pa.string()).dictionary_encode()

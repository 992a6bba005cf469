"""Shops in which all that has a name has a hostile one: customers, items, places, orders, titles and statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from forecasting.schema.sources import KEY_BYTES

NIGHT = np.datetime64("2024-01-08")
_DAYS = pd.date_range("2024-01-02", periods=6)


def tables(task: str, values: Sequence[str]) -> Mapping[str, pa.Table]:
    """The sources of a task's shop."""
    return {source: _arrow(frame) for source, frame in _SHOPS[task](list(values)).items()}


def others(values: Sequence[str]) -> list[str]:
    """A partner of each value: another one that may be told, if it may be told itself."""
    told = [value for value in values if len(value.encode()) <= KEY_BYTES]
    partner = dict(zip(told, [*told[7:], *told[:7]], strict=True))
    return [partner.get(value, value) for value in values]


def _demand(values: list[str]) -> dict[str, pd.DataFrame]:
    count = len(values)
    pairs = pd.DataFrame({"item_id": values, "location_id": others(values)})
    sales = pairs.loc[np.repeat(np.arange(count), len(_DAYS))].reset_index(drop=True)
    sales["date"], sales["quantity"] = np.tile(_DAYS.date, count), 3.0
    stock = pairs.assign(observed_at=pd.Timestamp("2024-01-07 06:00", tz="UTC"), on_hand=1.0)
    items = pd.DataFrame({"item_id": values, "title": others(values), "category": values})
    return {"sales": sales, "stock": stock, "items": items}


def _recommendation(values: list[str]) -> dict[str, pd.DataFrame]:
    count = len(values)
    interactions = pd.DataFrame(
        {
            "customer_id": np.repeat(values, 2),
            "session_id": np.repeat(others(values), 2),
            "item_id": [*values, *others(values)],
            "kind": "view",
            "occurred_at": pd.Timestamp("2024-01-05", tz="UTC") + pd.to_timedelta(np.arange(2 * count), "min"),
        }
    )
    items = pd.DataFrame({"item_id": values, "title": values, "category": others(values), "brand": values})
    customers = pd.DataFrame({"customer_id": values, "region": others(values)})
    return {"interactions": interactions, "items": items, "customers": customers}


def _churn(values: list[str]) -> dict[str, pd.DataFrame]:
    count = len(values)
    placed = pd.Timestamp("2024-01-02", tz="UTC") + pd.to_timedelta(np.arange(2 * count), "min")
    orders = pd.DataFrame(
        {
            "order_id": [*values, *(f"{value}\N{FULL BLOCK}" for value in values)],
            "customer_id": [*values, *values],
            "placed_at": placed,
            "channel": [*others(values), *values],
        }
    )
    lines = pd.DataFrame({"order_id": orders["order_id"], "item_id": [*values, *others(values)], "quantity": 1.0})
    customers = pd.DataFrame({"customer_id": values, "region": others(values)})
    return {"orders": orders, "order_lines": lines, "customers": customers}


def _completion(values: list[str]) -> dict[str, pd.DataFrame]:
    count = len(values)
    placed = pd.Timestamp("2024-01-05", tz="UTC") + pd.to_timedelta(np.arange(count), "min")
    under_way = pd.DataFrame(
        {
            "order_id": values,
            "placed_at": placed,
            "completed_at": pd.NaT,
            "origin_id": others(values),
            "destination_region": values,
            "carrier": others(values),
        }
    )
    done = under_way.assign(
        order_id=[f"done {number}" for number in range(count)],
        placed_at=placed - pd.Timedelta("3D"),
        completed_at=placed - pd.Timedelta("1D"),
    )
    orders = pd.concat([done, under_way], ignore_index=True)
    orders["completed_at"] = pd.to_datetime(orders["completed_at"], utc=True)
    events = pd.DataFrame({"order_id": values, "status": others(values), "occurred_at": placed + pd.Timedelta("1h")})
    return {"orders": orders, "order_events": events}


_SHOPS: dict[str, Any] = {
    "demand": _demand,
    "recommendation": _recommendation,
    "churn": _churn,
    "completion": _completion,
}


def _arrow(frame: pd.DataFrame) -> pa.Table:
    columns = {}
    for name, values in frame.items():
        if pd.api.types.is_datetime64_any_dtype(values):
            columns[name] = pa.Array.from_pandas(values).cast(pa.timestamp("us", "UTC"))
        elif pd.api.types.is_numeric_dtype(values):
            columns[name] = pa.array(values.to_numpy(float))
        elif name == "date":
            columns[name] = pa.array(list(values), pa.date32())
        else:
            columns[name] = pa.array(list(values), pa.string()).dictionary_encode()
    return pa.table(columns)

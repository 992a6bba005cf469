"""A made-up shop on which the contract suite tries churn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.task import Example
from tasks.churn.options import ChurnOptions

_START, _AS_OF = np.datetime64("2023-01-02", "us"), np.datetime64("2023-08-07", "us")
_DAYS, _CUSTOMERS, _ITEMS = 245, 400, 30
_REGIONS = ("north", "south", "west")
_MINUTE, _DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
_NEVER = np.datetime64("NaT", "us")


def example() -> Example:
    """Eight months of a small shop: customers each with a rhythm of their own, some of whom leave, sooner in the south;
    customers who buy once; orders that come in late, that are cancelled, that come twice, that nobody known placed;
    lines that come in after their order, returns, orders without value or without lines; visits; customers without a
    region or without orders."""
    random = np.random.default_rng(5)
    customer, placed = _purchases(random)
    sources = {
        "orders": _orders(random, customer, placed),
        "order_lines": _lines(random, placed),
        "items": _items(),
        "customers": _customers(random),
        "interactions": _interactions(random, customer, placed),
    }
    options = ChurnOptions(
        horizon_days=30, active_days=60, features=("discount", "channel"), value_days=120, hidden=8, epochs=2
    )
    return Example(options, sources, _AS_OF)


def _purchases(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(customer, placed_at) of every order, int64 and datetime64[us] [O], in order of time: gaps around a rhythm, until
    the customer leaves."""
    rhythm = random.gamma(4.0, 5.0, _CUSTOMERS) + 3.0
    joins = random.uniform(0, 190, _CUSTOMERS) * (random.random(_CUSTOMERS) < 0.8)
    south = np.arange(_CUSTOMERS) % 3 == 1
    leaves = joins + random.exponential(np.where(south, 130.0, 350.0))
    leaves[random.random(_CUSTOMERS) < 0.12] = 0.0  # these buy once
    gaps = random.gamma(3.0, 1 / 3.0, (_CUSTOMERS, 60)) * rhythm[:, None]
    day = joins[:, None] + np.concatenate([np.zeros((_CUSTOMERS, 1)), np.cumsum(gaps, axis=1)], axis=1)
    there = (day < _DAYS) & ((day < leaves[:, None]) | (np.arange(day.shape[1]) == 0))
    customer, _ = np.nonzero(there)
    placed = _START + (day[there] * 24 * 60).astype(np.int64) * _MINUTE
    order = np.argsort(placed, kind="stable")
    return customer[order], placed[order]


def _orders(random: np.random.Generator, customer: np.ndarray, placed: np.ndarray) -> pa.Table:
    count = len(placed)
    late = random.random(count) < 0.06
    known = placed + np.where(late, random.integers(1, 6 * 24 * 60, count), 0) * _MINUTE
    cancelled = np.where(
        random.random(count) < 0.04, placed + random.integers(1, 10 * 24 * 60, count) * _MINUTE, _NEVER
    )
    nobody = random.random(count) < 0.03
    value = random.lognormal(3.0 + 0.3 * (customer % 4), 0.4).round(2)
    unknown = random.random(count) < 0.1
    rows = np.append(
        np.arange(count), random.integers(0, count, 15)
    )  # some come twice, known later and with other values
    again = np.arange(len(rows)) >= count
    return pa.table(
        {
            "order_id": _ids([f"o{number:05d}" for number in rows]),
            "customer_id": _ids([None if nobody[row] else f"c{customer[row]:03d}" for row in rows]),
            "placed_at": _stamps(placed[rows]),
            "cancelled_at": _stamps(cancelled[rows]),
            "known_at": _stamps(known[rows] + again * 3 * _DAY),
            "value": pa.array((value[rows] * np.where(again, 2.0, 1.0)).tolist(), mask=unknown[rows]),
            "destination_region": _ids([_REGIONS[code % 3] if code % 11 else None for code in customer[rows]]),
            "discount": pa.array(np.where(random.random(len(rows)) < 0.3, 0.2, 0.0)),
            "channel": _ids([("web", "app", "phone", None)[code % 4] for code in rows]),
        }
    )


def _lines(random: np.random.Generator, placed: np.ndarray) -> pa.Table:
    """One to four lines of most orders; every twentieth order is a return, and lines of every tenth come in a day
    late."""
    order = np.repeat(np.arange(len(placed)), random.integers(0, 5, len(placed)))
    quantity = random.integers(1, 4, len(order)) * np.where(order % 20 == 7, -1, 1)
    return pa.table(
        {
            "order_id": _ids([f"o{number:05d}" for number in order]),
            "item_id": _ids([f"item-{code:02d}" for code in random.integers(0, _ITEMS, len(order))]),
            "quantity": pa.array(quantity.astype(float)),
            "unit_price": pa.array(random.lognormal(2.0, 0.5, len(order)).round(2)),
            "known_at": _stamps(np.where(order % 10 == 3, placed[order] + _DAY, _NEVER)),
        }
    )


def _items() -> pa.Table:
    listed = [code for code in range(_ITEMS) if code != 3]
    return pa.table(
        {
            "item_id": _ids([f"item-{code:02d}" for code in listed]),
            "category": _ids([f"kind {code % 4}" if code % 9 else None for code in listed]),
        }
    )


def _customers(random: np.random.Generator) -> pa.Table:
    every = np.arange(_CUSTOMERS + 5)
    return pa.table(
        {
            "customer_id": _ids([f"c{code:03d}" for code in every]),
            "region": _ids([_REGIONS[code % 3] if code % 10 else None for code in every]),
            "latitude": pa.array(50.0 + every % 3 + random.random(len(every))),
            "longitude": pa.array(8.0 + random.random(len(every))),
        }
    )


def _interactions(random: np.random.Generator, customer: np.ndarray, placed: np.ndarray) -> pa.Table:
    """Views in the days before orders, carts, and purchases again; some of nobody known, some known late."""
    order = np.sort(random.integers(0, len(placed), 2 * len(placed)))
    occurred = placed[order] - random.integers(0, 3 * 24 * 60, len(order)) * _MINUTE
    late = random.random(len(order)) < 0.05
    kind = random.integers(0, 3, len(order))
    return pa.table(
        {
            "customer_id": _ids([None if row % 9 == 0 else f"c{customer[row]:03d}" for row in order]),
            "session_id": _ids([f"s{row:05d}" for row in order]),
            "item_id": _ids([f"item-{code:02d}" for code in random.integers(0, _ITEMS, len(order))]),
            "kind": _ids([("view", "cart", "purchase")[code] for code in kind]),
            "occurred_at": _stamps(occurred),
            "known_at": _stamps(occurred + late * 2 * _DAY),
        }
    )


def _ids(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _stamps(values: np.ndarray) -> pa.Array:
    return pa.array(np.asarray(values, "datetime64[us]"), pa.timestamp("us", "UTC"))

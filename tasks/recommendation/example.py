"""A made-up shop on which the contract suite tries recommendation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.task import Example
from tasks.recommendation.options import RecommendationOptions

_START, _AS_OF = np.datetime64("2023-03-01", "us"), np.datetime64("2023-04-15", "us")
_DAYS, _CUSTOMERS, _ITEMS, _TASTES = 60, 50, 40, 5
_REGIONS = ("north", "south", "west")
_MINUTE, _DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")


def example() -> Example:
    """Two months of a small shop with five tastes: customers who come back, mostly for what they bought before, and
    visitors whom nobody knows; views, carts and purchases; rows that arrive late, a row twice, purchases outside of any
    session; items that nobody touched, that come in later, that the catalogue does not list, that are sold out;
    customers without events; regions with weather."""
    random = np.random.default_rng(11)
    sources = {
        "interactions": _interactions(random),
        "items": _items(),
        "customers": _customers(random),
        "stock": _stock(),
        "weather": _weather(random),
    }
    options = RecommendationOptions(k=5, features=("dwell",), hidden=16, epochs=2, session_days=7)
    return Example(options, sources, _AS_OF)


def _interactions(random: np.random.Generator) -> pa.Table:
    """Visits of one to six events; every third is anonymous."""
    visits = 700
    customer = np.where(np.arange(visits) % 3 > 0, random.integers(0, _CUSTOMERS - 5, visits), -1)
    taste = np.where(customer >= 0, customer % _TASTES, random.integers(0, _TASTES, visits))
    begins = _START + random.integers(0, _DAYS * 24 * 60, visits) * _MINUTE
    lengths = random.integers(1, 7, visits)
    visit = np.repeat(np.arange(visits), lengths)
    position = np.arange(len(visit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # Within a taste one item leads to the next; regulars begin with their favourite.
    favourite = np.where(customer >= 0, customer // _TASTES, random.integers(0, 7, visits))
    rank = (favourite[visit] + position + (random.random(len(visit)) < 0.15)) % 7
    item = taste[visit] + _TASTES * rank
    strange = random.random(len(visit)) < 0.05
    item[strange] = random.integers(0, _ITEMS - 3, strange.sum())
    occurred = begins[visit] + position * 3 * _MINUTE
    late_item = (item == 6) & (occurred < _START + 30 * _DAY)
    item[late_item] = 1
    kind = np.where(position == 0, 0, np.where(random.random(len(visit)) < 0.3, 2, random.integers(0, 2, len(visit))))
    known = (
        occurred + np.where(random.random(len(visit)) < 0.04, random.integers(1, 5 * 24 * 60, len(visit)), 0) * _MINUTE
    )
    outside = (customer[visit] >= 0) & (customer[visit] % 7 == 0)
    rows = np.append(np.arange(len(visit)), random.integers(0, len(visit), 20))  # some come twice
    dwell = random.exponential(20.0, len(visit)).round(1)
    return pa.table(
        {
            "customer_id": _ids([None if code < 0 else f"c{code:03d}" for code in customer[visit][rows]]),
            "session_id": _ids(
                [None if out else f"s{code:04d}" for code, out in zip(visit[rows], outside[rows], strict=True)]
            ),
            "item_id": _ids([_name(code) for code in item[rows]]),
            "kind": _ids([("view", "cart", "purchase")[code] for code in kind[rows]]),
            "occurred_at": _stamps(occurred[rows]),
            "known_at": _stamps(known[rows]),
            "dwell": pa.array(dwell[rows]),
        }
    )


def _items() -> pa.Table:
    listed = [code for code in range(_ITEMS) if code != 3]
    return pa.table(
        {
            "item_id": _ids([_name(code) for code in listed]),
            "title": _ids([f"Thing number {code} of taste {code % _TASTES}" for code in listed]),
            "category": _ids([f"taste {code % _TASTES}" if code % 9 else None for code in listed]),
            "brand": _ids([("acme", "bolt")[code % 2] for code in listed]),
            "price": pa.array([2.0 + code if code % 8 else None for code in listed], pa.float64()),
            "introduced_at": _stamps(
                [_START + (30 if code == 6 else 40 if code == _ITEMS - 1 else 0) * _DAY for code in listed]
            ),
        }
    )


def _customers(random: np.random.Generator) -> pa.Table:
    region = np.arange(_CUSTOMERS) % 3
    return pa.table(
        {
            "customer_id": _ids([f"c{code:03d}" for code in range(_CUSTOMERS)]),
            "signed_up_at": _stamps(
                [_START + (50 if code == _CUSTOMERS - 1 else 0) * _DAY for code in range(_CUSTOMERS)]
            ),
            "region": _ids([_REGIONS[code] if number % 10 else None for number, code in enumerate(region)]),
            "latitude": pa.array(50.0 + region + random.random(_CUSTOMERS)),
            "longitude": pa.array(8.0 + random.random(_CUSTOMERS)),
        }
    )


def _stock() -> pa.Table:
    """Item 2 is sold out, item 4 was and is back; what is counted after the cutoff says otherwise."""
    days = [10, 44, 10, 44, 50, 50]
    return pa.table(
        {
            "item_id": _ids([_name(code) for code in (2, 2, 4, 4, 2, 4)]),
            "location_id": _ids(["main"] * 6),
            "observed_at": _stamps([_START + day * _DAY for day in days]),
            "on_hand": pa.array([5.0, 0.0, 0.0, 9.0, 7.0, 0.0]),
        }
    )


def _weather(random: np.random.Generator) -> pa.Table:
    day = np.tile(np.arange(_DAYS), 3)
    return pa.table(
        {
            "date": pa.array((_START + day * _DAY).astype("datetime64[D]"), pa.date32()),
            "region": _ids(np.repeat(_REGIONS, _DAYS).tolist()),
            "temperature": pa.array(10.0 + random.normal(0, 5, 3 * _DAYS).round(1)),
        }
    )


def _name(code: int) -> str:
    return f"item-{code:02d}"


def _ids(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _stamps(values: np.ndarray | list[np.datetime64]) -> pa.Array:
    return pa.array(np.asarray(values, "datetime64[us]"), pa.timestamp("us", "UTC"))

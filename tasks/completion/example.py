"""A made-up shop on which the contract suite tries completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forecasting.task import Example
from tasks.completion.options import CompletionOptions

_START, _AS_OF = np.datetime64("2024-01-08", "us"), np.datetime64("2024-05-20", "us")
_DAYS, _ORDERS, _ITEMS = 150, 900, 20
_MINUTE, _DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
_NEVER = np.datetime64("NaT", "us")
_ORIGINS = np.array([(48.1, 11.6), (52.5, 13.4), (50.1, 8.7), (53.5, 10.0), (51.2, 6.8), (49.4, 11.1)])
_REGIONS = ("north", "south", "west", "east", "islands")
_CENTRES = np.array([(53.6, 9.9), (48.4, 10.9), (51.0, 7.0), (51.3, 13.0), (54.4, 12.6)])
_STRIKE = ("east", 95, 112)
"""A region that nothing reaches from one day of the shop to another."""
_HOLIDAYS = ("2024-01-06", "2024-03-29", "2024-04-01", "2024-05-01", "2024-05-09", "2024-05-30", "2024-06-20")


@dataclass(frozen=True, eq=False)
class _Parcels:
    """What happened to each order, in order of time: where from and to, and when."""

    origin: np.ndarray
    region: np.ndarray
    carrier: np.ndarray
    express: np.ndarray
    placed: np.ndarray
    approved: np.ndarray
    shipped: np.ndarray
    completed: np.ndarray
    promised: np.ndarray


def example() -> Example:
    """Five months of a small shop: six origins of different haste, five regions and a strike in one of them, two
    carriers; nothing moves on Sundays and holidays. Orders are cancelled, lost, known late, without a promise, without
    coordinates or at (0, 0), and some events are stamped before their order or come in late."""
    random = np.random.default_rng(11)
    parcels = _parcels(random)
    sources = {
        "orders": _orders(random, parcels),
        "order_events": _events(random, parcels),
        "order_lines": _lines(random),
        "items": _items(),
        "calendar": _calendar(),
        "weather": _weather(random),
    }
    options = CompletionOptions(
        features=("carrier", "express"), country="DE", timezone="Europe/Berlin", recent=4, hidden=8, epochs=2
    )
    return Example(options, sources, _AS_OF, {"calendar": ("date", "event", "region")})


def _parcels(random: np.random.Generator) -> _Parcels:
    """Orders with their courses: handled by the origin, moved by a carrier, the further the longer."""
    day = np.sort(random.uniform(0, _DAYS, _ORDERS))
    origin = random.integers(0, len(_ORIGINS), _ORDERS)
    region = random.choice(len(_REGIONS), _ORDERS, p=(0.3, 0.25, 0.2, 0.15, 0.1))
    carrier, express = random.integers(0, 2, _ORDERS), random.random(_ORDERS) < 0.15
    approved = day + random.exponential(0.15, _ORDERS)
    shipped = _working(approved + (0.3 + 0.3 * origin) * random.gamma(4.0, 0.25, _ORDERS))
    far = np.hypot(*(_ORIGINS[origin] - _CENTRES[region]).T)
    moved = (1.0 + 0.35 * far + 0.8 * carrier + 1.0 * (region == 4)) * random.gamma(8.0, 1 / 8, _ORDERS)
    arrived = shipped + moved * np.where(express, 0.6, 1.0)
    name, begins, ends = _STRIKE
    struck = (region == _REGIONS.index(name)) & (arrived >= begins) & (arrived < ends)
    arrived = np.where(struck, ends + random.uniform(0, 4, _ORDERS), arrived)
    promised = np.ceil(day + 6 + 2 * (region == 4))
    return _Parcels(
        origin, region, carrier, express, *(_at(days) for days in (day, approved, shipped, _working(arrived), promised))
    )


def _working(days: np.ndarray) -> np.ndarray:
    """Days after the start moved on from Sundays and holidays, twice for those that follow each other."""
    closed = (np.array(_HOLIDAYS, "datetime64[us]") - _START) // _DAY
    for _ in range(2):
        whole = np.floor(days)
        days = np.where((whole % 7 == 6) | np.isin(whole, closed), days + 1, days)
    return days


def _orders(random: np.random.Generator, parcels: _Parcels) -> pa.Table:
    """One row for most orders; of every twelfth a second version, known later, that tells of its completion and has
    another value."""
    every = np.arange(_ORDERS)
    chance = random.random(_ORDERS)
    lost, cancelled = chance < 0.015, (chance >= 0.015) & (chance < 0.045)
    completed = np.where(lost | cancelled, _NEVER, parcels.completed)
    cancelled_at = np.where(cancelled, parcels.placed + random.integers(1, 4 * 24 * 60, _ORDERS) * _MINUTE, _NEVER)
    known = np.where(random.random(_ORDERS) < 0.06, parcels.placed + random.integers(1, 600, _ORDERS) * _MINUTE, _NEVER)
    twice = every % 12 == 5
    again = np.flatnonzero(twice)
    row = np.append(every, again)
    second = np.arange(len(row)) >= _ORDERS
    later = np.fmax(completed, parcels.placed)[row] + _DAY
    latitude, longitude = (_CENTRES[parcels.region] + random.normal(0, 0.4, (_ORDERS, 2))).T
    nowhere, at_sea = every % 25 == 3, every % 40 == 7
    latitude, longitude = (np.where(at_sea, 0.0, value)[row] for value in (latitude, longitude))
    return pa.table(
        {
            "order_id": _ids([f"o{number:04d}" for number in row]),
            "placed_at": _stamps(parcels.placed[row]),
            "known_at": _stamps(np.where(second, later, known[row])),
            "completed_at": _stamps(np.where(twice[row] & ~second, _NEVER, completed[row])),
            "cancelled_at": _stamps(cancelled_at[row]),
            "promised_at": _stamps(np.where(every % 15 == 4, _NEVER, parcels.promised)[row]),
            "origin_id": _ids([f"warehouse-{code}" for code in parcels.origin[row]]),
            "origin_latitude": pa.array(_ORIGINS[parcels.origin[row], 0]),
            "origin_longitude": pa.array(_ORIGINS[parcels.origin[row], 1]),
            "destination_region": _ids([None if code % 31 == 2 else _REGIONS[parcels.region[code]] for code in row]),
            "destination_latitude": pa.array(latitude, mask=nowhere[row]),
            "destination_longitude": pa.array(longitude, mask=nowhere[row]),
            "value": pa.array(random.lognormal(3.5, 0.6, len(row)).round(2), mask=row % 10 == 1),
            "carrier": _ids([("swift", "steady", None)[parcels.carrier[code] if code % 28 else 2] for code in row]),
            "express": pa.array(parcels.express[row]),
        }
    )


def _events(random: np.random.Generator, parcels: _Parcels) -> pa.Table:
    """Approvals and shipments; some are missing, repeat, are stamped before their order, or come in late."""
    every = np.arange(_ORDERS)
    approved = np.where(every % 30 == 11, parcels.placed - 5 * _MINUTE, parcels.approved)[every % 20 != 6]
    order = np.concatenate([every[every % 20 != 6], every[every % 33 != 8], every[every % 50 == 9]])
    status = ["approved"] * len(approved) + ["shipped"] * (len(order) - len(approved))
    again = parcels.shipped[every % 50 == 9] + 600 * _MINUTE
    occurred = np.concatenate([approved, parcels.shipped[every % 33 != 8], again])
    late = random.random(len(order)) < 0.05
    mixed = random.permutation(len(order))
    return pa.table(
        {
            "order_id": _ids([f"o{number:04d}" for number in order[mixed]]),
            "status": _ids([status[number] for number in mixed]),
            "occurred_at": _stamps(occurred[mixed]),
            "known_at": _stamps(
                np.where(late, occurred + random.integers(1, 2000, len(order)) * _MINUTE, _NEVER)[mixed]
            ),
        }
    )


def _lines(random: np.random.Generator) -> pa.Table:
    order = np.repeat(np.arange(_ORDERS), random.integers(0, 4, _ORDERS))
    return pa.table(
        {
            "order_id": _ids([f"o{number:04d}" for number in order]),
            "item_id": _ids([f"item-{code:02d}" for code in random.integers(0, _ITEMS, len(order))]),
            "quantity": pa.array(random.integers(1, 4, len(order)).astype(float)),
        }
    )


def _items() -> pa.Table:
    every = np.arange(_ITEMS)
    return pa.table(
        {
            "item_id": _ids([f"item-{code:02d}" for code in every]),
            "category": _ids([f"kind {code % 3}" if code % 7 else None for code in every]),
            "weight": pa.array(0.5 + every % 5, mask=every % 9 == 4),
        }
    )


def _calendar() -> pa.Table:
    """Holidays known ahead; the strike, which was not."""
    name, begins, _ = _STRIKE
    days = [*np.array(_HOLIDAYS, "datetime64[D]"), (_START + begins * _DAY).astype("datetime64[D]")]
    known = [_NEVER] * len(_HOLIDAYS) + [_START + (begins + 3) * _DAY]
    return pa.table(
        {
            "date": pa.array(np.array(days, "datetime64[D]"), pa.date32()),
            "event": _ids(["holiday"] * len(_HOLIDAYS) + ["strike"]),
            "region": _ids([None] * len(_HOLIDAYS) + [name]),
            "known_at": _stamps(np.array(known)),
        }
    )


def _weather(random: np.random.Generator) -> pa.Table:
    days = np.arange(_START.astype("datetime64[D]"), (_START + _DAYS * _DAY).astype("datetime64[D]"))
    day, region = np.repeat(days, len(_REGIONS)), np.tile(np.arange(len(_REGIONS)), len(days))
    return pa.table(
        {
            "date": pa.array(day, pa.date32()),
            "region": _ids([_REGIONS[code] for code in region]),
            "temperature": pa.array(random.normal(8, 6, len(day)).round(1)),
            "precipitation": pa.array(random.exponential(2.0, len(day)).round(1)),
        }
    )


def _at(days: np.ndarray) -> np.ndarray:
    """Instants so many days after the start, to the minute, datetime64[us]."""
    return _START + (days * 24 * 60).astype(np.int64) * _MINUTE


def _ids(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _stamps(values: np.ndarray) -> pa.Array:
    return pa.array(np.asarray(values, "datetime64[us]"), pa.timestamp("us", "UTC"))

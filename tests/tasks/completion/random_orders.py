"""Random orders as the dataset of completion, and all cases that their events make, without sources."""

from __future__ import annotations

import numpy as np

from forecasting.features.space import haversine_km
from forecasting.features.time import Events
from forecasting.histories import Histories
from forecasting.task import Cases
from tasks.completion.orders import PLACED, Orders

STATUSES = np.array([PLACED, "approved", "shipped"], object)
REGIONS = np.array(["north", "south", "west"], object)
START = np.datetime64("2024-01-01", "us")
HOLIDAYS = Events(
    np.array(["2024-01-01", "2024-01-24", "2024-02-05", "2024-02-17"], "datetime64[D]"),
    np.array(["New Year", "Fair", "Walpurgis", "Saturday"], object),
    np.array([None, "north", None, None], object),
)


def random_orders(count: int = 60, seed: int = 0, days: int = 60, late_rows: bool = True) -> Orders:
    """`count` orders placed over `days`, some open, cancelled, without origin or promise, or known late."""
    random = np.random.default_rng(seed)

    def hours(scale: float, size: int | tuple[int, int] = count) -> np.ndarray:
        return (random.exponential(scale, size) * 3.6e9).astype("timedelta64[us]") + np.timedelta64(1, "s")

    placed = np.sort(START + (random.uniform(0, days * 24, count) * 3.6e9).astype("timedelta64[us]"))
    approved = placed + hours(10)
    shipped = approved + hours(50)
    completed = shipped + hours(120)
    nothing = np.datetime64("NaT", "us")
    completed[random.random(count) < 0.1] = nothing
    cancelled = np.where(random.random(count) < 0.07, placed + hours(70), nothing)
    completed[~np.isnat(cancelled)] = nothing
    lag = np.where(random.random((4, count)) < (0.2 if late_rows else 0), 1, 0) * hours(24, (4, count))
    reached = [np.ones(count, bool), random.random(count) < 0.9, random.random(count) < 0.8]
    order = np.concatenate([np.flatnonzero(there) for there in reached])
    status = np.repeat(np.arange(3, dtype=np.int32), [there.sum() for there in reached])
    instants = (placed, approved, shipped)
    at = np.concatenate([one[there] for one, there in zip(instants, reached, strict=True)])
    known = at + np.concatenate([lag[k][there] for k, there in enumerate(reached)])
    by = np.lexsort((known, at, order))
    events = Histories(
        np.array([f"o{k:05d}" for k in range(count)], object),
        np.append(0, np.cumsum(np.bincount(order, minlength=count))),
        at[by],
        known[by],
        {"status": status[by]},
        {"status": STATUSES},
        cancelled[order[by]],
    )
    places = np.array([[10.0, 10.0], [11.5, 12.0], [14.0, 9.0]])
    origin = random.integers(-1, 3, count).astype(np.int32)
    region = random.integers(-1, 3, count).astype(np.int32)
    from_at = np.where(origin[:, None] >= 0, places[origin], np.nan)
    to_at = np.where(region[:, None] >= 0, places[region] + random.normal(0, 0.2, (count, 2)), np.nan)
    promised = np.where(random.random(count) < 0.8, placed + hours(100) + np.timedelta64(4, "D"), nothing)
    value = np.where(random.random(count) < 0.9, random.exponential(50, count), np.nan)
    route = np.where((origin >= 0) & (region >= 0), origin * 3 + region, -1).astype(np.int32)
    return Orders(
        events=events,
        statuses=STATUSES,
        placed_at=placed,
        known_at=placed + lag[0],
        completed_at=completed,
        completion_known_at=completed + lag[3],
        cancelled_at=cancelled,
        promised_at=promised,
        due_at=promised,
        numbers={"value": value},
        labels={"origin": origin, "origin_area": origin, "destination": region, "route": route},
        label_names={
            "origin": np.array(["a", "b", "c"], object),
            "origin_area": REGIONS,
            "destination": REGIONS,
            "route": np.array([f"{one} > {other}" for one in REGIONS for other in REGIONS], object),
        },
        origin_latitude=from_at[:, 0],
        origin_longitude=from_at[:, 1],
        destination_latitude=to_at[:, 0],
        destination_longitude=to_at[:, 1],
        distance_km=haversine_km(from_at[:, 0], from_at[:, 1], to_at[:, 0], to_at[:, 1]),
        holidays=HOLIDAYS,
        timezone="Europe/Berlin",
        stages=tuple(STATUSES),
    )


def event_cases(orders: Orders) -> Cases:
    """A case for each event before the end of its order, as soon as it can be known."""
    events = orders.events
    entity = np.repeat(np.arange(len(orders)), events.lengths)
    row = np.arange(len(entity))
    cutoff = np.maximum(events.occurred_at + np.timedelta64(1, "us"), events.known_at)
    cutoff = np.maximum(cutoff, orders.known_at[entity])
    open_then = ~(orders.completed_at[entity] < cutoff) & events.visible(row, cutoff)
    return Cases(entity[open_then], cutoff[open_then], {"event": row[open_then]})

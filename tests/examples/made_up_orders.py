"""Orders of nobody, in the local times of a place: what an example's tables are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

DAYS = 150


def made_up(count: int, end: pd.Timestamp, *, days: int = DAYS, seed: int = 3) -> pd.DataFrame:
    """`count` orders of the `days` days before `end` (naive, local), as a warehouse of that instant holds them.

    Columns: `number`; `customer` (60 of them), `origin` (5), `region` 0 to 3; `placed`, `accepted`, `sent`, `arrived`:
    naive local times to the second, NaT where it has not come to that; `promised`: a midnight; `cancelled`: bool, two
    in a hundred, never sent; `price` of one unit, `units` 1 to 3, `parcel`: kilograms.
    """
    random = np.random.default_rng(seed)
    placed = end - pd.to_timedelta(np.sort(random.uniform(0.2, days, count))[::-1], "D")
    origin, region = random.integers(0, 5, count), random.integers(0, 4, count)
    cancelled = random.random(count) < 0.02

    def later(than: pd.Series, days: np.ndarray) -> pd.Series:
        return than + pd.to_timedelta(days, "D")

    orders = pd.DataFrame({"number": np.arange(count) + 1000, "placed": placed.floor("s")})
    orders["accepted"] = later(orders["placed"], random.gamma(1, 0.2, count)).dt.floor("s")
    orders["sent"] = later(orders["accepted"], random.gamma(2, 0.5 + 0.3 * origin)).dt.floor("s").where(~cancelled)
    orders["arrived"] = later(orders["sent"], random.gamma(6, 0.5 + 0.4 * region)).dt.floor("s")
    for stamp in ("accepted", "sent", "arrived"):
        orders[stamp] = orders[stamp].where(orders[stamp] < end)
    return orders.assign(
        customer=random.integers(0, 60, count),
        origin=origin,
        region=region,
        promised=orders["placed"].dt.floor("D") + pd.to_timedelta(random.integers(6, 16, count), "D"),
        cancelled=cancelled,
        price=random.integers(500, 9000, count) / 100,
        units=random.integers(1, 4, count),
        parcel=random.integers(1, 40, count) / 4,
    )


def instants(local: pd.Series, timezone: str) -> pd.Series:
    """Naive local times as instants in UTC."""
    return local.dt.tz_localize(timezone).dt.tz_convert("UTC").astype("datetime64[us, UTC]")

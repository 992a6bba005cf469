"""Fulfilment for the demo: the invoices do not say when a parcel arrived, so packing and delivery are simulated.

What an order is, when it was placed, what it holds and which country it went to are real. The process behind the rest,
seeded and the same on every machine (times are the shop's, kept as UTC like those of the invoices):

1. Cancellations, adjustments and corrections of stock are no parcels: they are complete when they are written. An order
   that was cancelled whole stops there.
2. Packers work on Mondays to Fridays from 8 to 18, not on English bank holidays. An order takes them a lognormal time
   (sigma 0.7) with a median of three hours and two minutes for each line, longer when more orders came in the last
   seven days than in an average week of the eight before (by the ratio, within 0.7 and 1.8). Then it is `packed`.
3. Carriers collect at 18 on working days: the order is `shipped`.
4. In the United Kingdom Redline carries 60% (median 1.5 days) and Kestrel 40% (2.5 days); abroad it is Kestrel within
   2,500 km and Skyfreight beyond (2 days and one for each 700 km). The time is lognormal (sigma 0.35), and what would
   arrive at night or on a Sunday waits for some hour of the next day of work. In snow (1 to 23 December 2010)
   everything takes twice as long, and while Redline strikes (24 October to 18 November 2011) its parcels take 2.5
   times as long.
5. The promise, made when the order is placed, is the end of the fourth working day in the United Kingdom, of the
   seventh in Europe, of the sixteenth elsewhere.
6. One parcel in 250 is lost and never arrives.
"""

from __future__ import annotations

import holidays
import numpy as np
import pandas as pd
import pyarrow as pa

from forecasting.features.space import haversine_km

NOTE = (
    "Packing, carriers, delivery times and promises are simulated: the invoices say only when an order was placed, "
    "what it held and to which country it went. The strike of a carrier from 24 October 2011 is made up, too."
)

HOME = "United Kingdom"
SNOW = (np.datetime64("2010-12-01"), np.datetime64("2010-12-24"))
STRIKE = (np.datetime64("2011-10-24"), np.datetime64("2011-11-19"))

_OPENS, _CLOSES = 8.0, 18.0
_HOURS = _CLOSES - _OPENS
_LOST_SHARE = 1 / 250
_NEAR_KM = 2_500.0
_HOUR = np.timedelta64(1, "h")
_SECONDS = np.timedelta64(1, "s")

_CAPITALS = {
    "Australia": (-35.3, 149.1),
    "Austria": (48.2, 16.4),
    "Bahrain": (26.2, 50.6),
    "Belgium": (50.8, 4.4),
    "Brazil": (-15.8, -47.9),
    "Canada": (45.4, -75.7),
    "Channel Islands": (49.2, -2.1),
    "Cyprus": (35.2, 33.4),
    "Czech Republic": (50.1, 14.4),
    "Denmark": (55.7, 12.6),
    "EIRE": (53.3, -6.3),
    "Finland": (60.2, 24.9),
    "France": (48.9, 2.4),
    "Germany": (52.5, 13.4),
    "Greece": (38.0, 23.7),
    "Hong Kong": (22.3, 114.2),
    "Iceland": (64.1, -21.9),
    "Israel": (31.8, 35.2),
    "Italy": (41.9, 12.5),
    "Japan": (35.7, 139.7),
    "Lebanon": (33.9, 35.5),
    "Lithuania": (54.7, 25.3),
    "Malta": (35.9, 14.5),
    "Netherlands": (52.4, 4.9),
    "Norway": (59.9, 10.8),
    "Poland": (52.2, 21.0),
    "Portugal": (38.7, -9.1),
    "RSA": (-25.7, 28.2),
    "Saudi Arabia": (24.7, 46.7),
    "Singapore": (1.3, 103.8),
    "Spain": (40.4, -3.7),
    "Sweden": (59.3, 18.1),
    "Switzerland": (46.9, 7.4),
    "USA": (38.9, -77.0),
    "United Arab Emirates": (24.5, 54.4),
    HOME: (51.5, -0.1),
}
"""Latitude and longitude, degrees, of the capital of each country that an order went to; some orders name none."""


def simulate(orders: pa.Table, lines: pa.Table, seed: int = 2010) -> dict[str, pa.Table]:
    """Canonical `orders`, with promises, completions, places and carriers added to those given, and `order_events`.

    `orders`, `lines`: the canonical tables that the invoices make. Every order is there; the more rows, the same
    fate for each.
    """
    table = orders.to_pandas().sort_values("order_id", kind="stable", ignore_index=True)
    random = np.random.default_rng(seed)
    placed = table["placed_at"].to_numpy("datetime64[us]")
    units = lines.group_by("order_id").aggregate([("quantity", "sum"), ("quantity", "count")]).to_pandas()
    units = units.set_index("order_id").reindex(table["order_id"])
    parcel = (units["quantity_sum"].to_numpy() > 0) & table["order_id"].str.isdecimal().to_numpy()
    latitude, longitude = _places(table["destination_region"])
    here = np.array(_CAPITALS[HOME])
    distance = haversine_km(here[0], here[1], latitude, longitude)
    home = (table["destination_region"] == HOME).to_numpy()
    closed = _bank_holidays(placed)
    pressure = _pressure(placed, parcel)

    work = random.lognormal(np.log(3.0 + units["quantity_count"].to_numpy() / 30), 0.7) * pressure
    packed = _after_work(placed, work, closed)
    shipped = _collected(packed, closed)
    carrier = np.where(home, np.where(random.random(len(table)) < 0.6, "Redline", "Kestrel"), "Skyfreight")
    carrier = np.where(~home & ~(distance > _NEAR_KM), "Kestrel", carrier).astype(object)
    median = np.where(home, np.where(carrier == "Redline", 1.5, 2.5), 2 + np.nan_to_num(distance, nan=1_500) / 700)
    days = random.lognormal(np.log(median), 0.35)
    days = np.where((shipped >= SNOW[0]) & (shipped < SNOW[1]), 2 * days, days)
    days = np.where((carrier == "Redline") & (shipped >= STRIKE[0]) & (shipped < STRIKE[1]), 2.5 * days, days)
    arrived = _daytime(shipped + (days * 86_400).astype(np.int64) * _SECONDS)
    lost = random.random(len(table)) < _LOST_SHARE

    europe = ~(distance > _NEAR_KM)
    promise_days = np.where(home, 4, np.where(europe, 7, 16))
    promised = _working_day(placed, promise_days, closed) + np.timedelta64(1, "D") - _SECONDS
    cancelled = table["cancelled_at"].to_numpy("datetime64[us]")
    never = np.datetime64("NaT", "us")
    goes_on = parcel & np.isnat(cancelled)
    completed = np.where(goes_on & ~lost, arrived, np.where(parcel, never, placed))
    columns = {
        "promised_at": _instants(np.where(parcel, promised, never)),
        "completed_at": _instants(completed),
        "origin_latitude": pa.array(np.full(len(table), here[0])),
        "origin_longitude": pa.array(np.full(len(table), here[1])),
        "destination_latitude": pa.array(latitude, from_pandas=True),
        "destination_longitude": pa.array(longitude, from_pandas=True),
        "carrier": pa.array(carrier, pa.string(), mask=~parcel),
    }
    whole = orders.take(pa.array(_positions(orders, table)))
    for name, column in columns.items():
        whole = whole.append_column(name, column)
    before = np.isnat(cancelled)
    return {
        "orders": whole,
        "order_events": _events(
            table["order_id"],
            {"packed": (packed, parcel & (before | (packed < cancelled))), "shipped": (shipped, goes_on)},
        ),
    }


def _events(order: pd.Series, statuses: dict[str, tuple[np.ndarray, np.ndarray]]) -> pa.Table:
    """`order_events` of each status: its instants, and which orders reached it."""
    parts = []
    for status, (at, reached) in statuses.items():
        ids = order[reached].to_list()
        parts.append(pa.table({"order_id": ids, "status": [status] * len(ids), "occurred_at": _instants(at[reached])}))
    return pa.concat_tables(parts)


def _positions(orders: pa.Table, table: pd.DataFrame) -> np.ndarray:
    place = pd.Index(orders["order_id"].to_pylist())
    return place.get_indexer(table["order_id"])


def _instants(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def _places(country: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    known = country.map(_CAPITALS)
    pairs = [pair if isinstance(pair, tuple) else (np.nan, np.nan) for pair in known]
    latitude, longitude = np.array(pairs, np.float64).reshape(-1, 2).T
    return latitude, longitude


def _bank_holidays(placed: np.ndarray) -> np.ndarray:
    years = placed.astype("datetime64[Y]").astype(int) + 1970
    found = holidays.country_holidays("GB", subdiv="ENG", years=range(int(years.min()), int(years.max()) + 2))
    return np.array(sorted(found), "datetime64[D]")


def _pressure(placed: np.ndarray, parcel: np.ndarray) -> np.ndarray:
    """Orders of the last seven days over those of an average week of the eight before, float64 [n], 1 at first."""
    order = np.argsort(placed, kind="stable")
    at = placed[order][parcel[order]]

    def since(days: int) -> np.ndarray:
        return np.searchsorted(at, placed) - np.searchsorted(at, placed - days * 24 * _HOUR)

    week = since(7)
    usual = (since(63) - week) / 8
    enough = placed - at.min() >= 63 * 24 * _HOUR
    return np.where(enough, np.clip(week / np.maximum(usual, 1.0), 0.7, 1.8), 1.0)


def _working_day(at: np.ndarray, days: np.ndarray | int, closed: np.ndarray) -> np.ndarray:
    """The first instant of the day that is so many working days after the day of `at` (0: that day or the next one)."""
    return np.busday_offset(at.astype("datetime64[D]"), days, roll="forward", holidays=closed).astype("datetime64[us]")


def _after_work(at: np.ndarray, hours: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """When work of so many hours is done that begins at `at`: only working hours count."""
    today = np.is_busday(at.astype("datetime64[D]"), holidays=closed)
    hour = (at - at.astype("datetime64[D]")) / _HOUR
    begun = np.where(today, np.clip(hour - _OPENS, 0, _HOURS), 0.0)  # hours of the first working day that have passed
    total = begun + hours
    days = np.floor(total / _HOURS).astype(np.int64)
    day = _working_day(at, days, closed)
    seconds = ((_OPENS + total - days * _HOURS) * 3600).astype(np.int64)
    return day + seconds * _SECONDS


def _collected(packed: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """18 o'clock of the working day on which an order is packed."""
    return _working_day(packed, 0, closed) + np.timedelta64(int(_CLOSES), "h")


def _daytime(at: np.ndarray) -> np.ndarray:
    """The instants themselves from 8 to 18 on Mondays to Saturdays, else some second of the next such day, which the
    instant's own seconds say."""
    day = at.astype("datetime64[D]")
    hour = (at - day) / _HOUR
    late = hour >= _CLOSES
    day = np.where(late, day + 1, day)
    sunday = np.busday_offset(day, 0, roll="forward", weekmask="1111110") != day
    day = np.busday_offset(day, 0, roll="forward", weekmask="1111110")
    waits = late | sunday | (hour < _OPENS)
    seconds = (at.astype("datetime64[s]").astype(np.int64) * 7919) % 36_000
    morning = day.astype("datetime64[us]") + np.timedelta64(int(_OPENS), "h") + seconds * _SECONDS
    return np.where(waits, morning, at)

"""Made-up shops: random sales with late rows, corrections, plans, stock-outs and gaps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

START = np.datetime64("2024-01-01")
DAY = np.timedelta64(1, "D")


def ids(values) -> pa.Array:
    return pa.array([str(value) for value in values], pa.string()).dictionary_encode()


def stamps(values) -> pa.Array:
    return pa.array(np.asarray(values, "datetime64[us]"), pa.timestamp("us", "UTC"))


def sales_table(rows: dict[str, np.ndarray]) -> pa.Table:
    """A `sales` table from arrays: item, location, day (number from START), quantity, and what else is there."""
    columns = {
        "item_id": ids(rows["item"]),
        "location_id": ids(rows["location"]),
        "date": pa.array(START + np.asarray(rows["day"], np.int64), pa.date32()),
    }
    for name, values in rows.items():
        if name == "known_at":
            columns[name] = stamps(values)
        elif name == "in_stock":
            columns[name] = pa.array(np.asarray(values, bool))
        elif name not in ("item", "location", "day"):
            values = np.asarray(values, float)
            columns[name] = pa.array(values, pa.float64(), mask=np.isnan(values))
    return pa.table(columns)


def random_rows(random: np.random.Generator, days: int = 60, series: int = 4) -> dict[str, np.ndarray]:
    """Rows of `series` series with every irregularity, known_at included; keys with known_at are unique."""
    zeros = random.random() < 0.5
    item, day = (axis.ravel() for axis in np.meshgrid(np.arange(series), np.arange(days), indexing="ij"))
    begins = random.integers(0, days // 2, series)
    quantity = random.poisson(1.0, len(day)).astype(float)
    kept = (day >= begins[item]) & (random.random(len(day)) > 0.1) & (zeros | (quantity > 0))
    item, day, quantity = item[kept], day[kept], quantity[kept]
    known = (START + day + 1).astype("datetime64[us]")
    late = random.random(len(day)) < 0.15
    known[late] += random.integers(1, 20 * 24, late.sum()) * np.timedelta64(1, "h")
    rows = {
        "item": item,
        "location": item % 2,
        "day": day,
        "quantity": quantity,
        "rain": random.random(len(day)).round(3),
        "promo": random.integers(0, 2, len(day)).astype(float),
        "in_stock": random.random(len(day)) > 0.05,
        "known_at": known,
    }
    versions = [rows]
    for _ in range(2):
        again = np.flatnonzero(random.random(len(day)) < 0.1)
        more = {name: values[again].copy() for name, values in rows.items()}
        more["quantity"] = random.poisson(2.0, len(again)).astype(float)
        more["promo"] = 1 - more["promo"]
        more["known_at"] = more["known_at"] + random.integers(1, 400, len(again)) * np.timedelta64(3601, "s")
        versions.append(more)
    plans = np.flatnonzero(random.random(len(day)) < 0.05)
    plan = {name: values[plans].copy() for name, values in rows.items()}
    plan["quantity"][:] = np.nan
    plan["rain"][:] = np.nan
    plan["known_at"] = (START + plan["day"]).astype("datetime64[us]") - random.integers(
        1, 240, len(plans)
    ) * np.timedelta64(1, "h")
    versions.append(plan)
    together = {name: np.concatenate([part[name] for part in versions]) for name in rows}
    order = random.permutation(len(together["day"]))
    return {name: values[order] for name, values in together.items()}


def altered(rows, cutoff, random):
    """The rows with everything changed that `cutoff` must not see, known-ahead values of known rows apart."""
    start = (START + rows["day"]).astype("datetime64[us]")
    end = start + DAY
    hidden = (end > cutoff) | (rows["known_at"] > cutoff)
    out = {name: values.copy() for name, values in rows.items()}
    out["quantity"] = np.where(hidden, random.poisson(50, len(hidden)), out["quantity"])
    out["rain"] = np.where(hidden, random.random(len(hidden)) * 9, out["rain"])
    out["in_stock"] = np.where(hidden, ~out["in_stock"], out["in_stock"])
    # Late rows, corrections and plans not yet announced hide their known-ahead values too.
    unannounced = (rows["known_at"] > cutoff) & ((rows["known_at"] > end) | (rows["known_at"] < start))
    out["promo"] = np.where(unannounced, 7.0, out["promo"])
    late = hidden & (rows["known_at"] > end) & (rows["known_at"] > cutoff)
    gone = late & (random.random(len(hidden)) < 0.3)
    return {name: values[~gone] for name, values in out.items()}

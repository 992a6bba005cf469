"""Made-up shops for the tests of recommendation: tables of sources, and journals of a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tasks.recommendation.assemble import assemble
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions

START = np.datetime64("2024-01-01", "us")
"""When the first session, or order, of the builders begins."""

MINUTE, HOUR, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "h"), np.timedelta64(1, "D")


def ids(values) -> pa.Array:
    return pa.array([None if value is None else str(value) for value in values], pa.string()).dictionary_encode()


def stamps(values) -> pa.Array:
    return pa.array(np.asarray(values, "datetime64[us]"), pa.timestamp("us", "UTC"))


def interactions_table(rows: Sequence[tuple], **columns) -> pa.Table:
    """`interactions` from rows (customer, session, item, instant) or (customer, session, item, instant, kind); ids may
    be None, instants anything numpy reads. `columns`: further ones as they are."""
    filled = [(*row, "view")[:5] for row in rows]
    customer, session, item, at, kind = zip(*filled, strict=True) if filled else ((),) * 5
    return pa.table(
        {
            "customer_id": ids(customer),
            "session_id": ids(session),
            "item_id": ids(item),
            "kind": ids(kind),
            "occurred_at": stamps(at),
            **columns,
        }
    )


def orders_tables(rows: Sequence[tuple], **columns) -> dict[str, pa.Table]:
    """`orders` and `order_lines` from rows (order, customer, instant, items); an item may be (item, quantity, price).
    `columns`: further ones of `orders` as they are."""
    lines = [
        (order, *((item, 1.0, 1.0) if not isinstance(item, tuple) else item))
        for order, _, _, items in rows
        for item in items
    ]
    order, item, quantity, price = zip(*lines, strict=True) if lines else ((),) * 4
    return {
        "orders": pa.table(
            {
                "order_id": ids([row[0] for row in rows]),
                "customer_id": ids([row[1] for row in rows]),
                "placed_at": stamps([row[2] for row in rows]),
                **columns,
            }
        ),
        "order_lines": pa.table(
            {
                "order_id": ids(order),
                "item_id": ids(item),
                "quantity": pa.array(np.asarray(quantity, float)),
                "unit_price": pa.array(np.asarray(price, float)),
            }
        ),
    }


def items_table(names: Sequence[str], **columns) -> pa.Table:
    """`items`; `columns` by name: texts become dictionaries, numbers and Arrow arrays stay."""
    ready = {
        name: values if isinstance(values, pa.Array) or isinstance(values[0], float) else ids(values)
        for name, values in columns.items()
    }
    return pa.table({"item_id": ids(names), **ready})


def journal_of_sessions(
    sessions: Sequence[Sequence[str]],
    customers: Sequence[str | None] | None = None,
    *,
    gap: np.timedelta64 = HOUR,
    between: np.timedelta64 = DAY,
    kinds: Sequence[Sequence[str]] | None = None,
    sources: Mapping[str, pa.Table] | None = None,
    options: RecommendationOptions | None = None,
) -> Journal:
    """Session i, called "s000i", is of these items, one every `gap`, and begins at START + i * `between`; of nobody
    known, or of `customers[i]`. `sources`: further ones (`items`, `customers`, ...)."""
    rows = [
        (
            customers[number] if customers else None,
            f"s{number:04d}",
            item,
            START + number * between + position * gap,
            kinds[number][position] if kinds else "view",
        )
        for number, session in enumerate(sessions)
        for position, item in enumerate(session)
    ]
    return assemble({"interactions": interactions_table(rows), **(sources or {})}, options or RecommendationOptions())


def journal_of_orders(
    baskets: Mapping[str, Sequence[Sequence[str]]],
    *,
    between: np.timedelta64 = DAY,
    sources: Mapping[str, pa.Table] | None = None,
    options: RecommendationOptions | None = None,
) -> Journal:
    """Customers with their baskets in order; basket i of each is placed at START + i * `between`, a second later for
    each customer that stands before."""
    rows = [
        (f"{customer}-{number}", customer, START + number * between + place * np.timedelta64(1, "s"), basket)
        for place, (customer, own) in enumerate(baskets.items())
        for number, basket in enumerate(own)
    ]
    return assemble({**orders_tables(rows), **(sources or {})}, options or RecommendationOptions())


def random_interactions(random: np.random.Generator, rows: int = 300, days: float = 20.0) -> dict[str, np.ndarray]:
    """Columns of `interactions` with every irregularity: customers with and without sessions, anonymous sessions, rows
    of neither, ids that look alike, equal instants, duplicates, late rows, a feature, any order."""
    customer = random.integers(0, 8, rows).astype(object)
    session = random.integers(0, 30, rows).astype(object)
    customer[random.random(rows) < 0.5] = None
    session[random.random(rows) < 0.3] = None
    minutes = random.integers(0, round(days * 24 * 6), rows) * 10
    minutes = np.where(random.random(rows) < 0.3, minutes // 720 * 720, minutes)
    occurred = START + minutes * MINUTE
    late = random.random(rows) < 0.15
    known = occurred + np.where(late, random.integers(1, 5 * 24 * 60, rows), 0) * MINUTE
    columns = {
        "customer_id": customer,
        "session_id": session,
        "item_id": random.integers(0, 15, rows).astype(object),
        "kind": np.array(["view", "cart", "purchase"], object)[random.integers(0, 3, rows)],
        "occurred_at": occurred,
        "known_at": known,
        "dwell": random.random(rows).round(3),
    }
    again = random.integers(0, rows, rows // 20)
    return {name: np.append(values, values[again]) for name, values in columns.items()}


def random_orders(random: np.random.Generator, orders: int = 120, days: float = 20.0) -> dict[str, dict]:
    """Columns of `orders` and `order_lines` with every irregularity: orders of nobody, several at one instant, late
    ones, late lines, returns, repeated items, lines of unknown orders, places."""
    minutes = random.integers(0, round(days * 24 * 2), orders) * 30
    placed = START + np.where(random.random(orders) < 0.3, minutes // 720 * 720, minutes) * MINUTE
    late = random.random(orders) < 0.15
    customer = random.integers(0, 12, orders).astype(object)
    customer[random.random(orders) < 0.15] = None
    lines = random.integers(1, 5, orders)
    order = random.permutation(np.append(np.repeat(np.arange(orders), lines), [orders + 7] * 3))
    at = np.append(placed, [START] * 8)[order]
    late_line = random.random(len(order)) < 0.1
    region = random.integers(0, 4, orders).astype(object)
    region[random.random(orders) < 0.2] = None
    return {
        "orders": {
            "order_id": np.arange(orders).astype(object),
            "customer_id": customer,
            "placed_at": placed,
            "known_at": placed + np.where(late, random.integers(1, 5 * 24 * 60, orders), 0) * MINUTE,
            "destination_region": region,
            "destination_latitude": random.uniform(40, 50, orders).round(3),
            "destination_longitude": random.uniform(0, 10, orders).round(3),
            "origin_latitude": np.full(orders, 45.0),
            "origin_longitude": np.full(orders, 5.0),
        },
        "order_lines": {
            "order_id": order.astype(object),
            "item_id": random.integers(0, 15, len(order)).astype(object),
            "quantity": np.where(random.random(len(order)) < 0.15, -1.0, 2.0),
            "unit_price": random.uniform(1, 9, len(order)).round(2),
            "known_at": at + np.where(late_line, random.integers(1, 5 * 24 * 60, len(order)), 0) * MINUTE,
        },
    }


def as_table(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Columns as the types of `forecasting.schema`: objects as ids, instants, numbers."""

    def arrow(values: np.ndarray) -> pa.Array:
        if values.dtype.kind == "M":
            return stamps(values)
        return ids(values) if values.dtype == object else pa.array(values.astype(float))

    return pa.table({name: arrow(np.asarray(values)) for name, values in columns.items()})

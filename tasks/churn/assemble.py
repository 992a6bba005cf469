"""From the sources of a warehouse to `Customers`, in arrays throughout: work grows with the rows once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from forecasting.columns import objects, recode, sorted_union, used
from forecasting.histories import Histories
from forecasting.schema import DataError, SourceNeed
from tasks.churn.customers import PURCHASE, VISIT, Customers
from tasks.churn.lines import lines_of
from tasks.churn.options import ChurnOptions
from tasks.churn.orders import orders_of
from tasks.churn.places import places
from tasks.churn.versions import versions_of
from tasks.churn.visits import visits_of


def needs(options: ChurnOptions) -> tuple[SourceNeed, ...]:
    """`orders`; what else is there."""
    return (
        SourceNeed("orders", options.features, main=True),
        SourceNeed(
            "order_lines",
            required=False,
            without="orders have no baskets, and those without a value no money; returns are known by negative values",
        ),
        SourceNeed("items", required=False, only_with="order_lines", without="what was bought has no category"),
        SourceNeed("customers", required=False, without="customers are where their first order went"),
        SourceNeed("interactions", required=False, without="visits without an order play no part"),
    )


def assemble(sources: Mapping[str, pa.Table], options: ChurnOptions) -> Customers:
    """The customers of checked sources (types as in `forecasting.schema`): everyone with an order, and what they did.

    Reads `orders`; `order_lines` (with `items`), `customers` and `interactions` where they are there. Orders without a
    customer are left out. See `versions_of`, `visits_of` and `places` for what becomes of the others. Raises DataError
    and ConfigurationError naming source and column where the tables cannot be used.
    """
    if "orders" not in sources:
        raise DataError(
            "there are no orders.", source="orders", remedy="Map `orders` under [sources] in forecasting.toml."
        )
    table = sources["orders"]
    orders = orders_of(table)
    lines = lines_of(sources["order_lines"], orders, sources.get("items")) if "order_lines" in sources else None
    versions = versions_of(table, orders, lines, options.features)
    ids = sorted_union(used(orders.customer, orders.customers))
    customer = recode(orders.customer, orders.customers, ids)[versions.order]
    occurred = orders.placed_at[versions.order]
    known, withdrawn, kind, columns = versions.known_at, versions.withdrawn_at, versions.kind, dict(versions.columns)
    on_time = known is orders.placed_at
    if "interactions" in sources:
        visits = visits_of(sources["interactions"], ids)
        count = len(visits.customer)
        on_time &= visits.known_at is visits.occurred_at
        customer = np.concatenate([customer, visits.customer])
        occurred = np.concatenate([occurred, visits.occurred_at])
        known = np.concatenate([known, visits.known_at])
        if withdrawn is not None:
            withdrawn = np.concatenate([withdrawn, np.full(count, np.datetime64("NaT", "us"))])
        kind = np.concatenate([kind, np.full(count, VISIT, np.int8)])
        columns = {name: np.concatenate([values, _unknown(values, count)]) for name, values in columns.items()}
    order = np.lexsort((known, occurred, customer))
    offsets = np.searchsorted(customer[order], np.arange(len(ids) + 1)).astype(np.int64)
    occurred = occurred[order]
    events = Histories(
        objects(ids),
        offsets,
        occurred,
        occurred if on_time else known[order],
        {"kind": kind[order]} | {name: values[order] for name, values in columns.items()},
        versions.categories,
        None if withdrawn is None or np.isnat(withdrawn).all() else withdrawn[order],
    )
    where = places(sources.get("customers"), table, orders, ids)
    return Customers(events, _purchases(events), where.region, where.regions, where.latitude, where.longitude)


def _unknown(like: np.ndarray, count: int) -> np.ndarray:
    return np.full(count, np.nan if like.dtype.kind == "f" else -1, like.dtype)


def _purchases(events: Histories) -> Histories:
    """The rows that are purchases, of the same entities."""
    rows = np.flatnonzero(events.columns["kind"] == PURCHASE)
    occurred = events.occurred_at[rows]
    return replace(
        events,
        offsets=np.searchsorted(rows, events.offsets).astype(np.int64),
        occurred_at=occurred,
        known_at=occurred if events.known_at is events.occurred_at else events.known_at[rows],
        columns={name: values[rows] for name, values in events.columns.items()},
        withdrawn_at=None if events.withdrawn_at is None else events.withdrawn_at[rows],
    )

"""The status events of orders as histories, and the cutoff from which each is forecast."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import labels, objects, present
from forecasting.histories import Histories, changes
from tasks.completion.orders import PLACED
from tasks.completion.records import TICK, Records


def status_events(table: pa.Table | None, orders: Records) -> tuple[Histories, np.ndarray]:
    """(`events`, `statuses`) as in `Orders`, from the source `order_events` in its `forecasting.canonical` form, by
    these rules.

    - Every order has an event PLACED of its own. An event of that status at that very instant is the same one.
    - Events of unknown orders play no part, nor those without a status.
    - What is stamped before its order was placed happened when it was placed: clocks differ, and nothing could be known
      before. No event is known before its order.
    - Events of one instant stand a microsecond apart: first what was stamped earlier, then what was known earlier, then
      the status that was ever heard of earlier.
    """
    count = len(orders.ids)
    order, text, occurred, known = _told(table, orders)
    names, status = np.unique(text.astype(str), return_inverse=True)
    others = [name for name in names.tolist() if name != PLACED]
    statuses = np.array([PLACED, *others], object)
    code_of = {name: code for code, name in enumerate(statuses.tolist())}
    codes = (
        np.array([code_of[name] for name in names.tolist()], np.int32)[status] if len(names) else np.empty(0, np.int32)
    )
    entity = np.concatenate([np.arange(count), order])
    codes = np.concatenate([np.zeros(count, np.int32), codes])
    occurred = np.concatenate([orders.placed_at, occurred])
    known = np.concatenate([orders.known_at, known])

    place = np.lexsort((occurred, entity))  # the order itself stands before its events of the same instant
    entity, codes, known = entity[place], codes[place], known[place]
    own = occurred[place]
    occurred = spread(entity, own)
    on_time = bool((known <= own).all())
    known = occurred if on_time else np.maximum(known, occurred)
    offsets = np.searchsorted(entity, np.arange(count + 1)).astype(np.int64)
    cancelled = orders.cancelled_at[entity]
    as_of, cutoff = _cases(entity, codes, own, occurred, known)
    return (
        Histories(
            orders.ids,
            offsets,
            occurred,
            known,
            {"status": codes, "happened_at": own, "as_of": as_of, "cutoff": cutoff},
            withdrawn_at=None if np.isnat(cancelled).all() else cancelled,
        ),
        statuses,
    )


def spread(entity: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Instants (datetime64[us] [R], ascending within each entity, int64 [R] ascending) set a microsecond apart where
    several of an entity are the same; no other moves unless these run into it."""
    same = ~changes(entity)
    same[1:] &= at[1:] <= at[:-1]
    if not same.any():
        return at
    # at[i] = max over j <= i of the same entity of (at[j] + i - j): a running maximum, in ranks so that entities fit
    # into one array without overflow
    index = np.arange(len(at))
    distinct, rank = np.unique(at.astype(np.int64) - index, return_inverse=True)
    wide = len(distinct)
    highest = np.maximum.accumulate(entity * wide + rank) - entity * wide
    return (distinct[highest] + index).astype("datetime64[us]")


def _told(table: pa.Table | None, orders: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(order int64, status object, occurred_at, known_at) of the events that tell of known orders; those of one instant
    in the order in which they are to stand."""
    if table is None or not len(table):
        instants = np.empty(0, "datetime64[us]")
        return np.empty(0, np.int64), np.empty(0, object), instants, instants
    code, ids = labels(table["order_id"])
    status, names = labels(table["status"])
    occurred = arrow_instants(table["occurred_at"])
    order = np.append(orders.find(ids), np.int32(-1))[code].astype(np.int64)
    text = np.append(objects(names), "")[status]
    itself = (text == PLACED) & (occurred == orders.placed_at[order]) if len(orders.ids) else order < 0
    kept = np.flatnonzero((order >= 0) & (status >= 0) & ~itself)
    order, status, stamped = order[kept], status[kept], occurred[kept]
    occurred = np.maximum(stamped, orders.placed_at[order])
    known = np.maximum(occurred, orders.known_at[order])
    if present(table, ["known_at"]):
        known = np.fmax(known, arrow_instants(table["known_at"])[kept])
    rank = _heard_first(status, np.maximum(occurred + TICK, known), len(names))
    place = np.lexsort((rank[status], known, stamped))
    return order[place], text[kept[place]], occurred[place], known[place]


def _heard_first(status: np.ndarray, heard: np.ndarray, count: int) -> np.ndarray:
    """The rank of each of `count` statuses by when it was first heard of, int64, so that none still to come changes how
    others follow each other; of several the first by name. `heard`: datetime64[us] [R], when each event was."""
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, status, heard.astype(np.int64))
    rank = np.empty(count, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(count)  # a canonical column has its names ascending
    return rank


def _cases(
    entity: np.ndarray, codes: np.ndarray, own: np.ndarray, occurred: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(as_of, cutoff) of each event's case, datetime64[us] [R].

    `as_of` is the event's own instant, or the one at which it became known; one that repeats for a status of an order
    moves by microseconds, so that it names one case. The cutoff is the first that sees the event, or a few microseconds
    later where several events of an order became known together.
    """
    if known is own:  # all known at once, each at an instant of its own
        return own, own + TICK
    cutoff = np.maximum(occurred + TICK, known)
    by_cutoff = np.lexsort((cutoff, entity))
    cutoff[by_cutoff] = spread(entity[by_cutoff], cutoff[by_cutoff])
    as_of = np.where(known > occurred, np.maximum(own, known), own)
    by_status = np.lexsort((as_of, codes, entity))
    group = np.cumsum(changes(entity[by_status]) | changes(codes[by_status])) - 1
    as_of[by_status] = spread(group, as_of[by_status])
    return as_of, cutoff

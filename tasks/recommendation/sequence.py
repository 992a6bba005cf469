"""Records in order: by entity, then by the instant from which they count, cut into steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.recommendation.records import Records


@dataclass(frozen=True, eq=False)
class Sequence:
    """How R records stand in a journal of E entities: `offsets` int64 [E + 1], and per row in its order: `row` int64,
    the record; `at` datetime64[us]; `step`, `session`, `seen` and `step_row` as in `Journal`."""

    offsets: np.ndarray
    row: np.ndarray
    at: np.ndarray
    step: np.ndarray
    step_row: np.ndarray
    session: np.ndarray
    seen: np.ndarray


def sequence(records: Records, entity: np.ndarray, entities: int) -> Sequence:
    """Puts records in order. `entity`: int32 [R], that of each record."""
    counts = np.bincount(entity, minlength=entities)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    row = _order(records, entity, entities)
    owner, at = entity[row], records.at[row]
    visit = records.visit[row]

    begins = np.ones(len(row), bool)  # rows that begin a step
    begins[1:] = owner[1:] != owner[:-1]
    if records.baskets:
        begins[1:] |= (visit[1:] != visit[:-1]) | (at[1:] != at[:-1])
    else:
        begins[1:] |= (visit[1:] >= 0) | (visit[:-1] >= 0) | (at[1:] != at[:-1])
    step_row = np.append(np.flatnonzero(begins), len(row))
    step = np.cumsum(begins) - 1
    at = _apart(at, at != records.occurred_at[row], owner, step_row)

    if records.baskets:
        session = np.broadcast_to(np.int32(-1), len(row))
        seen = _orders_before(visit, owner, offsets, step_row[step])
        return Sequence(offsets, row, at, step, step_row, session, seen)
    session = _sessions(owner, visit, len(records.visits))
    return Sequence(offsets, row, at, step, step_row, session, _rows_before(session, owner))


def _order(records: Records, entity: np.ndarray, entities: int) -> np.ndarray:
    """Records by entity, then by the instant from which they count, then by that at which they occurred, then (orders)
    by order, then as they came; int64 [R]."""
    at = records.at
    if records.baskets:
        by_time = np.lexsort((records.visit, records.occurred_at, at))
    elif at is not records.occurred_at:
        by_time = np.lexsort((records.occurred_at, at))
    elif (at[1:] >= at[:-1]).all():
        return grouped(entity, entities)
    else:
        by_time = np.argsort(at, kind="stable")
    return by_time[grouped(entity[by_time], entities)]


def grouped(codes: np.ndarray, count: int) -> np.ndarray:
    """Positions, int64 [R], by code (0 ... count - 1) and otherwise in order: a sort that counts, in linear time."""
    # scipy takes a while to import, and every command that knows the task would wait for it
    from scipy import sparse

    rows = len(codes)
    if (codes[1:] >= codes[:-1]).all():
        return np.arange(rows)
    kind = np.int32 if max(rows, count) < np.iinfo(np.int32).max else np.int64
    column = np.arange(rows, dtype=kind)
    # Each code is a row of a sparse matrix; its entries stay in order.
    matrix = sparse.coo_array((np.ones(rows, np.int8), (codes.astype(kind), column)), shape=(count, rows))
    return matrix.tocsr().indices.astype(np.int64)


def _apart(at: np.ndarray, late: np.ndarray, owner: np.ndarray, step_row: np.ndarray) -> np.ndarray:
    """The instants of rows, those of an entity's steps a microsecond apart at least, rows of a step alike.

    Of several steps at one instant the first stays, and the others follow it; of several that became known late at one
    instant (`late`) the last stays, and the others go before it, so that a cutoff at that instant sees all of them.
    """
    first = step_row[:-1]
    instant, entity, held = at[first].view(np.int64), owner[first], late[first]
    close = np.flatnonzero((entity[1:] == entity[:-1]) & (instant[1:] <= instant[:-1]))
    if not len(close):
        return at
    mine = np.flatnonzero(np.isin(entity, np.unique(entity[close + 1])))
    entity, held, own = entity[mine], held[mine], instant[mine]
    fresh = np.ones(len(mine), bool)
    fresh[1:] = (entity[1:] != entity[:-1]) | (own[1:] != own[:-1]) | (held[1:] != held[:-1])
    begin = np.flatnonzero(fresh)
    size = np.diff(np.append(begin, len(mine)))
    place = np.arange(len(mine)) - np.repeat(begin, size)
    own = own + np.where(held, place + 1 - np.repeat(size, size), place)
    number = np.arange(len(mine))
    instant[mine] = pd.Series(own - number).groupby(entity, sort=False).cummax().to_numpy() + number
    return np.repeat(instant, np.diff(step_row)).view("datetime64[us]")


def _sessions(owner: np.ndarray, visit: np.ndarray, visits: int) -> np.ndarray:
    """Numbers of sessions, int32 [R]; -1 for none. One id used by several customers is as many sessions."""
    holder = np.full(visits + 1, -1, np.int32)
    holder[visit] = owner
    shared = np.flatnonzero((holder[visit] != owner) & (visit >= 0))
    session = visit.astype(np.int32)
    if len(shared):
        pair = visit[shared].astype(np.int64) * (int(owner.max()) + 1) + owner[shared]
        session[shared] = visits + np.unique(pair, return_inverse=True)[1]
    return session


def _rows_before(session: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """How many rows of its session come before each, int64 [R]; of its entity's rows without one where it has none."""
    sessions = int(session.max(initial=-1)) + 1
    group = np.where(session >= 0, session, sessions + owner)
    count = int(group.max(initial=-1)) + 1
    order = grouped(group, count)
    sizes = np.bincount(group, minlength=count)
    before = np.empty(len(group), np.int64)
    before[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return before


def _orders_before(visit: np.ndarray, owner: np.ndarray, offsets: np.ndarray, first_of_step: np.ndarray) -> np.ndarray:
    """How many orders of its entity were known before the step of each row, int64 [R]. `first_of_step`: int64 [R], the
    first row of the step."""
    rows = np.arange(len(visit))
    first = np.zeros(int(visit.max(initial=-1)) + 1, np.int64)
    first[visit[::-1]] = rows[::-1]
    new = first[visit] == rows  # the first row of an order begins a step
    known = np.append(0, np.cumsum(new))
    return known[first_of_step] - known[offsets[owner]]

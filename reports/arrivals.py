"""How the last forecasts turned out: an earlier run's open orders beside what is known of them now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import Kind
from reports import wording
from reports.arrived import Group, LookBack, Promises
from reports.earlier import earlier_runs, known_until
from reports.local_time import LocalTime
from reports.order_list import COMPLETION_COLUMNS, COMPLETIONS, STALLED_COLUMNS, TOGETHER
from reports.published import relation
from reports.view import Provenance

COMPLETED_COLUMNS = {"order_id": Kind.ID, "completed_at": Kind.TIMESTAMP}

LEAST_DAYS, MOST_DAYS = 7.0, 35.0
"""Runs of this age are looked back at: younger ones have not seen much, and completions are published for so long."""

CANDIDATES = 400
GROUPS = 8
"""Steps and regions shown."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Orders:
    """An earlier run's n orders; float64 [n] days from its instant on, NaN unknown: `windows` [n, 3] (p10, p50, p90),
    `actual` (completion; NaN while open), `due`. `chance` of being late, NaN without a promise. `stage`, `region`:
    str."""

    windows: np.ndarray
    actual: np.ndarray
    due: np.ndarray
    chance: np.ndarray
    stage: np.ndarray
    region: np.ndarray


def turned_out(
    warehouse: Warehouse, connection: Connection, provenance: Provenance, local: LocalTime
) -> LookBack | None:
    """The oldest run whose age lets it be judged: the older, the fewer of its orders are still open. None where no run
    of that age is kept."""
    every = relation(warehouse, connection, COMPLETIONS, COMPLETION_COLUMNS)
    until = known_until(provenance)
    runs = earlier_runs(connection, provenance, limit=CANDIDATES)
    old = [
        run
        for run in reversed(runs)
        if (until - run.as_of) / _DAY >= LEAST_DAYS and (provenance.as_of - run.as_of) / _DAY <= MOST_DAYS
    ]
    kept = sa.select(sa.exists().where(every.c.run_id == sa.bindparam("run")))
    run = next((run for run in old if connection.scalar(kept, {"run": run.run_id})), None)
    if run is None:
        return None
    rows = connection.execute(
        _statement(warehouse, connection, every, run.run_id, provenance.run_id),
        execution_options={"yield_per": TOGETHER},
    )
    orders, gone = _read(rows, run.as_of, local)
    days = (until - run.as_of) / _DAY
    if not len(orders.actual):
        return None
    return LookBack(
        run_id=run.run_id,
        as_of=run.as_of,
        until=until,
        days=days,
        every=_group("all", orders, np.ones(len(orders.actual), bool), days),
        gone=gone,
        promises=_promises(orders, days),
        stages=_groups(orders.stage, orders, days),
        regions=_groups(orders.region, orders, days),
    )


def _statement(
    warehouse: Warehouse, connection: Connection, every: sa.Table, then: str, now: str
) -> sa.Select[tuple[Any, ...]]:
    """The earlier run's orders, with when they were completed and whether they are open still."""
    completed = relation(warehouse, connection, "completed_orders", COMPLETED_COLUMNS)
    stalled = relation(warehouse, connection, "stalled_orders", STALLED_COLUMNS)
    still = every.alias("still")
    source: sa.FromClause = every
    for other in (completed, still, stalled):
        same = sa.and_(other.c.run_id == now, other.c.order_id == every.c.order_id)
        source = source.join(other, same, isouter=True)
    names = ("completes_p10", "completes_p50", "completes_p90", "promised_at", "late_probability", "stage")
    is_open = sa.func.coalesce(still.c.order_id, stalled.c.order_id).is_not(None)
    return (
        sa.select(*(every.c[name] for name in names), every.c.destination_region, completed.c.completed_at, is_open)
        .select_from(source)
        .where(every.c.run_id == then)
    )


def _read(rows: Iterable[Any], as_of: datetime, local: LocalTime) -> tuple[_Orders, int]:
    """The orders, and how many are neither complete nor open any more."""
    dues: dict[datetime, float] = {}  # many orders share a promised day
    figures, stages, regions, gone = [], [], [], 0
    for p10, p50, p90, promise, chance, stage, region, completed, is_open in rows:
        if completed is None and not is_open:
            gone += 1
            continue
        if promise is not None and promise not in dues:
            dues[promise] = (local.due(promise) - as_of) / _DAY
        figures.append(
            (
                (p10 - as_of) / _DAY,
                (p50 - as_of) / _DAY,
                (p90 - as_of) / _DAY,
                np.nan if completed is None else (completed - as_of) / _DAY,
                np.nan if promise is None else dues[promise],
                np.nan if chance is None else chance,
            )
        )
        stages.append(stage)
        regions.append(region or "")
    numbers = np.array(figures, np.float64).reshape(-1, 6)
    return (
        _Orders(
            numbers[:, :3], numbers[:, 3], numbers[:, 4], numbers[:, 5], np.array(stages, object),
            np.array(regions, object),
        ),
        gone,
    )  # fmt: skip


def _group(name: str, orders: _Orders, mine: np.ndarray, days: float) -> Group:
    """What became of those of the orders that are `mine` (bool [n]), `days` after the run."""
    actual, (low, middle, high) = orders.actual[mine], orders.windows[mine].T
    complete = np.isfinite(actual)
    later = np.where(complete, actual > high, days > high)
    earlier = complete & (actual < low)
    error = np.where(complete, actual, days) - middle
    error = error[complete | (days > middle)]  # of those open before the middle of what was said nothing is known
    return Group(
        name,
        earlier=int(earlier.sum()),
        inside=int((complete & ~earlier & ~later).sum()),
        later=int(later.sum()),
        undecided=int((~complete & ~later).sum()),
        off=float(np.median(np.abs(error))) if len(error) else None,
        shift=float(np.median(error)) if len(error) else None,
    )


def _groups(labels: np.ndarray, orders: _Orders, days: float) -> Sequence[Group]:
    """The largest groups of one label; none where all orders share it."""
    names, numbers = np.unique(labels.astype(str), return_counts=True)
    if len(names) < 2:
        return []
    largest = names[np.argsort(-numbers, kind="stable")[:GROUPS]]
    return [_group(str(name), orders, labels == name, days) for name in largest]


def _promises(orders: _Orders, days: float) -> Promises | None:
    """The promises whose time came in between."""
    complete = np.isfinite(orders.actual)
    mine = (orders.due > 0) & (orders.due <= days) & np.isfinite(orders.chance)
    if not mine.any():
        return None
    late = mine & np.where(complete, orders.actual > orders.due, True)
    named = mine & (orders.chance >= wording.LIKELY)
    return Promises(
        orders=int(mine.sum()),
        expected=float(orders.chance[mine].sum()),
        late=int(late.sum()),
        named=int(named.sum()),
        named_late=int((late & named).sum()),
    )

"""What goes out once with all open orders of an instant: stalled and completed orders, and routes."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from forecasting.contract import ARROW_TYPES
from forecasting.schema import OutputTable
from forecasting.task import Cases, Instant
from tasks.completion.case_facts import stages
from tasks.completion.folds import cases_at, stalled_at
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.output_columns import instants, labels, named
from tasks.completion.outputs import COMPLETED_ORDERS, ORDER_COMPLETIONS, ROUTE_TIMES, STALLED_ORDERS
from tasks.completion.routes import route_rows

COMPLETED_DAYS = 35
"""Orders completed in so many days before a publication go out with it."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class _Publication:
    """All that goes out at an instant: its `cases`; `late`, float64 [n], the probabilities of missing the promise, NaN
    without one, as the shards bring them; and whether they have, `brought` bool [n]."""

    options: CompletionOptions
    as_of: np.datetime64
    cases: Cases
    late: np.ndarray
    brought: np.ndarray


_LATEST: WeakKeyDictionary[Orders, _Publication]
_LATEST = WeakKeyDictionary()  # the pipeline asks shard by shard, and routes need to know what all of them hold


def publication_rows(orders: Orders, options: CompletionOptions, cases: Cases, late: np.ndarray) -> dict[str, pa.Table]:
    """Rows of `stalled_orders`, `completed_orders` and `route_times` for a shard of the cases that are published at an
    instant, with int64 `case` in front. `late`: float64 [n], as `completion_rows` takes it.

    They go out with the last case of all, so that keys stay unique however the cases are cut into shards; shards come
    in order. The cases of a backtest have none of these rows.
    """
    tables = {table.name: _empty(table) for table in (STALLED_ORDERS, COMPLETED_ORDERS, ROUTE_TIMES)}
    if not _published(orders, cases):
        return tables
    as_of = cases.cutoff[0]
    publication = _publication(orders, options, as_of)
    place = np.searchsorted(publication.cases.entity, cases.entity)
    publication.late[place] = late
    publication.brought[place] = True
    if len(last := np.flatnonzero(place == len(publication.cases) - 1)):
        case = int(last[0])
        all_late = publication.late if publication.brought.all() else np.full(len(publication.late), np.nan)
        tables = {name: _with_case(table, case) for name, table in _accompanying(publication, orders, all_late).items()}
    return tables


def rows_of_none(orders: Orders, options: CompletionOptions, as_of: Instant) -> dict[str, pa.Table]:
    """Rows of every output table, without `case`, where no order is open at an instant."""
    publication = _publication(orders, options, as_of)
    none = {ORDER_COMPLETIONS.name: _empty(ORDER_COMPLETIONS).drop_columns(["case"])}
    return none | _accompanying(publication, orders, publication.late)


def _accompanying(publication: _Publication, orders: Orders, late: np.ndarray) -> dict[str, pa.Table]:
    as_of = publication.as_of
    return {
        STALLED_ORDERS.name: stalled_rows(orders, publication.options, as_of),
        COMPLETED_ORDERS.name: completed_rows(orders, as_of),
        ROUTE_TIMES.name: route_rows(orders, as_of, publication.cases.entity, late),
    }


def stalled_rows(orders: Orders, options: CompletionOptions, as_of: Instant) -> pa.Table:
    """A row of `stalled_orders` for each open order that counts as lost."""
    cases = stalled_at(orders, options, as_of)
    order = cases.entity
    limit = limit_days(orders, options, as_of)
    return pa.table(
        {
            "order_id": pa.array(orders.events.entities[order], pa.string()),
            "as_of": instants(cases.cutoff),
            "stage": named(stages(orders, cases), orders.statuses),
            "placed_at": instants(orders.placed_at[order]),
            "promised_at": instants(orders.promised_at[order]),
            "days_open": pa.array((as_of - orders.placed_at[order]) / _DAY, pa.float64()),
            "limit_days": pa.array(np.full(len(order), limit), pa.float64()),
            "origin_id": labels(orders, "origin", order),
            "destination_region": labels(orders, "destination", order),
        }
    )


def completed_rows(orders: Orders, as_of: Instant) -> pa.Table:
    """A row of `completed_orders` for each order that `as_of` knows to have been completed in the COMPLETED_DAYS before
    it."""
    since = as_of - COMPLETED_DAYS * _DAY
    order = np.flatnonzero(orders.completed(slice(None), as_of) & (orders.completed_at >= since))
    return pa.table(
        {
            "order_id": pa.array(orders.events.entities[order], pa.string()),
            "placed_at": instants(orders.placed_at[order]),
            "completed_at": instants(orders.completed_at[order]),
            "promised_at": instants(orders.promised_at[order]),
            "origin_id": labels(orders, "origin", order),
            "destination_region": labels(orders, "destination", order),
        }
    )


def _published(orders: Orders, cases: Cases) -> bool:
    """Whether these are open orders at an instant, rather than cases that events make: those have cutoffs of their
    own."""
    if not len(cases) or (cases.cutoff != cases.cutoff[0]).any():
        return False
    return bool((orders.events.columns["cutoff"][cases.columns["event"]] != cases.cutoff).any())


def _publication(orders: Orders, options: CompletionOptions, as_of: np.datetime64) -> _Publication:
    latest = _LATEST.get(orders)
    if latest is None or (latest.options, latest.as_of) != (options, as_of):
        cases = cases_at(orders, options, as_of)
        latest = _Publication(options, as_of, cases, np.full(len(cases), np.nan), np.zeros(len(cases), bool))
        _LATEST[orders] = latest
    return latest


def _with_case(table: pa.Table, case: int) -> pa.Table:
    return table.add_column(0, "case", pa.array(np.full(len(table), case), pa.int64()))


def _empty(output: OutputTable) -> pa.Table:
    fields = [pa.field(column.name, ARROW_TYPES[column.kind]) for column in output.columns]
    return pa.schema([pa.field("case", pa.int64()), *fields]).empty_table()

"""Output rows: every open order and when it will be complete; with a publication, what else the report shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.completion.case_facts import due_days, stages, stages_at
from tasks.completion.forecast import CompletionForecast
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.output_columns import instants, labels, named, nullable
from tasks.completion.outputs import ORDER_COMPLETIONS
from tasks.completion.publication import publication_rows

FARTHEST_DAYS = 36_500.0
"""No completion is expected later than a century from the cutoff: calendars end."""

_DAY_MICROSECONDS = 86_400e6


def rows(
    orders: Orders, options: CompletionOptions, cases: Cases, forecast: CompletionForecast
) -> Mapping[str, pa.Table]:
    """The rows of every output table, with `case` in front: of `order_completions` one for each case, of the others
    those of a publication."""
    late = forecast.later_than(due_days(orders, cases))
    return {
        ORDER_COMPLETIONS.name: completion_rows(orders, cases, forecast, late),
        **publication_rows(orders, options, cases, late),
    }


def completion_rows(orders: Orders, cases: Cases, forecast: CompletionForecast, late: np.ndarray) -> pa.Table:
    """A row for each case; `late`: float64 [n], the probability of missing the promise, NaN without one."""
    order = cases.entity
    columns = {
        "case": pa.array(np.arange(len(cases)), pa.int64()),
        "order_id": pa.array(orders.events.entities[order], pa.string()),
        "as_of": instants(cases.columns["as_of"]),
        "stage": named(stages(orders, cases), orders.statuses),
        **{f"completes_p{round(100 * level)}": _completes(cases, forecast.at(level)) for level in (0.1, 0.5, 0.9)},
        "promised_at": instants(orders.promised_at[order]),
        "late_probability": nullable(np.clip(late, 0.0, 1.0)),
        "placed_at": instants(orders.placed_at[order]),
        "stage_at": instants(stages_at(orders, cases)),
        "origin_id": labels(orders, "origin", order),
        "destination_region": labels(orders, "destination", order),
    }
    return pa.table(columns)


def _completes(cases: Cases, days: np.ndarray) -> pa.Array:
    """Instants so many days after the cutoffs, and at least a microsecond."""
    ahead = np.maximum(np.ceil(np.minimum(days, FARTHEST_DAYS) * _DAY_MICROSECONDS), 1.0)
    return instants(cases.cutoff + ahead.astype("timedelta64[us]"))

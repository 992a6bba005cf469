"""What can be told of a customer as of a cutoff, in the units that people use: days, pieces, money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.churn.customers import RETURN, VISIT, Customers
from tasks.churn.features import Seen, median, seen
from tasks.churn.options import ChurnOptions

LATELY, YEAR, MONTH = 90, 365, 30
"""Days that are called lately, a year and a month."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Facts:
    """Of n cases, from what their cutoffs see. Arrays are [n]; counts int64, instants datetime64[us] in UTC with NaT
    where there is none, all others float64 with NaN where unknown.

    `orders`: purchases ever. `first_at`, `last_at`: of them. `days_ago`: calendar days (UTC) since the last one.
    `usual_gap`: median days between days with a purchase. `lately`, `before`: purchases in the LATELY days up to the
    cutoff, and in as many days before. `value_last`: money of the last purchase that has a known value; `value_usual`:
    median of the earlier ones; `spent`: purchases less returns in the options' `value_days`, at least 0, NaN where
    neither is known. `items`, `units`: medians of an order's. `returned_at`, `returns_year`: the last return, and how
    many in a YEAR. `visited_at`, `visits_month`: likewise visits in a MONTH. `region`: string, null where unknown.
    `category`: of the last purchase with a known one, string. `extra`: the last known value of each of the options'
    features, string or double, null where unknown.
    """

    cutoff: np.ndarray
    orders: np.ndarray
    first_at: np.ndarray
    last_at: np.ndarray
    usual_gap: np.ndarray
    lately: np.ndarray
    before: np.ndarray
    value_last: np.ndarray
    value_usual: np.ndarray
    spent: np.ndarray
    items: np.ndarray
    units: np.ndarray
    returned_at: np.ndarray
    returns_year: np.ndarray
    visited_at: np.ndarray
    visits_month: np.ndarray
    region: pa.Array
    category: pa.Array
    extra: Mapping[str, pa.Array]
    value_days: int

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.cutoff)

    def take(self, index: np.ndarray) -> Facts:
        """Those of the cases at `index`, int64 positions."""
        taken = {name: values[index] for name, values in vars(self).items() if isinstance(values, np.ndarray)}
        taken |= {name: getattr(self, name).take(pa.array(index)) for name in ("region", "category")}
        return replace(self, **taken, extra={name: values.take(pa.array(index)) for name, values in self.extra.items()})

    def ago(self, at: np.ndarray) -> np.ndarray:
        """Calendar days (UTC) from instants [n] to the cutoffs, int64; of no meaning where NaT."""
        return (self.cutoff.astype("datetime64[D]") - at.astype("datetime64[D]")).astype(np.int64)


def facts(customers: Customers, cases: Cases, options: ChurnOptions) -> Facts:
    """What can be told of the cases."""
    bought, every = seen(customers.purchases, cases), seen(customers.events, cases)
    purchases = customers.purchases
    at = purchases.occurred_at[bought.row]
    same = np.diff(bought.case, prepend=-1) == 0
    day = at.astype("datetime64[D]").astype(np.int64)
    gap = np.diff(day, prepend=day[:1]).astype(np.float64)
    first, last = _instants(at[~same], bought.case[~same], cases), _instants(at, bought.case, cases)
    between = same & (gap > 0)
    value_last, value_usual = _money(bought, purchases.columns["value"][bought.row])
    kind, event_at = customers.events.columns["kind"][every.row], customers.events.occurred_at[every.row]
    returned, visited = kind == RETURN, kind == VISIT
    return Facts(
        cutoff=cases.cutoff,
        orders=_count(bought, np.ones(len(at), bool)),
        first_at=first,
        last_at=last,
        usual_gap=median(bought.case[between], gap[between], len(cases)),
        lately=_count(bought, bought.age <= LATELY),
        before=_count(bought, (bought.age > LATELY) & (bought.age <= 2 * LATELY)),
        value_last=value_last,
        value_usual=value_usual,
        spent=_spent(every, customers, options.value_days),
        items=_median_known(bought, purchases.columns["items"][bought.row]),
        units=_median_known(bought, purchases.columns["units"][bought.row]),
        returned_at=_instants(event_at[returned], every.case[returned], cases),
        returns_year=_count(every, returned & (every.age <= YEAR)),
        visited_at=_instants(event_at[visited], every.case[visited], cases),
        visits_month=_count(every, visited & (every.age <= MONTH)),
        region=_named(customers.region[cases.entity], customers.regions),
        category=_last_known(bought, customers, "category", len(cases)),
        extra={name: _last_known(bought, customers, name, len(cases)) for name in options.features},
        value_days=options.value_days,
    )


def _count(rows: Seen, where: np.ndarray) -> np.ndarray:
    return rows.totals(where=where).astype(np.int64)


def _instants(at: np.ndarray, case: np.ndarray, cases: Cases) -> np.ndarray:
    """The newest of the instants of each case."""
    found = np.full(len(cases), np.datetime64("NaT"), "datetime64[us]")
    found[case] = at  # of several, numpy keeps the last assignment
    return found


def _money(bought: Seen, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last known value of each case, and the median of those before it."""
    known = np.flatnonzero(np.isfinite(value))
    case, value = bought.case[known], value[known]
    last = np.full(bought.count, np.nan)
    last[case] = value
    earlier = np.diff(case, append=-1) == 0
    return last, median(case[earlier], value[earlier], bought.count)


def _spent(every: Seen, customers: Customers, days: int) -> np.ndarray:
    kind, value = (customers.events.columns[name][every.row] for name in ("kind", "value"))
    counts = (every.age <= days) & (kind != VISIT) & np.isfinite(value)
    signed = np.where(kind == RETURN, -value, value)
    spent = np.maximum(every.totals(signed, counts), 0.0)
    return np.where(every.totals(where=counts) > 0, spent, np.nan)


def _median_known(bought: Seen, values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return median(bought.case[known], values[known], bought.count)


def _last_known(bought: Seen, customers: Customers, name: str, count: int) -> pa.Array:
    """The last known value of a column of purchases, string or double [count]; null where there is none."""
    values = customers.purchases.columns.get(name)
    labels = customers.purchases.categories.get(name)
    if values is None:
        return pa.nulls(count, pa.string())
    values = values[bought.row]
    known = values >= 0 if labels is not None else np.isfinite(values)
    last = np.full(count, -1 if labels is not None else np.nan)
    last[bought.case[known]] = values[known]
    return pa.array(last, mask=np.isnan(last)) if labels is None else _named(last.astype(np.int64), labels)


def _named(code: np.ndarray, labels: np.ndarray) -> pa.Array:
    """The labels of codes, string; null for -1."""
    return pa.array(labels, pa.string()).take(pa.array(code, mask=code < 0))

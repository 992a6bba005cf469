"""Figures of a customer as of a cutoff: recency, frequency, money and rhythm.

All come from the very rows that the case sees, never from differences of running sums, whose rounding would depend on
rows that the cutoff must not see. Durations are in days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.features.time import harmonics
from forecasting.histories import Histories, changes, ragged_ranges
from forecasting.task import Cases
from tasks.churn.customers import RETURN, VISIT, Customers
from tasks.churn.shop import Shop

SPANS = (30, 90, 180, 365)

FACT_FEATURES: Mapping[str, tuple[str, ...]] = {
    "recency": ("recency", "overdue"),
    "rhythm": ("usual_gap", "gap_spread", "gap_last"),
    "frequency": ("orders", "days_bought", "months_bought", "orders_180", "orders_365"),
    "trend": ("orders_30", "orders_90", "pace"),
    "tenure": ("tenure",),
    "value": ("value_mean", "value_last", "value_365", "value_trend"),
    "basket": ("units_mean", "items_mean"),
    "returns": ("returns", "return_last"),
    "visits": ("visits_30", "visit_last"),
    "region": ("region_level",),
}
"""The features that belong to each fact about a customer. Counts, money and days stand as log(1 + x)."""

HALF_LIFE_ORDERS = 3.0
"""Purchases after which an older one counts half in the level of a number that the options name."""

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Seen:
    """The rows that n cases see, case by case and oldest first: `row` int64 [m] positions, `case` int64 [m],
    `age` float64 [m] days before the case's cutoff."""

    row: np.ndarray
    case: np.ndarray
    age: np.ndarray
    count: int

    def totals(self, weights: np.ndarray | None = None, where: np.ndarray | None = None) -> np.ndarray:
        """Rows, or sums of `weights` [m], of each case, float64 [n]; only rows `where` bool [m]."""
        case = self.case if where is None else self.case[where]
        if weights is not None and where is not None:
            weights = weights[where]
        return np.bincount(case, weights, minlength=self.count).astype(np.float64)

    def last(self, values: np.ndarray) -> np.ndarray:
        """Of `values` [m], that of each case's newest row, float64 [n]; NaN without rows."""
        found = np.full(self.count, np.nan)
        found[self.case] = values  # of several, numpy keeps the last assignment: the newest
        return found


def seen(histories: Histories, cases: Cases) -> Seen:
    """The rows of `histories` that each case sees."""
    begin, stop = histories.offsets[cases.entity], histories.stop(cases.entity, cases.cutoff)
    row = ragged_ranges(begin, stop - begin)
    case = np.repeat(np.arange(len(cases)), stop - begin)
    if not histories.on_time:
        counts = histories.visible(row, cases.cutoff[case])
        row, case = row[counts], case[counts]
    age = (cases.cutoff[case] - histories.occurred_at[row]) / _DAY
    return Seen(row, case, age, len(cases))


def figures(customers: Customers, cases: Cases, features: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Features by name, float64 [n] each, NaN where unknown; always the same ones, whatever the cases see.

    Beside those of FACT_FEATURES: the season at the cutoff (`year_sin`, `year_cos`), the shop's trend (`shop_trend`),
    and one for each of the columns `features` of purchases. A number counts by its mean over the customer's
    purchases, where one that lies HALF_LIFE_ORDERS back counts half; a label, the last one known, by how soon
    customers who have it buy again (`Shop.label_levels`).
    """
    purchases = seen(customers.purchases, cases)
    found = _rhythm(purchases, customers.purchases)
    found |= _money(purchases, customers.purchases)
    found |= _others(customers, cases)
    found |= _surroundings(customers, cases, purchases, features)
    return found


def _rhythm(bought: Seen, purchases: Histories) -> dict[str, np.ndarray]:
    orders = bought.totals()
    recency, tenure = bought.last(bought.age), np.full(bought.count, np.nan)
    tenure[bought.case[::-1]] = bought.age[::-1]
    day = purchases.occurred_at[bought.row].astype("datetime64[D]").astype(np.int64)
    gap = np.diff(day, prepend=day[:1]).astype(np.float64)
    first, another_day = changes(bought.case), gap > 0
    is_gap = ~first & another_day
    days_bought = bought.totals(where=first | another_day)
    gap_count = bought.totals(where=is_gap)
    usual = median(bought.case[is_gap], gap[is_gap], bought.count)
    latest = np.full(bought.count, np.nan)
    latest[bought.case[is_gap]] = gap[is_gap]
    another_month = first | changes(np.floor(bought.age / 30.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = bought.totals(gap, is_gap) / gap_count
        spread = np.sqrt(np.maximum(bought.totals(gap**2, is_gap) / gap_count - mean**2, 0.0))
        overdue = np.log((recency + 1) / (usual + 1))
        pace = np.log(
            (bought.totals(where=bought.age <= 60) + 0.5) / (bought.totals(where=bought.age <= 180) / 3 + 0.5)
        )
    found = {"recency": np.log1p(recency), "overdue": overdue, "tenure": np.log1p(tenure)}
    found |= {"usual_gap": np.log1p(usual), "gap_spread": np.log1p(spread), "pace": pace}
    found |= {"gap_last": np.log1p(latest), "months_bought": np.log1p(bought.totals(where=another_month))}
    found |= {"orders": np.log1p(orders), "days_bought": np.log1p(days_bought)}
    return found | {f"orders_{span}": np.log1p(bought.totals(where=bought.age <= span)) for span in SPANS}


def median(case: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The median of the values of each case, float64 [n]; NaN without any."""
    order = np.lexsort((values, case))
    values = np.append(values[order], np.nan)
    sizes = np.bincount(case, minlength=count)
    begin = np.cumsum(sizes) - sizes
    low, high = begin + np.maximum(sizes - 1, 0) // 2, begin + sizes // 2
    return np.where(sizes > 0, (values[np.minimum(low, len(case))] + values[np.minimum(high, len(case))]) / 2, np.nan)


def _money(bought: Seen, purchases: Histories) -> dict[str, np.ndarray]:
    found = {}
    value = purchases.columns["value"][bought.row]
    known = np.isfinite(value)
    logs = np.log1p(np.maximum(np.nan_to_num(value), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        found["value_mean"] = bought.totals(logs, known) / bought.totals(where=known)
        found["value_last"] = bought.last(np.where(known, logs, np.nan))
        found["value_365"] = np.log1p(bought.totals(np.nan_to_num(value), known & (bought.age <= 365)))
        found["value_trend"] = found["value_last"] - found["value_mean"]
        for name in ("units", "items"):
            column = purchases.columns[name][bought.row]
            known = np.isfinite(column)
            found[f"{name}_mean"] = bought.totals(np.log1p(np.nan_to_num(column)), known) / bought.totals(where=known)
    return found


def _others(customers: Customers, cases: Cases) -> dict[str, np.ndarray]:
    """Returns and visits."""
    every = seen(customers.events, cases)
    kind = customers.events.columns["kind"][every.row]
    found = {}
    for name, code, span in (("return", RETURN, 365), ("visit", VISIT, 30)):
        mine = kind == code
        last = np.full(every.count, np.nan)
        last[every.case[mine]] = every.age[mine]
        found[f"{name}_last"] = np.log1p(last)
        of_span = np.log1p(every.totals(where=mine & (every.age <= span)))
        found["returns" if name == "return" else "visits_30"] = of_span
    return found


def _surroundings(customers: Customers, cases: Cases, bought: Seen, features: Sequence[str]) -> dict[str, np.ndarray]:
    """What the cutoff says, what the shop and the customer's region do, and the columns that the options name."""
    purchases = customers.purchases
    season = harmonics(cases.cutoff, "year").astype(np.float64)
    found = {"year_sin": season[:, 0], "year_cos": season[:, 1]}
    labels = {name: _last_label(bought, purchases.columns[name]) for name in features if name in purchases.categories}
    numbers = {name: _lately(bought, purchases.columns[name]) for name in features if name not in purchases.categories}
    levels = {name: np.full(len(cases), np.nan) for name in ("shop_trend", "region_level", *labels)}
    entity_of = np.repeat(np.arange(len(purchases)), purchases.lengths)
    cutoffs, place = np.unique(cases.cutoff, return_inverse=True)
    order, ends = np.argsort(place, kind="stable"), np.cumsum(np.bincount(place, minlength=len(cutoffs)))
    for cutoff, begin, end in zip(cutoffs, np.append(0, ends), ends, strict=False):
        mine = order[begin:end]
        shop = Shop.at(customers, entity_of, cutoff)
        levels["shop_trend"][mine] = shop.trend
        levels["region_level"][mine] = np.append(shop.region_levels, np.nan)[customers.region[cases.entity[mine]]]
        for name, code in labels.items():
            levels[name][mine] = np.append(shop.label_levels(name), np.nan)[code[mine]]
    return found | levels | numbers


def _last_label(bought: Seen, codes: np.ndarray) -> np.ndarray:
    """The code of the newest known label of each case, int64 [n]; -1 without one."""
    code = codes[bought.row]
    known = code >= 0
    last = np.full(bought.count, -1)
    last[bought.case[known]] = code[known]
    return last


def _lately(bought: Seen, values: np.ndarray) -> np.ndarray:
    """The mean of what is known of a number, by HALF_LIFE_ORDERS, float64 [n]; NaN where nothing is."""
    value = values[bought.row].astype(np.float64)
    known = np.isfinite(value)
    case = bought.case[known]
    orders = np.bincount(case, minlength=bought.count)
    after = np.cumsum(orders)[case] - 1 - np.arange(len(case))  # how many came after, of the same case
    weight = 0.5 ** (after / HALF_LIFE_ORDERS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(case, weight * value[known], minlength=bought.count) / np.bincount(
            case, weight, minlength=bought.count
        )

"""Sales as records of one period each, whatever the source held: per period, per day, or orders and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.clock import Grid, arrow_instants
from forecasting.columns import is_text, present
from forecasting.schema import ConfigurationError, DataError
from tasks.demand.columns import find, labels, numbers, recode, union
from tasks.demand.panel import accumulate

EVERYWHERE = "all"
"""Location of order lines that name none, where their order has no origin either."""

_ONE_PHASE = 0.9
"""Share of dates on one weekday, or one day of the month, from which the others count as errors."""

_NOTHING = 1e-6
"""Units below which a sum of lines less its cancellations is rounding."""


@dataclass(frozen=True)
class SalesRecords:
    """N records of sales, in any order; several of one series and period are versions, as `panel.build` reads them.

    `items`, `locations`: object (str), sorted. `item`, `location`: int32 [N] into them. `period`: int64 [N] on
    `periods`. `known_at`: datetime64[us] [N], NaT for the end of the period; None where all are. `columns`: float32
    [N] by name, `quantity` among them, NaN where missing. `categorical`: which of them are hashes of texts.
    """

    periods: Grid
    items: np.ndarray
    locations: np.ndarray
    item: np.ndarray
    location: np.ndarray
    period: np.ndarray
    known_at: np.ndarray | None
    columns: Mapping[str, np.ndarray]
    categorical: frozenset[str]


def from_sales(table: pa.Table, frequency: str, wanted: Sequence[str]) -> SalesRecords:
    """Records of the source `sales`; negative quantities, returns that outweighed the sales of their period, count
    as 0. `wanted`: the columns to keep beside `quantity`, `in_stock`, `price` and `promotion`.

    Where the table holds days and `frequency` is W or M they are added up, weeks from Monday, months from the 1st;
    other columns are averaged, and a period is in stock where every day of it was. Raises DataError for dates off the
    grid and where no row says how much was sold, ConfigurationError for a wanted column that the table lacks or that
    cannot be averaged.
    """
    if not present(table, ["quantity"]) and table.num_rows:
        raise DataError(
            "no row says how much was sold.",
            source="sales",
            column="quantity",
            remedy='Say which column it is: [sources.sales] columns = { quantity = "THEIR NAME" }.',
        )
    lacking = [name for name in wanted if name not in table.column_names]
    if lacking:
        raise ConfigurationError(
            f"source 'sales' has no column {', '.join(map(repr, lacking))}.",
            remedy=f"Name columns of sales in known_ahead and features; it has {', '.join(table.column_names)}.",
        )
    item, items = labels(table["item_id"])
    location, locations = labels(table["location_id"])
    for column, codes in (("item_id", item), ("location_id", location)):
        if (codes < 0).any():
            raise DataError("an id is missing.", source="sales", column=column, row=int((codes < 0).argmax()))
    sorted_items, sorted_locations = union(items), union(locations)
    dates = arrow_instants(table["date"]).astype("datetime64[D]")
    known_at = arrow_instants(table["known_at"]) if present(table, ["known_at"]) else None
    names = ["quantity", *dict.fromkeys([*present(table, ["in_stock", "price", "promotion"]), *wanted])]
    columns = {name: numbers(table[name]) for name in names}
    np.maximum(columns["quantity"], 0, out=columns["quantity"])
    periods = _grid(dates, frequency)
    records = SalesRecords(
        periods or Grid(frequency, 0 if frequency == "W" else 1),  # type: ignore[arg-type]
        sorted_items,
        sorted_locations,
        recode(item, items, sorted_items),
        recode(location, locations, sorted_locations),
        np.empty(0, np.int64) if periods is None else periods.index_of(dates, source="sales", column="date"),
        known_at,
        columns,
        frozenset(name for name in names if is_text(table[name].type)),
    )
    return records if periods is not None else _added_up(records, dates)


def from_orders(orders: pa.Table, lines: pa.Table, products: np.ndarray | None, frequency: str) -> SalesRecords:
    """Records derived from orders and their lines, by these rules.

    - A line counts in the period in which its order was placed, whoever placed it: a missing customer is a customer.
    - A cancelled order counts until `cancelled_at` becomes known, and never after: a forecast as of a day in between
      sees it, as one made that day would have.
    - Lines of quantity 0 or less are returns and corrections: not negative demand, and left out.
    - Where there is a source `items` (`products`: its ids), lines of anything else are postage, fees and vouchers: left
      out. Without it every item counts.
    - Lines whose order is unknown are left out.
    - The location is the line's, else the origin of its order, else "all".
    - The price is the mean unit price of a period, weighted by quantity, of lines with a price above 0.
    - A line is known when its order was placed, or at the later `known_at` of order and line.

    Weeks begin on Monday, months on the 1st. What is in no line was not sold: periods without lines are zeros.
    """
    periods = Grid(frequency, 1 if frequency == "M" else 0)  # type: ignore[arg-type]
    order_codes, order_names = labels(lines["order_id"])
    known_orders, order_ids = labels(orders["order_id"])
    placed_at, known_at, cancelled_at, row_of = _order_facts(orders, known_orders, len(order_ids))
    order = np.append(find(order_names, order_ids), -1)[order_codes]
    item, items = labels(lines["item_id"])
    quantity = numbers(lines["quantity"]).astype(np.float64)
    counts = (order >= 0) & (item >= 0) & (quantity > 0)
    if products is not None:
        counts &= np.append(find(items, products) >= 0, False)[item]
    line = np.flatnonzero(counts)
    order, quantity = order[line], quantity[line]
    location, locations = _locations(orders, lines, row_of[order], line)

    known = known_at[order]
    if present(lines, ["known_at"]):
        known = np.fmax(known, arrow_instants(lines["known_at"])[line])
    price = (
        numbers(lines["unit_price"])[line].astype(np.float64) if present(lines, ["unit_price"]) else np.zeros(len(line))
    )
    priced = price > 0
    amounts = {
        "quantity": quantity,
        "priced": np.where(priced, quantity, 0.0),
        "revenue": np.where(priced, quantity * price, 0.0),
    }
    item, period = item[line], periods.containing(placed_at[order])
    cancelled = cancelled_at[order]
    gone = np.flatnonzero(~np.isnat(cancelled))
    known = np.append(known, np.maximum(cancelled[gone], known[gone]))
    item, location, period = (np.append(codes, codes[gone]) for codes in (item, location, period))
    amounts = {name: np.append(values, -values[gone]) for name, values in amounts.items()}

    used_items, used_locations = union(items[np.unique(item)]), union(locations[np.unique(location)])
    item, location = recode(item, items, used_items), recode(location, locations, used_locations)
    series = item.astype(np.int64) * max(len(used_locations), 1) + location
    # What was known before its period was over counts from the period's end on, all in one version.
    known = np.maximum(known, periods.end(period).astype("datetime64[us]"))
    series, period, known, sums = accumulate(series, period, known, amounts)
    sold = np.where(sums["quantity"] > _NOTHING, sums["quantity"], 0)
    columns = {"quantity": sold.astype(np.float32)}
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_price = np.where(sums["priced"] > _NOTHING, sums["revenue"] / sums["priced"], np.nan)
    if priced.any():
        columns["price"] = mean_price.astype(np.float32)
    return SalesRecords(
        periods,
        used_items,
        used_locations,
        (series // max(len(used_locations), 1)).astype(np.int32),
        (series % max(len(used_locations), 1)).astype(np.int32),
        period,
        known,
        columns,
        frozenset(),
    )


def _order_facts(
    orders: pa.Table, code: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Per order [count]: when it was placed, became known, and was known to be cancelled (datetime64[us], NaT for
    not), and its row. An order with several versions counts by its first one; any of them may cancel it."""
    placed = arrow_instants(orders["placed_at"])
    known = placed
    if present(orders, ["known_at"]):
        known = np.fmax(placed, arrow_instants(orders["known_at"]))
    row = np.zeros(count, np.int64)
    latest_first = np.argsort(known, kind="stable")[::-1]
    row[code[latest_first]] = latest_first  # of several, numpy keeps the last assignment: the earliest version
    cancelled = np.full(count, np.datetime64("NaT"), "datetime64[us]")
    if present(orders, ["cancelled_at"]):
        at = np.maximum(arrow_instants(orders["cancelled_at"]), known)  # NaT where not cancelled
        np.fmin.at(cancelled, code, at)
    return placed[row], known[row], cancelled, row


def _locations(orders: pa.Table, lines: pa.Table, order: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes int32, names object) of where each line was sold."""
    names = [np.array([EVERYWHERE], object)]
    parts = []
    for table, column, at in ((lines, "location_id", line), (orders, "origin_id", order)):
        if present(table, [column]):
            codes, own = labels(table[column])
            parts.append((codes[at], own))
            names.append(own)
    every = union(*names)
    result = np.full(len(line), int(find(np.array([EVERYWHERE], object), every)[0]), np.int32)
    for codes, own in reversed(parts):
        result = np.where(codes >= 0, recode(codes, own, every), result)
    return result, every


def _grid(dates: np.ndarray, frequency: str) -> Grid | None:
    """The grid of the dates; None where they are days to be added up to weeks or months."""
    if frequency == "D" or not len(dates):
        return Grid.of(dates, frequency, source="sales", column="date")
    try:
        return Grid.of(dates, frequency, source="sales", column="date")
    except DataError:
        month = dates.astype("datetime64[M]")
        phase = (
            (dates - month.astype("datetime64[D]")).astype(np.int64) if frequency == "M" else dates.astype(np.int64) % 7
        )
        if np.bincount(phase).max() / len(dates) >= _ONE_PHASE:
            raise
        return None


def _added_up(daily: SalesRecords, dates: np.ndarray) -> SalesRecords:
    """Records per week or month from records per day: every version of a day adds what it changed."""
    if daily.categorical:
        raise ConfigurationError(
            f"column {sorted(daily.categorical)[0]!r} of sales holds texts and cannot be averaged over longer periods.",
            remedy="Map sales by a query that gives one row per period, or leave the column out.",
        )
    grid = daily.periods
    day = dates.astype(np.int64)
    end_of_day = (dates + 1).astype("datetime64[us]")
    known = end_of_day if daily.known_at is None else np.where(np.isnat(daily.known_at), end_of_day, daily.known_at)
    wide = max(len(daily.locations), 1)
    series = daily.item.astype(np.int64) * wide + daily.location
    order = np.lexsort((known, day, series))
    series, day, known = series[order], day[order], known[order]
    again = np.zeros(len(day), bool)
    again[1:] = (series[1:] == series[:-1]) & (day[1:] == day[:-1])
    amounts = {}
    for name, values in daily.columns.items():
        value = values[order].astype(np.float64)
        for _ in range(_longest_run(again)):  # a version that leaves a value out repeats the one before it
            hole = np.flatnonzero(again & np.isnan(value))
            value[hole] = value[hole - 1]
        if name == "in_stock":
            value = 1 - value
        said = (~np.isnan(value)).astype(np.float64)
        value = np.nan_to_num(value)
        amounts[name] = value - np.where(again, np.append(0.0, value[:-1]), 0.0)
        amounts[f"{name} said"] = said - np.where(again, np.append(0.0, said[:-1]), 0.0)
    period = grid.containing(day.astype("datetime64[D]"))
    known = np.where(again | (known > grid.end(period)) | (known < grid.start(period)), known, grid.end(period))
    series, period, known, sums = accumulate(series, period, known.astype("datetime64[us]"), amounts)
    columns = {}
    for name in daily.columns:
        spoken, total = sums[f"{name} said"] > 0, sums[name]
        if name == "in_stock":
            total = np.where(total == 0, 1.0, 0.0)
        elif name != "quantity":
            total = total / np.maximum(sums[f"{name} said"], 1)
        columns[name] = np.where(spoken, total, np.nan).astype(np.float32)
    return SalesRecords(
        grid,
        daily.items,
        daily.locations,
        (series // wide).astype(np.int32),
        (series % wide).astype(np.int32),
        period,
        known,
        columns,
        frozenset(),
    )


def _longest_run(flags: np.ndarray) -> int:
    """Length of the longest run of true values."""
    position = np.arange(len(flags))
    return int((position - np.maximum.accumulate(np.where(flags, -1, position))).max(initial=0))


def product_ids(items: pa.Table | None) -> np.ndarray | None:
    """Ids of the catalogue, object [I]; None without one."""
    if items is None or not items.num_rows:
        return None
    return pc.unique(items["item_id"].cast(pa.string())).to_numpy(zero_copy_only=False)

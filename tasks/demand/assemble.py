"""From the sources of a warehouse to a `SalesGrid`, in arrays throughout: work grows with the rows once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.clock import arrow_instants
from forecasting.columns import is_text, present
from forecasting.histories import Histories
from forecasting.schema import DataError
from tasks.demand import surroundings
from tasks.demand.columns import find, labels, numbers, recode, union
from tasks.demand.options import DemandOptions
from tasks.demand.panel import Panel, build, extent
from tasks.demand.records import SalesRecords, from_orders, from_sales, product_ids
from tasks.demand.sales import NEVER, Beginnings, Habits, SalesGrid

_DENSE_KEYS = 20_000_000
"""Pairs of item and location up to which a table of all of them is quicker than sorting."""


def assemble(sources: Mapping[str, pa.Table], options: DemandOptions) -> SalesGrid:
    """The sales grid of checked sources (types as in `forecasting.schema`).

    Reads `sales`, or where it is absent `orders` and `order_lines`; `items`, `locations`, `stock`, `supply`, `calendar`
    and `weather` where they are there. Series are the pairs of item and location in sales or stock. Raises DataError
    and ConfigurationError naming source and column where the tables cannot be used together.
    """
    records = _records(sources, options)
    stock = sources.get("stock")
    items, locations, pairs = records.items, records.locations, []
    if stock is not None and stock.num_rows:
        stock_item, stock_items = labels(stock["item_id"])
        stock_location, stock_locations = labels(stock["location_id"])
        items, locations = union(items, stock_items), union(locations, stock_locations)
        pairs.append((recode(stock_item, stock_items, items), recode(stock_location, stock_locations, locations)))
    item, location = recode(records.item, records.items, items), recode(records.location, records.locations, locations)
    wide = max(len(locations), 1)
    keys = [item.astype(np.int64) * wide + location, *(own.astype(np.int64) * wide + place for own, place in pairs)]
    series_keys, series_of = _series(keys, len(items) * wide)
    series_item, series_location = (series_keys // wide).astype(np.int32), (series_keys % wide).astype(np.int32)

    sales, ahead = _panels(records, series_of[0], len(series_keys), options)
    item_columns = _entity_columns(sources.get("items"), "item_id", items)
    location_columns = _entity_columns(sources.get("locations"), "location_id", locations)
    region = location_columns.get("region", np.full(len(locations), None, object))[series_location]
    calendar, weather = sources.get("calendar"), sources.get("weather")
    return SalesGrid(
        periods=records.periods,
        items=items,
        locations=locations,
        item=series_item,
        location=series_location,
        sales=sales,
        ahead=ahead,
        beginnings=_beginnings(records, series_of[0], len(series_keys)),
        habits=_habits(sales),
        calendar=surroundings.calendar(calendar, records.periods, region)
        if calendar is not None and calendar.num_rows
        else None,
        weather=surroundings.weather(weather, records.periods, locations[series_location], region)
        if weather is not None and weather.num_rows
        else None,
        item_columns=item_columns,
        location_columns=location_columns,
        categorical=records.categorical,
        stock=_stock(stock, series_of[1], len(series_keys)) if pairs else None,
        supply=_supply(sources.get("supply"), items, locations, series_item, series_location),
        missing="zero" if "sales" not in sources and options.missing == "auto" else options.missing,  # type: ignore[arg-type]
    )


def _records(sources: Mapping[str, pa.Table], options: DemandOptions) -> SalesRecords:
    wanted = (*options.known_ahead, *options.features)
    if "sales" in sources:
        return from_sales(sources["sales"], options.frequency, wanted)
    if "orders" not in sources or "order_lines" not in sources:
        raise DataError(
            "there are no sales, and no orders and order_lines to derive them from.",
            source="sales",
            remedy="Map `sales`, or `orders` and `order_lines`, under [sources] in forecasting.toml.",
        )
    records = from_orders(
        sources["orders"], sources["order_lines"], product_ids(sources.get("items")), options.frequency
    )
    lacking = [name for name in wanted if name not in records.columns]
    if lacking:
        raise DataError(
            f"sales derived from orders have no column {', '.join(map(repr, lacking))}.",
            source="order_lines",
            remedy="Leave it out of known_ahead and features, or map `sales` by a query of your own.",
        )
    return records


def _series(keys: list[np.ndarray], pairs: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """(distinct keys ascending int64 [S], position of each given key among them)."""
    if pairs <= _DENSE_KEYS:
        seen = np.zeros(pairs, bool)
        for part in keys:
            seen[part] = True
        distinct = np.flatnonzero(seen)
        place = np.cumsum(seen, dtype=np.int32) - 1
        return distinct, [place[part] for part in keys]
    distinct, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    return distinct, np.split(inverse, np.cumsum([len(part) for part in keys])[:-1])


def _panels(records: SalesRecords, series: np.ndarray, count: int, options: DemandOptions) -> tuple[Panel, Panel]:
    """The panels of what is known up to a cutoff, and of what is known ahead, over the same cells."""
    layout = extent(count, series, records.period)
    planned = np.isnan(records.columns["quantity"])
    history = {name: values for name, values in records.columns.items() if name not in options.known_ahead}
    ahead = {name: records.columns[name] for name in options.known_ahead}
    if options.known_ahead:
        ahead["listed"] = np.ones(len(series), np.float16)
    elif planned.any():
        ahead["listed"] = planned.astype(np.float16)
    if "in_stock" in history:
        history["in_stock"] = history["in_stock"].astype(np.float16)
    periods, known_at = records.periods, records.known_at
    sales = build(count, series, records.period, known_at, history, periods, "history", layout)
    if not ahead:
        return sales, Panel(layout[0], np.zeros(count + 1, np.int64), {}, sales.later)
    return sales, build(count, series, records.period, known_at, ahead, periods, "ahead", layout)


def _beginnings(records: SalesRecords, series: np.ndarray, count: int) -> Beginnings:
    sold = np.flatnonzero(records.columns["quantity"] > 0)
    series, period = series[sold], records.period[sold]
    first = np.full(count, NEVER)
    late = np.empty(0, np.int64)
    if records.known_at is None:
        np.minimum.at(first, series, period)
    else:
        known = records.known_at[sold]
        is_late = known > records.periods.end(period)  # NaT, known at the end, is not
        np.minimum.at(first, series[~is_late], period[~is_late])
        late = np.flatnonzero(is_late & (period < first[series]))
    if not len(late):
        none = np.empty(0, np.int64)
        return Beginnings(first, np.empty(0, "datetime64[us]"), none, none)
    series, period, known = series[late], period[late], known[late]
    instants, instant = np.unique(known, return_inverse=True)
    key = series.astype(np.int64) * len(instants) + instant
    order = np.argsort(key, kind="stable")
    key, series, period = key[order], series[order].astype(np.int64), period[order]
    # The running minimum within a series: offset by series, so that one pass over all serves, each series lying below
    # the one before it.
    width = int(period.max() - period.min()) + 1
    shifted = np.minimum.accumulate(period - period.min() - series * width)
    return Beginnings(first, instants, key, shifted + series * width + period.min())


def _habits(sales: Panel) -> Habits:
    """What the source showed of its habits, from the rows known in time alone."""
    cell = np.flatnonzero(~np.isnan(sales.columns["quantity"][:-1]))
    if not len(cell):
        return Habits(0, np.zeros(1, bool), np.full(1, -NEVER))
    row = np.repeat(np.arange(sales.rows, dtype=np.int32), np.diff(sales.offsets))[cell]
    period = cell + (sales.first - sales.offsets[:-1])[row]
    first = int(period.min())
    span = int(period.max()) - first + 2
    at = period - first + 1  # what a row shows is evident once its period is over
    zeros = np.bincount(at[sales.columns["quantity"][cell] == 0], minlength=span)
    gap = np.where(row[1:] == row[:-1], period[1:] - period[:-1] - 1, 0)
    gaps = np.bincount(at[1:], weights=gap, minlength=span)
    any_row = np.bincount(at, minlength=span) > 0
    last = np.maximum.accumulate(np.where(any_row, np.arange(span) + first - 1, -NEVER))
    zeros, gaps = zeros.cumsum(), gaps.cumsum()
    return Habits(first, (zeros > 0) & (zeros >= gaps), last)


def _entity_columns(table: pa.Table | None, key: str, names: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a source without clock, aligned with `names`: float32, or object (str or None). Of several versions
    of a row the first known counts."""
    if table is None or not table.num_rows:
        return {}
    if present(table, ["known_at"]):
        order = np.argsort(arrow_instants(table["known_at"]), kind="stable")
        table = table.take(pa.array(order))
    codes, ids = labels(table[key])
    row_of = np.full(len(ids) + 1, -1)
    row_of[codes[::-1]] = np.arange(len(codes))[::-1]
    row_of[-1] = -1
    row = row_of[find(names, ids)]
    columns = {}
    for name in present(table, [column for column in table.column_names if column not in (key, "known_at")]):
        kind = table[name].type
        if is_text(kind):
            own, values = labels(table[name])
            columns[name] = np.append(values, np.array([None], object))[np.append(own, -1)[row]]
        elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            columns[name] = np.append(numbers(table[name]), np.float32(np.nan))[row]
    return columns


def _stock(table: pa.Table, series: np.ndarray, count: int) -> Histories:
    """Stock counts by series."""
    occurred = arrow_instants(table["observed_at"])
    known = occurred
    if present(table, ["known_at"]):
        known = np.fmax(occurred, arrow_instants(table["known_at"]))
    order = np.lexsort((known, occurred, series))
    offsets = np.concatenate([[0], np.bincount(series, minlength=count).cumsum()])
    columns = {
        name: numbers(table[name]).astype(np.float64)[order]
        for name in ("on_hand", "on_order")
        if name in table.column_names
    }
    names = np.array([str(number) for number in range(count)], object)
    return Histories(names, offsets, occurred[order], known[order], columns)


def _supply(
    table: pa.Table | None, items: np.ndarray, locations: np.ndarray, item: np.ndarray, location: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of `supply` by series, float64 [S], NaN where unknown: the row of the item at the location, else its row
    without location, which means all."""
    if table is None or not table.num_rows:
        return {}
    own_item, item_names = labels(table["item_id"])
    own_item = recode(own_item, item_names, items)
    own_location = np.full(len(table), len(locations), np.int32)
    if present(table, ["location_id"]):
        codes, names = labels(table["location_id"])
        known = recode(codes, names, locations)
        own_item = np.where((codes >= 0) & (known < 0), -1, own_item)
        own_location = np.where(codes >= 0, known, own_location)
    row = np.flatnonzero(own_item >= 0)
    wide = len(locations) + 1
    keys = own_item[row].astype(np.int64) * wide + own_location[row]
    order = np.argsort(keys, kind="stable")
    keys, row = np.append(keys[order], np.iinfo(np.int64).max), np.append(row[order], -1)
    chosen = np.full(len(item), -1)
    for place in (np.full(len(location), len(locations)), location):
        wanted = item.astype(np.int64) * wide + place
        at = np.searchsorted(keys, wanted)
        chosen = np.where(keys[at] == wanted, row[at], chosen)
    skipped = ("item_id", "location_id", "known_at")
    return {
        name: np.append(numbers(table[name]).astype(np.float64), np.nan)[chosen]
        for name in table.column_names
        if name not in skipped and not is_text(table[name].type)
    }

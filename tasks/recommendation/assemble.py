"""From the sources of a warehouse to a `Journal`, in arrays throughout: work grows with the rows once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.columns import find, labels, numbers
from forecasting.histories import Histories
from forecasting.schema import DataError, SourceNeed
from tasks.recommendation.journal import Journal, Stock
from tasks.recommendation.listing import listing
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.population import population
from tasks.recommendation.records import Records, counts_from, from_interactions, from_orders
from tasks.recommendation.sequence import sequence
from tasks.recommendation.weather import regional_weather, weather_columns


def needs(options: RecommendationOptions) -> tuple[SourceNeed, ...]:
    """`interactions`, or `orders` and `order_lines`; what else is there."""
    optional = {
        "items": "every item ever touched is recommended, without titles, and new items borrow nothing from their kind",
        "customers": "customers without events get no list, and nobody has a region",
        "stock": "items that are sold out are recommended all the same",
        "weather": "weather plays no part",
    }
    return (
        SourceNeed("interactions", options.features, instead=("orders", "order_lines"), main=True),
        SourceNeed(
            "locations",
            required=False,
            only_with="orders",
            without="orders whose origin has no coordinates of its own have no distance",
        ),
        *(SourceNeed(name, required=False, without=cost) for name, cost in optional.items()),
    )


def assemble(sources: Mapping[str, pa.Table], options: RecommendationOptions) -> Journal:
    """The journal of checked sources (types as in `forecasting.schema`).

    Reads `interactions`, or where it is absent `orders` and `order_lines`; `items`, `customers`, `locations`, `stock`
    and `weather` where they are there. Raises DataError and ConfigurationError naming source and column where the
    tables cannot be used together.
    """
    records = _records(sources, options)
    people = population(records, sources.get("customers"))
    order = sequence(records, people.of_record, len(people.ids))
    catalogue = listing(sources.get("items"), records.items, records.item, records.at)
    ids = pa.array(catalogue.ids, pa.string())
    place = np.append(find(records.items, ids), np.int32(-1))
    columns = {
        "item": place[records.item[order.row]],
        "kind": records.kind[order.row],
        "step": order.step,
        "session": order.session,
        "seen": order.seen,
        "price": _in_order(records.price, order.row),
        **{name: _in_order(values, order.row) for name, values in records.columns.items()},
    }
    weather = regional_weather(sources.get("weather"))
    if weather is not None:
        owner = people.of_record[order.row]
        region = np.where(people.region_from[owner] <= order.at, people.region[owner], -1)
        occurred_at = records.occurred_at[order.row]
        columns |= weather_columns(weather, people.regions, region, occurred_at, order.at)
    return Journal(
        events=Histories(people.ids, order.offsets, order.at, order.at, columns, records.categories),
        catalogue=catalogue,
        kind=people.kind,
        ids=people.ids,
        region=people.region,
        regions=people.regions,
        latitude=people.latitude,
        longitude=people.longitude,
        known_from=people.known_from,
        region_from=people.region_from,
        coordinates_from=people.coordinates_from,
        step_row=order.step_row,
        stock=_stock(sources.get("stock"), ids),
        weather=weather,
    )


def _records(sources: Mapping[str, pa.Table], options: RecommendationOptions) -> Records:
    if "interactions" in sources:
        return from_interactions(sources["interactions"], options.features)
    if "orders" not in sources or "order_lines" not in sources:
        raise DataError(
            "there are no interactions, and no orders and order_lines to derive them from.",
            source="interactions",
            remedy="Map `interactions`, or `orders` and `order_lines`, under [sources] in forecasting.toml.",
        )
    return from_orders(sources["orders"], sources["order_lines"], sources.get("locations"), options.features)


def _in_order(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """`values[row]`; what is the same everywhere stays one number in memory."""
    return values if values.strides == (0,) else values[row]


def _stock(table: pa.Table | None, ids: pa.Array) -> Stock | None:
    """Counts of items of the catalogue."""
    if table is None or not table.num_rows:
        return None
    codes, names = labels(table["item_id"])
    item = np.append(find(names, ids), np.int32(-1))[codes]
    location, _ = labels(table["location_id"])
    listed = np.flatnonzero(item >= 0)
    observed_at, at = (instants[listed] for instants in counts_from(table, "observed_at", "stock"))
    on_hand = numbers(table["on_hand"])[listed]
    return Stock(item[listed], location[listed], observed_at, at + np.timedelta64(1, "us"), on_hand)

"""From the sources of a warehouse to `Orders`, in arrays throughout: work grows with the rows once."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.canonical import canonical
from forecasting.clock import arrow_instants
from forecasting.columns import is_text, numbers, present
from forecasting.features.space import Weather
from forecasting.schema import SOURCES, ConfigurationError, DataError, SourceNeed
from tasks.completion.due import due_at
from tasks.completion.holidays import known_ahead
from tasks.completion.lines import baskets, sensible
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import PLACED, Orders
from tasks.completion.places import Labels, labelled, places_of, text_of
from tasks.completion.records import NEVER, Records, records_of
from tasks.completion.status_events import status_events

log = logging.getLogger(__name__)

TAKEN = frozenset(
    {column.name for column in SOURCES["orders"].columns}
    | {"known_at", "origin", "origin_area", "destination", "route"}
)
"""What no feature may be called: columns that play a part already, and names of the task's own."""


_REQUIRED = {"orders": ("order_id", "placed_at"), "order_events": ("order_id", "occurred_at")}
_LATER = ("completed_at", "cancelled_at")


def needs(options: CompletionOptions) -> tuple[SourceNeed, ...]:
    """`orders`; what else is there."""
    return (
        SourceNeed(
            "orders",
            options.features,
            main=True,
            columns_without={
                "completed_at": "no order is ever known to be complete, so that nothing can be learnt",
                "promised_at": "there is nothing to be late for: no late_probability, and no baseline of the promise",
                "origin_id": "what the same origin did lately, and its backlog, play no part",
                "destination_region": "places are put together by their coordinates alone",
                "origin_latitude, origin_longitude": "there are no distances, and areas of origins are the origins",
                "destination_latitude, destination_longitude": "there are no distances and no map of slow routes",
            },
        ),
        SourceNeed(
            "order_events",
            required=False,
            without="orders are forecast from when they were placed alone; that they were shipped changes nothing",
        ),
        SourceNeed("order_lines", required=False, without="orders have no units and no items"),
        SourceNeed(
            "items", required=False, only_with="order_lines", without="what was ordered has no weight and no category"
        ),
        SourceNeed("customers", required=False, without="orders without a destination of their own go nowhere known"),
        SourceNeed("calendar", required=False, without="no holidays are known but those of the option `country`"),
        SourceNeed("weather", required=False, without="weather plays no part"),
    )


def assemble(sources: Mapping[str, pa.Table], options: CompletionOptions) -> Orders:
    """The orders of checked sources (types as in `forecasting.schema`).

    Reads `orders`; `order_events`, `order_lines` (with `items`), `customers`, `calendar` and `weather` where they are
    there. See `records_of`, `status_events`, `baskets` and `places_of` for what becomes of what. Neither the order of
    rows nor how a database writes them down (`forecasting.canonical`) makes a difference. Raises DataError and
    ConfigurationError naming source and column where the tables cannot be used.
    """
    if "orders" not in sources:
        raise DataError(
            "there are no orders.", source="orders", remedy="Map `orders` under [sources] in forecasting.toml."
        )
    sources = {name: canonical(rows, name, _REQUIRED.get(name, ()), _LATER) for name, rows in sources.items()}
    table = sources["orders"]
    orders = records_of(table)
    events, statuses = status_events(sources.get("order_events"), orders)
    figures, labels = _contents(sources, table, orders)
    own_figures, own_labels = _features(table, orders, options.features)
    figures, labels = figures | own_figures, labels | own_labels
    places = places_of(table, sources.get("customers"), orders, own_labels.get("origin_region"))
    labels = places.labels | labels
    promised = _instants(table, "promised_at", orders)
    weather = sources.get("weather")
    return Orders(
        events=events,
        statuses=statuses,
        placed_at=orders.placed_at,
        known_at=orders.known_at,
        completed_at=orders.completed_at,
        completion_known_at=orders.completion_known_at,
        cancelled_at=orders.cancelled_at,
        promised_at=promised,
        due_at=due_at(promised, options.timezone),
        numbers=figures,
        labels={name: label.codes for name, label in labels.items()},
        label_names={name: label.names for name, label in labels.items()},
        origin_latitude=places.origin_latitude,
        origin_longitude=places.origin_longitude,
        destination_latitude=places.destination_latitude,
        destination_longitude=places.destination_longitude,
        distance_km=places.distance_km,
        holidays=known_ahead(sources.get("calendar"), options.country, orders.placed_at),
        weather=None if weather is None or not len(weather) else Weather.from_arrow(weather),
        timezone=options.timezone,
        stages=_stages(options, statuses),
    )


def _contents(
    sources: Mapping[str, pa.Table], table: pa.Table, orders: Records
) -> tuple[dict[str, np.ndarray], dict[str, Labels]]:
    """Numbers and labels of what orders hold. The source is believed where it knows the value of an order."""
    value = np.full(len(orders.row), np.nan)
    if present(table, ["value"]):
        value = sensible(numbers(table["value"])[orders.row])
    lines = sources.get("order_lines")
    if lines is None or not len(lines):
        return {"value": value}, {}
    figures, category = baskets(lines, sources.get("items"), orders)
    figures["value"] = np.where(np.isnan(value), figures["value"], value)
    return figures, {"category": category}


def _features(
    table: pa.Table, orders: Records, names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], dict[str, Labels]]:
    """Extra columns of orders: numbers and flags, and texts."""
    figures: dict[str, np.ndarray] = {}
    texts: dict[str, Labels] = {}
    for name in names:
        if name in TAKEN:
            raise ConfigurationError(
                f"{name!r} in features is a column that plays a part already, or a name of the task's own.",
                remedy="Leave it out of features.",
            )
        if name not in table.column_names:
            raise ConfigurationError(
                f"source 'orders' has no column {name!r}.",
                remedy=f"Name columns of orders in features; it has {', '.join(table.column_names)}.",
            )
        kind = table[name].type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            raise ConfigurationError(f"{name!r} in features holds dates.", remedy="Name numbers, flags or texts.")
        if is_text(kind) or pa.types.is_null(kind):
            texts[name] = labelled(text_of(table, name)[orders.row])
        else:
            figures[name] = sensible(numbers(table[name])[orders.row])
    return figures, texts


def _instants(table: pa.Table, column: str, orders: Records) -> np.ndarray:
    if not present(table, [column]):
        return np.full(len(orders.row), NEVER)
    return arrow_instants(table[column])[orders.row]


def _stages(options: CompletionOptions, statuses: np.ndarray) -> tuple[str, ...]:
    """The statuses at which orders are forecast."""
    known = [str(status) for status in statuses]
    unknown = [stage for stage in options.stages if stage not in known]
    if unknown and len(known) > 1:
        log.warning(
            "No event has the status %s, which `stages` names; there are %s.", ", ".join(unknown), ", ".join(known)
        )
    if not options.stages:
        return tuple(known)
    return tuple(stage for stage in options.stages if stage in known) or (PLACED,)

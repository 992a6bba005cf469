"""What the canonical sources and columns are called elsewhere, as phrases of concepts (see `vocabulary`).

A phrase fits a name that holds all of its concepts. What else the name holds counts against it, unless it is one of
the concepts that are `at_home` there; what is `against` it says that it is something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from forecasting.app.looking.names import Words

Phrase = tuple[frozenset[str], float]


@dataclass(frozen=True)
class Meaning:
    """What a name may say to mean a thing. `phrases`: (concepts, how clearly they say it)."""

    phrases: tuple[Phrase, ...]
    at_home: frozenset[str] = frozenset()
    against: frozenset[str] = frozenset()

    def fits(self, words: Words, *, strange: float = 0.7, other: float = 0.55) -> float:
        """How well a name says it, in [0, 1]. `strange` and `other`: what is left of that with an unknown word more,
        and with a known one that stands for something else."""
        return max((self._fit(words, *phrase, strange, other) for phrase in self.phrases), default=0.0)

    def _fit(self, words: Words, concepts: frozenset[str], score: float, strange: float, other: float) -> float:
        left, clearest = list(words), 1.0
        for concept in sorted(concepts):
            best = max(left, key=lambda word: word.means(concept), default=None)
            if best is None or not best.means(concept):
                return 0.0
            clearest = min(clearest, best.means(concept))
            left.remove(best)
        for word in left:
            if "" in word.meanings or any(concept in self.at_home for concept in word.meanings):
                continue
            if any(concept in self.against for concept in word.meanings):
                score *= 0.15
            elif "NUMERAL" in word.meanings:
                score *= 0.9
            else:
                score *= other if word.meanings else strange
        return clearest * score


def _meaning(phrases: str, at_home: str = "", against: str = "") -> Meaning:
    """ "ORDER ID, ID .9": phrases with their scores, 1 where none is given."""
    found = []
    for text in phrases.split(","):
        parts = text.split()
        score = float(parts.pop()) if parts[-1][0] in ".0123456789" else 1.0
        found.append((frozenset(part for part in parts if part != "NOTHING"), score))
    return Meaning(tuple(found), frozenset(at_home.split()), frozenset(against.split()))


_PEOPLE = "CUSTOMER SHIPTO OTHER_ADDRESS"

TABLES: Mapping[str, Meaning] = {
    "customers": _meaning("CUSTOMER", "LOCATION", "ORDER LINE EMPLOYEE"),
    "items": _meaning("ITEM", "LOCATION", "ORDER CART STOCK LINE CATEGORY EVENT"),
    "locations": _meaning("LOCATION", against="STOCK ITEM ORDER CUSTOMER"),
    "interactions": _meaning(
        "CLICK, EVENT .85, EVENT CLICK, EVENT CUSTOMER .9, EVENT SESSION .95, ITEM CLICK, CLICK SESSION",
        "CUSTOMER ITEM SESSION KIND HISTORY",
        "ORDER CALENDAR",
    ),
    "orders": _meaning(
        "ORDER",
        "ORDER CUSTOMER LOCATION",
        "LINE ITEM SUPPLIER RETURNED CART STATUS HISTORY PAYMENT SHIPMENT SHIPPED COST STOCK",
    ),
    "order_events": _meaning(
        "ORDER STATUS HISTORY, ORDER EVENT, ORDER HISTORY, ORDER STATUS EVENT, STATUS HISTORY .8, ORDER STATUS .6, "
        "SHIPMENT EVENT .6",
        "ORDER EVENT UPDATED",
        "LINE ITEM CART RETURNED PAYMENT",
    ),
    "order_lines": _meaning(
        "ORDER LINE, ORDER ITEM, LINE .7, ORDER ITEM LINE, ITEM LINE",
        "ORDER ITEM LOCATION",
        "CART RETURNED SHIPMENT SHIPPED STATUS HISTORY",
    ),
    "sales": _meaning("TIME ORDER, ORDER ITEM TIME, ORDER .6", "ORDER ITEM LOCATION DAYS", "LINE STATUS HISTORY CART"),
    "stock": _meaning(
        "STOCK, STOCK OBSERVED, STOCK HISTORY .9", "STOCK OBSERVED QTY ITEM LOCATION ON_HAND", "PRICE COST"
    ),
    "supply": _meaning("SUPPLY, SUPPLIER ITEM .85, LEAD", "SUPPLIER ITEM TIME"),
    "calendar": _meaning("CALENDAR, CALENDAR EVENT, CALENDAR TIME", "CALENDAR TIME", "CUSTOMER EMPLOYEE"),
    "weather": _meaning("WEATHER, WEATHER TIME, WEATHER HISTORY", "WEATHER TIME DAYS HISTORY REGION"),
}

_HAS_TIME = "TIME UTC"
_ITEM_ID = _meaning(
    "ITEM ID, SKU .85, ITEM .75", "ITEM", "LINE ORDER TITLE CATEGORY STOCK CART KIND PRICE BRAND QTY TIME"
)
_CUSTOMER_ID = _meaning(
    "CUSTOMER ID, CUSTOMER .6", "CUSTOMER", "TITLE ORDER TIME SIGNUP SESSION STATUS KIND REGION LOCATION QTY DISCOUNT"
)
_ORDER_ID = _meaning(
    "ORDER ID, ORDER .6", "ORDER", "LINE ITEM STATUS TIME TOTAL KIND TITLE CUSTOMER CART HISTORY QTY PRICE"
)
_LOCATION_ID = _meaning("LOCATION ID, LOCATION .8, SELLER ID .6", "LOCATION", "TITLE SUPPLIER REGION TIME")
_REGION = _meaning("REGION", "REGION CUSTOMER LOCATION SELLER", "CITY INVOICED TIME")
_LATITUDE = _meaning("LATITUDE", "CUSTOMER LOCATION SELLER REGION")
_LONGITUDE = _meaning("LONGITUDE", "CUSTOMER LOCATION SELLER REGION")

COLUMNS: Mapping[str, Mapping[str, Meaning]] = {
    "customers": {
        "customer_id": _CUSTOMER_ID,
        "signed_up_at": _meaning("SIGNUP, CREATED .85", f"{_HAS_TIME} CUSTOMER"),
        "region": _REGION,
        "latitude": _LATITUDE,
        "longitude": _LONGITUDE,
    },
    "items": {
        "item_id": _ITEM_ID,
        "title": _meaning("TITLE", "ITEM TITLE", "CATEGORY BRAND SUPPLIER CUSTOMER LINE KIND UNIT TIME ID ORDER"),
        "category": _meaning("CATEGORY", "ITEM TITLE CATEGORY", "TIME PRICE"),
        "brand": _meaning("BRAND", "ITEM TITLE BRAND", "TIME PRICE"),
        "price": _meaning(
            "PRICE", "ITEM UNIT PLACED TOTAL ORDER INVOICED", "COST DISCOUNT TAX TIME KIND PROMOTION UPDATED"
        ),
        "weight": _meaning("WEIGHT", "ITEM UNIT", "TIME KIND"),
        "introduced_at": _meaning("INTRODUCED, CREATED .8", f"{_HAS_TIME} ITEM"),
    },
    "locations": {
        "location_id": _LOCATION_ID,
        "region": _REGION,
        "latitude": _LATITUDE,
        "longitude": _LONGITUDE,
    },
    "interactions": {
        "customer_id": _CUSTOMER_ID,
        "session_id": _meaning("SESSION ID, SESSION .85", "SESSION", "TIME QTY"),
        "item_id": _ITEM_ID,
        "kind": _meaning("KIND", "KIND EVENT TITLE CLICK", "TIME ID ITEM CUSTOMER"),
        "occurred_at": _meaning("EVENT TIME, TIME .9, CREATED .9, CLICK TIME", f"{_HAS_TIME} EVENT CLICK", "UPDATED"),
    },
    "orders": {
        "order_id": _ORDER_ID,
        "customer_id": _CUSTOMER_ID,
        "placed_at": _meaning(
            "PLACED, ORDER TIME .95, CREATED .88, TIME .7, PROCESSED .75",
            f"{_HAS_TIME} ORDER PLACED",
            "UPDATED SHIPPED DELIVERED DELIVERY PROMISED PAID APPROVED CANCELLED CLOSED",
        ),
        "promised_at": _meaning(
            "PROMISED, PROMISED DELIVERED, PROMISED DELIVERY, DELIVERY .6",
            f"{_HAS_TIME} ORDER DELIVERED DELIVERY",
            "SHIPPED PAYMENT UPDATED CANCELLED",
        ),
        "completed_at": _meaning(
            "DELIVERED, DELIVERY .75, DELIVERED CUSTOMER",
            f"{_HAS_TIME} ORDER DELIVERY CUSTOMER DELIVERED",
            "PROMISED SHIPPED UPDATED PAYMENT CANCELLED SELLER",
        ),
        "cancelled_at": _meaning("CANCELLED", f"{_HAS_TIME} ORDER", "ID"),
        "origin_id": _meaning("ORIGIN ID, LOCATION ID .65", "LOCATION ORIGIN", "SHIPTO TIME"),
        "origin_latitude": _meaning("ORIGIN LATITUDE, LOCATION LATITUDE .7", "LOCATION ORIGIN"),
        "origin_longitude": _meaning("ORIGIN LONGITUDE, LOCATION LONGITUDE .7", "LOCATION ORIGIN"),
        "destination_region": _meaning(
            "SHIPTO REGION, SHIPPED REGION, DELIVERY REGION, REGION .75", "SHIPTO SHIPPED DELIVERY CUSTOMER ID REGION"
        ),
        "destination_latitude": _meaning(
            "SHIPTO LATITUDE, SHIPPED LATITUDE, DELIVERY LATITUDE, LATITUDE .75", "SHIPTO SHIPPED DELIVERY CUSTOMER"
        ),
        "destination_longitude": _meaning(
            "SHIPTO LONGITUDE, SHIPPED LONGITUDE, DELIVERY LONGITUDE, LONGITUDE .75", "SHIPTO SHIPPED DELIVERY CUSTOMER"
        ),
        "value": _meaning(
            "TOTAL, TOTAL PRICE, TOTAL PROMISED .95",
            "ORDER TOTAL PAID PRICE PLACED",
            "TAX SHIPPED DISCOUNT QTY ITEM LINE RETURNED FREIGHT ID COST CUSTOMER UNIT",
        ),
    },
    "order_events": {
        "order_id": _ORDER_ID,
        "status": _meaning(
            "STATUS, EVENT .85, KIND .7", "STATUS ORDER EVENT TITLE ID CREATED", "TIME CUSTOMER HISTORY PAYMENT LINE"
        ),
        "occurred_at": _meaning(
            "CREATED .9, TIME .85, EVENT TIME, STATUS TIME, UPDATED .7", f"{_HAS_TIME} EVENT STATUS ORDER", ""
        ),
    },
    "order_lines": {
        "order_id": _ORDER_ID,
        "item_id": _ITEM_ID,
        "quantity": _meaning(
            "QTY, ORDER QTY, PLACED QTY",
            "ITEM LINE PLACED ORDER UNIT",
            "RETURNED CANCELLED SHIPPED INVOICED STOCK TAX DISCOUNT PRICE COST TOTAL DELIVERED",
        ),
        "unit_price": _meaning(
            "UNIT PRICE, PRICE .9", "UNIT ITEM LINE ORDER PLACED", "TOTAL DISCOUNT COST TAX QTY TIME KIND SHIPPED LINES"
        ),
        "location_id": _LOCATION_ID,
    },
    "sales": {
        "item_id": _ITEM_ID,
        "location_id": _LOCATION_ID,
        "date": _meaning("TIME, ORDER TIME", "ORDER TIME", "UPDATED CREATED"),
        "quantity": _meaning("QTY, ORDER QTY, ORDER .8", "ORDER ITEM UNIT PLACED", "RETURNED STOCK PRICE TIME"),
        "price": _meaning("PRICE, UNIT PRICE", "ITEM UNIT ORDER", "TOTAL DISCOUNT COST TIME"),
        "promotion": _meaning("PROMOTION"),
        "in_stock": _meaning("IN_STOCK"),
    },
    "stock": {
        "item_id": _ITEM_ID,
        "location_id": _LOCATION_ID,
        "observed_at": _meaning("OBSERVED, TIME .85, OBSERVED TIME, UPDATED .65", f"{_HAS_TIME} STOCK", "CREATED"),
        "on_hand": _meaning("ON_HAND, QTY .85, ON_HAND QTY", "STOCK ITEM UNIT", "ON_ORDER PRICE COST STATUS TIME ID"),
        "on_order": _meaning("ON_ORDER", "QTY UNIT", "TIME"),
    },
    "supply": {
        "item_id": _ITEM_ID,
        "location_id": _LOCATION_ID,
        "lead_time_days": _meaning("LEAD, LEAD TIME, LEAD DAYS", "TIME DAYS SUPPLIER"),
        "unit_cost": _meaning("COST, UNIT COST", "UNIT ITEM", "TIME KIND"),
    },
    "calendar": {
        "date": _meaning("TIME, CALENDAR TIME", "CALENDAR EVENT", "UPDATED CREATED"),
        "event": _meaning("EVENT, CALENDAR, TITLE .8", "CALENDAR TITLE EVENT", "TIME ID KIND"),
        "region": _REGION,
        "kind": _meaning("KIND", "CALENDAR EVENT", "ID TIME"),
    },
    "weather": {
        "date": _meaning("TIME, WEATHER TIME, OBSERVED TIME", "WEATHER", "UPDATED CREATED"),
        "location_id": _LOCATION_ID,
        "region": _REGION,
        "temperature": _meaning("TEMPERATURE", "WEATHER", "LOW"),
        "precipitation": _meaning("RAIN", "WEATHER"),
        "condition": _meaning("CONDITION", "WEATHER"),
    },
}

OWN_ID = {"customers": "customer_id", "items": "item_id", "locations": "location_id", "orders": "order_id"}
"""The key of a source: elsewhere often called "id" alone, or whatever the primary key is."""

STAGES: Mapping[str, str] = {
    "APPROVED": "approved",
    "CONFIRMED": "confirmed",
    "PAID": "paid",
    "INVOICED": "invoiced",
    "PICKED": "picked",
    "PACKED": "packed",
    "SHIPPED": "shipped",
}
"""What happens to an order between its beginning and its end, and what that status is called here; in this order."""

STAGE = {
    concept: _meaning(
        f"{concept}, {concept} DELIVERED, {concept} DELIVERY" if concept == "SHIPPED" else concept,
        f"{_HAS_TIME} ORDER",
        "PROMISED UPDATED CANCELLED RETURNED ID QTY LOW PAYMENT",
    )
    for concept in STAGES
}
"""A timestamp of such a status in the row of its order."""

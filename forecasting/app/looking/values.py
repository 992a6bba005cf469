"""What a column holds, as far as its declared type and its first rows tell."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from db.catalogue import SeenColumn, SeenTable
from db.convert import convert
from forecasting.schema import Column, Kind

CLICKS: Mapping[str, tuple[str, ...]] = {
    "view": (
        "view", "views", "pageview", "page_view", "product_view", "productview", "detail_view", "view_item", "click",
        "detail", "impression_click", "item_view", "viewed", "product_viewed", "pdp_view", "viewed_product", "pv",
    ),
    "cart": (
        "cart", "add_to_cart", "addtocart", "basket", "add_to_basket", "cart_add", "added_to_cart", "product_added",
        "add", "addtobasket",
    ),
    "purchase": (
        "purchase", "purchased", "transaction", "buy", "order", "bought", "order_completed", "checkout_complete",
        "sale", "order_placed", "purchase_complete", "conversion",
    ),
}  # fmt: skip
"""Words of click logs for the three kinds of interactions."""

_READABLE = 0.98  # of the values that are there
_LONG = 200  # characters of text that is no name


@dataclass(frozen=True)
class Held:
    """A column's values in the first rows of its table. `rows`: how many there were. `empty`: share in [0, 1] without a
    value (null, or blank text). `distinct`: different values. `readable`: share of the values that are there which the
    suite can read as each kind. `length`: of the longest text. `future`: whether a time lies ahead of the wall clock.
    `words`: distinct short texts, as written, at most 50. `zoned`: text whose times carry an offset."""

    rows: int = 0
    empty: float = 0.0
    distinct: int = 0
    readable: Mapping[Kind, float] = None  # type: ignore[assignment]
    length: int = 0
    future: bool = False
    words: tuple[str, ...] = ()
    zoned: bool = False
    whole: bool = True
    epoch: int = 0

    @property
    def unique(self) -> bool:
        """Whether no value comes twice in rows enough to tell."""
        return self.distinct == round(self.rows * (1 - self.empty)) and self.distinct > 0


def held(column: SeenColumn, values: Sequence[Any], now: dt.datetime) -> Held:
    """Facts of a column's values; `now`: the wall clock, UTC."""
    there = [value for value in values if not _missing(value)]
    empty = 1 - len(there) / len(values) if values else 0.0
    if not there:
        return Held(len(values), empty, readable={})
    texts = [str(value) for value in there]
    array = _array(there)
    tried = [Kind.NUMBER, Kind.ID, *([Kind.TIMESTAMP] if _may_be_times(there) else [])]
    readable = {Kind.TIMESTAMP: 0.0} | {kind: _share(array, kind) for kind in tried}
    times = convert(array, Kind.TIMESTAMP)[0] if readable[Kind.TIMESTAMP] >= _READABLE else None
    latest = None if times is None else pa.compute.max(times).as_py()
    distinct = set(texts)
    return Held(
        len(values),
        empty,
        len(distinct),
        readable,
        max(map(len, texts)),
        latest is not None and latest > now + dt.timedelta(days=1),
        tuple(sorted(distinct)[:50]) if len(distinct) <= 50 and all(len(text) <= 40 for text in distinct) else (),
        any(isinstance(value, str) and _has_offset(value) for value in there[:50]),
        all(
            float(value).is_integer()
            for value in there
            if isinstance(value, float | Decimal) and np.isfinite(float(value))
        ),
        _epoch(there) if column.family == "integer" else 0,
    )


def suits(column: SeenColumn, found: Held | None, wanted: Column) -> float:
    """How well declared type and values suit a canonical column, in [0, 1]; 0: it cannot be."""
    kind, family = wanted.kind, column.family
    found = found or Held(readable={})
    seen = found.distinct > 0
    if kind is Kind.ID:
        if family in ("timestamp", "date", "flag", "other") or (seen and found.length > _LONG):
            return 0.0
        if family == "number" and not (seen and found.whole):
            return 0.0
        return 1.0 if not seen or found.readable[Kind.ID] >= _READABLE else 0.0
    if kind is Kind.NUMBER:
        if family in ("integer", "number"):
            return 1.0
        return 0.9 if family == "text" and seen and found.readable[Kind.NUMBER] >= _READABLE else 0.0
    if kind in (Kind.TIMESTAMP, Kind.DATE):
        if family in ("timestamp", "date"):
            return 1.0 if not seen or found.readable[Kind.TIMESTAMP] >= 0.9 else 0.3
        if family in ("text", "integer") and seen and found.readable[Kind.TIMESTAMP] >= _READABLE:
            return 1.0 if family == "text" else 0.8
        return 0.8 if kind is Kind.TIMESTAMP and seen and found.epoch else 0.0
    if kind is Kind.TEXT:
        if family in ("integer", "uuid"):
            return 0.8
        return 1.0 if family == "text" and not (seen and found.length > 4 * _LONG) else 0.0
    if kind is Kind.FLAG:
        return 1.0 if family in ("flag", "integer") else 0.0
    return 1.0


def clicks_in(words: Sequence[str]) -> dict[str, str]:
    """Their words for a view, a cart and a purchase -> ours, of those that occur."""
    ours = {word: kind for kind, known in CLICKS.items() for word in known}
    return {word: ours[_plain(word)] for word in words if _plain(word) in ours}


def facts(table: SeenTable, rows: Mapping[str, Sequence[Any]] | None, now: dt.datetime) -> dict[str, Held]:
    """`held` of every column of a sampled table."""
    if rows is None:
        return {}
    return {column.name: held(column, rows[column.name], now) for column in table.columns}


def _may_be_times(values: Sequence[Any]) -> bool:
    """Whether it is worth the trouble to read them as times: the first few begin like a date, or are of another type
    than text and integers."""
    return any(not isinstance(one, str | int) or re.match(r"\s*\d{4}-?\d\d-?\d\d", str(one)) for one in values[:10])


def _epoch(values: Sequence[Any]) -> int:
    """Seconds or milliseconds since 1970, of times between 2001 and 2065."""
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) < len(values):
        return 0
    return next((unit for unit in (1, 1000) if min(numbers) >= 1e9 * unit and max(numbers) <= 3e9 * unit), 0)


def _plain(word: str) -> str:
    return "_".join(word.lower().replace("-", " ").replace("_", " ").split())


def _missing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and np.isnan(value))
    )


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([str(value) for value in values], pa.string())


def _share(array: pa.Array, kind: Kind) -> float:
    try:
        values, bad = convert(array, kind)
    except (pa.ArrowException, ValueError, OverflowError):
        return 0.0
    return 1 - (0 if bad is None else int(bad.sum())) / len(values)


def _has_offset(text: str) -> bool:
    return (
        text.endswith(("Z", "UTC"))
        or (len(text) > 16 and text[-6:-5] in "+-" and text[-3] == ":")
        or text[-3:-2] == "+"
    )

"""Facts about customers in words that CRM reads, a whole column of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.churn.facts import LATELY, MONTH, YEAR, Facts

Text: TypeAlias = "pa.Array | str"

_MONTH_DAYS, _YEAR_DAYS = 30.44, 365.25
_MUCH = 1.5
"""So many times more is more, or less."""


def in_words(fact: str, told: Facts, raises: np.ndarray) -> pa.Array:
    """A fact about each of m cases, string [m]. `raises` bool [m]: whether it raises the probability of leaving there;
    words judge (only, less than before) in its sense alone."""
    return _WORDS[fact](told, raises) if fact in _WORDS else _extra(fact, told)


def join(*parts: Text) -> pa.Array:
    """The parts of each text one after the other, string [m]."""
    return pc.binary_join_element_wise(*parts, "")


def choose(*cases: tuple[np.ndarray, Text], otherwise: Text) -> pa.Array:
    """The words of the first condition that holds, string [m]."""
    for where, words in reversed(cases):
        otherwise = pc.if_else(pa.array(where), words, otherwise)
    return otherwise


def _recency(told: Facts, raises: np.ndarray) -> pa.Array:
    gap, when = _whole(told.usual_gap), _ago(told, told.last_at)
    often = choose((gap == 1, "day"), otherwise=_count(gap, "day"))
    return choose(
        (told.orders == 1, join("bought once, ", when)),
        (gap > 0, join("usually buys every ", often, ", last order ", when)),
        otherwise=join("last order ", when),
    )


def _rhythm(told: Facts, raises: np.ndarray) -> pa.Array:
    gap = _whole(told.usual_gap)
    return choose(
        (gap > 0, join("usually ", _count(gap, "day"), " between orders")),
        (told.orders == 1, "no second order yet"),
        otherwise="all orders on one day",
    )


def _frequency(told: Facts, raises: np.ndarray) -> pa.Array:
    only = choose((raises & (told.orders <= 3), "only "), otherwise="")
    return join(only, _count(told.orders, "order"), " so far")


def _trend(told: Facts, raises: np.ndarray) -> pa.Array:
    only = choose((raises & (told.lately > 0) & (told.lately < told.before), "only "), otherwise="")
    lately = join(only, _count(told.lately, "order"), f" in the last {LATELY} days")
    before = choose((told.before == 0, "none"), otherwise=pa.array(told.before).cast(pa.string()))
    compared = told.ago(told.first_at) > LATELY  # newer customers have nothing to compare with
    return choose((compared, join(lately, ", ", before, f" in the {LATELY} before")), otherwise=lately)


def _tenure(told: Facts, raises: np.ndarray) -> pa.Array:
    days = told.ago(told.first_at)
    months, years = (np.round(days / unit).astype(np.int64) for unit in (_MONTH_DAYS, _YEAR_DAYS))
    first, once = join("first order ", _ago(told, told.first_at)), told.orders == 1
    return choose(
        (once & raises, join(first, ", none since")),  # all that BG/NBD knows of who bought once
        (once | (days < 2 * _MONTH_DAYS), first),
        (days < 2 * _YEAR_DAYS, join("customer for ", _count(months, "month"))),
        otherwise=join("customer for ", _count(years, "year")),
    )


def _value(told: Facts, raises: np.ndarray) -> pa.Array:
    last, usual, spent = told.value_last, told.value_usual, told.spent
    both = join("last order ", _number(last), ", usually ", _number(usual))
    return choose(
        (np.isnan(last), "value of orders unknown"),
        (raises & (last < usual / _MUCH), join("spends less than before: ", both)),
        (~raises & (last > usual * _MUCH), join("spends more than before: ", both)),
        ((told.orders == 1) | np.isnan(spent), join("last order ", _number(last))),
        otherwise=join("spent ", _number(spent), f" in the last {told.value_days} days"),
    )


def _basket(told: Facts, raises: np.ndarray) -> pa.Array:
    items, units = _whole(told.items), _whole(told.units)
    usually = choose((told.orders > 1, "usually "), otherwise="")
    return choose(
        (items > 0, join(usually, _count(items, "item"), " an order")),
        (units > 0, join(usually, _count(units, "piece"), " an order")),
        otherwise="contents of orders unknown",
    )


def _returns(told: Facts, raises: np.ndarray) -> pa.Array:
    when = _ago(told, told.returned_at)
    return choose(
        (np.isnat(told.returned_at), "nothing returned"),
        (told.returns_year < 2, join("returned something ", when)),
        otherwise=join(_count(told.returns_year, "return"), f" in the last {YEAR} days, the last ", when),
    )


def _visits(told: Facts, raises: np.ndarray) -> pa.Array:
    when = _ago(told, told.visited_at)
    return choose(
        (np.isnat(told.visited_at), "no visit known"),
        (told.visits_month == 0, join("last visit ", when)),
        otherwise=join(_count(told.visits_month, "visit"), f" in the last {MONTH} days, the last ", when),
    )


def _region(told: Facts, raises: np.ndarray) -> pa.Array:
    return _named("region", told.region)


def _category(told: Facts, raises: np.ndarray) -> pa.Array:
    return _named("last bought", told.category)


def _extra(name: str, told: Facts) -> pa.Array:
    values = told.extra[name]
    if pa.types.is_floating(values.type):
        numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
        values = pc.if_else(values.is_valid(), _number(numbers), None)
    return _named(name, values)


_WORDS: Mapping[str, Callable[[Facts, np.ndarray], pa.Array]] = {
    "recency": _recency,
    "rhythm": _rhythm,
    "frequency": _frequency,
    "trend": _trend,
    "tenure": _tenure,
    "value": _value,
    "basket": _basket,
    "returns": _returns,
    "visits": _visits,
    "region": _region,
    "category": _category,
}
"""All facts but the features of the options."""


def _count(number: np.ndarray, noun: str) -> pa.Array:
    """'no order', '1 order', '12 orders'."""
    digits = choose((number == 0, "no"), otherwise=pa.array(number).cast(pa.string()))
    return join(digits, choose((number < 2, f" {noun}"), otherwise=f" {noun}s"))


def _ago(told: Facts, at: np.ndarray) -> pa.Array:
    days = told.ago(at)
    return choose((days == 0, "today"), (days == 1, "yesterday"), otherwise=join(_count(days, "day"), " ago"))


def _whole(values: np.ndarray) -> np.ndarray:
    """Rounded, int64: 0 where unknown, else at least 1."""
    return np.where(np.isnan(values), 0, np.maximum(np.round(np.nan_to_num(values)), 1)).astype(np.int64)


def _number(values: np.ndarray) -> pa.Array:
    """Numbers as text, whole from 10 on, else with two decimals at most; of no meaning where unknown."""
    known = np.clip(np.nan_to_num(values), -1e15, 1e15)
    whole = (np.abs(known) >= 10) | (known == np.round(known))
    text = pa.array(np.round(known).astype(np.int64)).cast(pa.string())
    return choose((whole, text), otherwise=pa.array(np.round(known, 2)).cast(pa.string()))


def _named(what: str, values: pa.Array) -> pa.Array:
    return choose((values.is_valid(), join(f"{what}: ", pc.fill_null(values, ""))), otherwise=f"{what} unknown")

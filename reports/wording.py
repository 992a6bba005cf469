"""Numbers, dates and reasons in plain words: one voice for the page, the charts and the workbook."""

from __future__ import annotations

import math
from datetime import date, datetime

LIKELY = 0.5
"""A chance at which the page says "likely"; the colours and the filter use the same bound."""

UNKNOWN = "–"


def number(value: float | None, *, digits: int | None = None) -> str:
    """`12,345`; one decimal below ten unless `digits` says otherwise; a dash where unknown."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if digits is None:
        digits = 1 if abs(value) < 10 and abs(value - round(value)) >= 0.05 else 0
    text = f"{value:,.{digits}f}".replace("-", "−")
    return text.lstrip("−") if not any(digit in text for digit in "123456789") else text


def percent(share: float | None) -> str:
    """`82%`. A forecast is never certain: "under 1%" and "over 99%" are the ends."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    if share < 0.01:
        return "under 1%"
    if share > 0.99:
        return "over 99%"
    return f"{share:.0%}"


def part(share: float | None) -> str:
    """A share that was counted: `12%`, `3.1%`, `0%` for none at all."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    if 0 < share < 0.0005:
        return "under 0.1%"
    return "0%" if share == 0 else f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def times(ratio: float) -> str:
    """How many times as much: `3 times`, `1.6 times`, `over 100 times`."""
    if ratio > 100:
        return "over 100 times"
    return f"{number(ratio, digits=0 if ratio >= 9.5 or abs(ratio - round(ratio)) < 0.05 else 1)} times"


def odds(share: float) -> str:
    """How often the rest happens: .95 gives "1 time in 20"."""
    rest = 1 - share
    return "hardly ever" if rest < 0.001 else f"1 time in {round(1 / rest)}"


def money(value: float | None, currency: str) -> str:
    """An amount with its sign in front, whole above a hundred."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{currency}{number(value, digits=0 if abs(value) >= 100 else 2)}"


def count(value: float, one: str, many: str | None = None) -> str:
    """`1 item`, `12 items`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def day(value: date, *, year: bool = False, weekday: bool = False) -> str:
    """`15 Sep`, with weekday and year where asked for."""
    text = f"{value.day} {value:%b}"
    return f"{f'{value:%a} ' if weekday else ''}{text}{f' {value.year}' if year else ''}"


def long_day(value: date) -> str:
    """`Saturday 10 September 2011`."""
    return f"{value:%A} {value.day} {value:%B} {value.year}"


def instant(value: datetime) -> str:
    """`10 Sep 2011, 06:12 UTC`."""
    return f"{day(value, year=True)}, {value:%H:%M} UTC"


def days_away(value: date, today: date) -> str:
    """`today`, `tomorrow`, `in 5 days`."""
    days = (value - today).days
    return {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(
        days, f"in {days} days" if days > 0 else f"{-days} days ago"
    )


def days(value: float) -> str:
    """A lead time: `7 days`, `1 day`, `2.5 days`."""
    return count(round(value, 1), "day")


def change(new: float, old: float) -> str:
    """How `new` compares with `old`: `12% more`, `4% less`, `the same`."""
    if old == 0:
        return "the same" if new == 0 else "more"
    share = new / old - 1
    if abs(share) < 0.005:
        return "the same"
    return f"{abs(share):.0%} {'more' if share > 0 else 'less'}"


def reason(
    *,
    on_hand: float | None,
    on_order: float | None,
    lead_time_days: float | None,
    usual: float | None,
    reorder_point: float | None,
) -> str:
    """Why an item is on the list, in one sentence.

    `usual` is the median demand over the lead time [units], `reorder_point` what a busy spell of that length takes.
    """
    span = None if lead_time_days is None else days(lead_time_days)
    meanwhile = f"in the {span} a delivery takes" if span else "before a delivery comes"
    if on_hand is None:
        return f"Reorder when stock falls to {number(reorder_point)}; about {number(usual)} sell {meanwhile}."
    coming = on_order or 0.0
    stock = "None left" if on_hand <= 0 else f"{number(on_hand)} in stock"
    if coming > 0:
        stock += f"{', ' if on_hand <= 0 else ' and '}{number(coming)} on the way"
    have = max(on_hand, 0) + coming
    enough = usual is not None and have >= usual
    if enough and on_hand > 0 and reorder_point is not None and have <= reorder_point:
        return (
            f"Enough for the usual {number(usual)} {meanwhile}, not for a busy spell of up to {number(reorder_point)}."
        )
    return f"{stock}; about {number(usual)} {'would' if on_hand <= 0 else 'will'} sell {meanwhile}."

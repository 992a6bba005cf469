"""Open orders in words that can be said to a customer: when to expect them, by how much they miss their promise."""

from __future__ import annotations

from datetime import datetime, timedelta

from reports import wording
from reports.local_time import LocalTime
from reports.open_orders import OpenOrder

_HOUR = timedelta(hours=1)
HOURS = 36
"""Promises with a time of day are missed by hours up to so many."""


def window(one: OpenOrder, local: LocalTime) -> str:
    """`between Thu 17 and Mon 21 Sep`, `today between 14:20 and 19:05`: eight orders of ten are complete in it."""
    first, last = local.day(one.p10), local.day(one.p90)
    if first == last:
        away = local.away(one.p10)
        when = away if away in ("today", "tomorrow") else f"on {local.said(one.p10)}"
        return f"{when} between {local.clock(one.p10)} and {local.clock(one.p90)}"
    begin = local.said(one.p10)
    if (first.year, first.month) == (last.year, last.month):
        begin = f"{first:%a} {first.day}"
    return f"between {begin} and {local.said(one.p90)}"


def tell(one: OpenOrder, local: LocalTime) -> str:
    """What to say to the customer."""
    text = f"Expect it {window(one, local)}."
    if one.due_at is None or one.likely_late:
        return f"Late already. {text}" if one.overdue else text
    return f"May still be in time. {text}"


def late_by(one: OpenOrder, at: datetime, local: LocalTime) -> str:
    """By how much the promise is missed by an order complete `at` (UTC), in days where a day was promised: `4 days`;
    empty where it is kept."""
    if one.promised_at is None or one.due_at is None or at <= one.due_at:
        return ""
    days = (local.day(at) - local.day(one.promised_at)).days
    if local.is_day(one.promised_at):
        return wording.count(days, "day")
    hours = (at - one.due_at) / _HOUR
    if hours < HOURS:
        return wording.count(round(hours), "hour") if hours >= 1 else "under an hour"
    return wording.count(round(hours / 24), "day")


def late(one: OpenOrder, local: LocalTime) -> tuple[str, str]:
    """By how much it is late in the middle of what is expected, and at worst (one in ten is later still)."""
    middle, worst = late_by(one, one.p50, local), late_by(one, one.p90, local)
    if not middle:
        return ("perhaps" if worst else "", f"up to {worst}" if worst else "")
    return middle, f"up to {worst}" if worst != middle else ""


def promise(one: OpenOrder, local: LocalTime) -> tuple[str, str]:
    """`Tue 15 Sep`, with a time of day where one was promised; and how far away that is."""
    if one.promised_at is None:
        return "", ""
    said = local.said(one.promised_at)
    if not local.is_day(one.promised_at):
        said += f", {local.clock(one.promised_at)}"
    return said, local.away(one.promised_at)


def since(at: datetime, local: LocalTime) -> str:
    """`since today, 08:20`, `since 9 Sep, 5 days`: how long an order has been where it is."""
    day = local.day(at)
    days = (local.today - day).days
    if days <= 0:
        return f"since {local.clock(at)}"
    return f"since {wording.day(day, year=day.year != local.today.year)}, {wording.days(days)}"


def way(origin: str | None, region: str | None) -> str:
    """`s-17 → North`, beneath an order's number."""
    if origin and region:
        return f"{origin} → {region}"
    return f"to {region}" if region else f"from {origin}" if origin else ""


def step(name: str) -> str:
    """A status as people write it."""
    return name.replace("_", " ")

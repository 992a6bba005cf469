"""The page of open orders in words and drawings: `draw_page` turns its view model into one HTML document."""

from __future__ import annotations

from collections.abc import Sequence

from reports import charts, order_words, wording
from reports.arrival_words import trust
from reports.drawing import draw
from reports.map import Map, draw_map
from reports.open_orders import FulfilmentPage, OpenOrder, Place, Route, Totals
from reports.subjects import maker

SLOWER = 1.1
"""A route counts as slower where its median grew at least by this factor."""

NAMED = 5
"""Places that the map's text alternative names."""


def draw_page(page: FulfilmentPage) -> str:
    """The page as one self-contained HTML document."""
    local = page.local
    return draw(
        "fulfilment.html",
        page=page,
        maker=maker(page.provenance),
        headline=_headline(page),
        summary=_summary(page),
        list_text=_list_text(page),
        regions=sorted({one.region for one in page.orders if one.region}),
        states=_states(page.orders),
        told=_told,
        way=order_words.way,
        step=order_words.step,
        tell=lambda one: order_words.tell(one, local),
        late=lambda one: order_words.late(one, local),
        promise=lambda one: order_words.promise(one, local),
        since=lambda at: order_words.since(at, local),
        bar=charts.bar,
        stalled_text=_stalled_text(page),
        routes_text=_routes_text(page),
        route=_route,
        compared=_compared,
        level=wording.part,
        map=_map(page.places),
        **trust(page),
    )


def _headline(page: FulfilmentPage) -> str:
    totals = page.totals
    if not totals.open:
        return "No order is open."
    if totals.tell:
        orders, late = wording.count(totals.tell, "order"), min(totals.overdue, totals.tell)
        if late == totals.tell:
            return f"{orders} {_are(totals.tell)} late."
        return f"{orders} {_are(totals.tell)} late or will be." if late else f"{orders} will be late."
    if page.promises:
        return "Every order should be in time." if totals.expected_late < 0.5 else "Nobody needs to be told today."
    return f"{wording.count(totals.open, 'order')} {_are(totals.open)} open."


def _summary(page: FulfilmentPage) -> str:
    totals = page.totals
    if not totals.open:
        return "Orders appear here once they are placed and until they are complete."
    text = ""
    if totals.tell:
        text = f"Tell {_whose(totals.tell)} today."
        if totals.before is not None:
            when = wording.day(page.local.read_on(totals.before), year=True)
            new = "All" if totals.new == totals.tell else wording.number(totals.new) if totals.new else "None"
            of_them = "" if totals.tell == 1 else " of them"
            if totals.tell == 1:
                text += f" The page of {when} did {'not ' if totals.new else ''}name it."
            else:
                text += f" {new}{of_them} {_are(totals.new or 1)} new since the page of {when}."
        text += " "
    if not page.promises:
        return f"{text}None of them has a promised time, so this page says when to expect them, not which are late."
    text += f"{wording.count(totals.open, 'order')} {_are(totals.open)} open"
    if totals.promised < totals.open:
        text += f", {wording.number(totals.promised)} with a promised time"
    text += f"; {_about(totals)} expected to miss {'it' if totals.promised == 1 else 'theirs'}."
    if totals.later:
        text += (
            f" {wording.number(totals.later)} more will likely miss a promise that is further away: there is still "
            "time to do something."
        )
    return text


def _about(totals: Totals) -> str:
    number = round(totals.expected_late)
    return f"about {wording.number(number)} {_are(number)}" if number else "hardly any is"


def _whose(number: int) -> str:
    return "its customer" if number == 1 else "their customers"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _list_text(page: FulfilmentPage) -> str:
    if not page.promises:
        shown = "The latest expected first." if page.totals.open > 1 else ""
        if len(page.orders) < page.totals.open:
            shown += f" {wording.number(len(page.orders))} of {wording.number(page.totals.open)}; all in the files."
        return shown
    order = "The nearest promise first"
    if page.totals.before is not None and page.totals.tell:
        order = "What is new first, then by the nearest promise"
    at_risk = page.totals.tell + page.totals.later
    if len(page.orders) < at_risk:
        return f"{order}. {wording.number(len(page.orders))} of {wording.number(at_risk)}; all of them in the files."
    return f"{order}; all open orders in the files."


def _states(orders: Sequence[OpenOrder]) -> list[tuple[str, str]]:
    """The filters that find anything."""
    words = {word for one in orders for word in one.state.split()}
    names = [("tell", "Not late yet"), ("overdue", "Late already"), ("new", "New"), ("later", "Promised for later")]
    return [name for name in names if name[0] in words]


def _told(one: OpenOrder) -> str:
    """What is marked beside an order's number."""
    return ", ".join(word for word, holds in (("new", one.new), ("late already", one.overdue)) if holds)


def _stalled_text(page: FulfilmentPage) -> str:
    totals = page.totals
    limit = wording.days(round(totals.limit_days or 0.0, 1))
    text = f"Open for more than {limit}: lost, or complete without anybody's telling. No time is said for them."
    if len(page.stalled) < totals.stalled:
        text += f" {wording.number(len(page.stalled))} of {wording.number(totals.stalled)}; all of them in the files."
    return text


def _routes_text(page: FulfilmentPage) -> str:
    slower = [one for one in page.routes if _is_slower(one)]
    if not slower:
        text = "No route became notably slower; the slowest come first."
    else:
        text = "Those that became slower first, the most orders times days at the top."
    if len(page.routes) < page.routes_known:
        text += f" {len(page.routes)} of {wording.number(page.routes_known)}; all of them in the files."
    return text


def _is_slower(one: Route) -> bool:
    return one.slower is not None and bool(one.before_days) and one.median_days >= SLOWER * one.before_days  # type: ignore[operator]


def _route(one: Route) -> str:
    return f"{one.origin or 'unknown'} → {one.destination or 'unknown'}"


def _compared(one: Route) -> tuple[str, bool]:
    """`2.5 days slower`, and whether it is worth a look."""
    if one.slower is None:
        return wording.UNKNOWN, False
    if abs(one.slower) < 0.05:
        return "the same", False
    return f"{wording.days(abs(one.slower))} {'slower' if one.slower > 0 else 'faster'}", _is_slower(one)


def _map(places: Sequence[Place]) -> Map | None:
    if not places:
        return None
    slowest = sorted(places, key=lambda place: (-place.days, place.name))[:NAMED]
    named = ", ".join(f"{place.name or 'unknown'} {wording.days(place.days)}" for place in slowest)
    fastest = min(places, key=lambda place: (place.days, place.name))
    return draw_map(
        places,
        f"Map of {wording.count(len(places), 'destination')}. Slowest lately: {named}. Fastest: "
        f"{fastest.name or 'unknown'} {wording.days(fastest.days)}.",
    )

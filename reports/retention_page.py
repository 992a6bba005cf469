"""CRM's page's words and drawings: `draw_page` turns its view model into one HTML document."""

from __future__ import annotations

from reports import charts, wording
from reports.at_risk import Customer, RetentionPage, Totals
from reports.drawing import draw
from reports.since import BandSince, LookBack, WarningsSince
from reports.subjects import maker
from reports.trust import trust

CALLS = 100
"""Up to so many calls a shop makes in a day."""

FIRST = 25
"""Customers that the page shows at once."""

SPREADS = 3.0
"""Standard deviations beyond which what happened is no accident."""


def draw_page(page: RetentionPage) -> str:
    """The page as one self-contained HTML document."""
    return draw(
        "retention.html",
        page=page,
        maker=maker(page.provenance),
        headline=_headline(page.totals),
        summary=_summary(page),
        list_text=_list_text(page),
        regions=sorted({one.region for one in page.customers if one.region}),
        valued=page.totals.value_at_risk is not None,
        facts=_facts,
        told=lambda one: _told(one, page),
        last_order=lambda one: _last_order(one, page),
        rhythm=_rhythm,
        bar=lambda one: charts.bar(one.probability),
        points=_points,
        back=[(one, _turned_out(one)) for one in page.back],
        band=_band_name,
        since=_since(page.since),
        **trust(page),
        level=wording.part,
    )


def _headline(totals: Totals) -> str:
    if not totals.watched:
        return "There is nobody to watch yet."
    if totals.waiting > CALLS:
        return f"{wording.count(totals.waiting, 'customer')} are worth a call."
    if totals.waiting:
        return f"Call {wording.count(totals.waiting, 'customer')} today."
    if totals.high:
        return f"{wording.count(totals.high, 'customer')} {_are(totals.high)} at high risk."
    return "No customer is at high risk today."


def _summary(page: RetentionPage) -> str:
    totals = page.totals
    if not totals.watched:
        return "Nobody has bought lately, as far as the data says. Customers appear here once they buy."
    within = f" in the last {wording.days(totals.active_days)}" if totals.active_days else " lately"
    text = f"{wording.count(totals.watched, 'customer')} who bought{within} {_are(totals.watched)} watched"
    risk = f"at high risk of buying nothing{_in_horizon(totals.horizon_days)}"
    if totals.watched == 1:
        text += f", and is {'' if totals.high else 'not '}{risk}."
    else:
        high = wording.number(totals.high) if totals.high else "None"
        text += f". {high} of them {_are(totals.high or 1)} {risk}."
    if totals.value_at_risk:
        money = wording.money(totals.value_at_risk, page.currency)
        yearly = totals.value_days in (365, 366)
        text += f" {money} of {'yearly sales' if yearly else 'what they spent lately'} is at risk"
        first = sum(one.value_at_risk or 0.0 for one in page.customers[:FIRST])
        if totals.watched > FIRST and first:
            text += f"; the first {FIRST} on the list stand for {wording.part(first / totals.value_at_risk)} of that"
        text += "."
    if totals.seen and not totals.waiting:
        text += " All warnings have been seen to."
    return text


def _in_horizon(days: int | None) -> str:
    return f" in the next {wording.days(days)}" if days else ""


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _list_text(page: RetentionPage) -> str:
    watched = page.totals.watched
    by = "value at risk" if page.totals.value_at_risk is not None else "chance of leaving"
    order = f"New warnings first, then by {by}." if page.totals.waiting else f"The largest {by} first."
    if len(page.customers) < watched:
        shown = wording.number(len(page.customers))
        return f"{order} {shown} of {wording.number(watched)}; all of them in the files."
    return f"{order} All {wording.number(watched)}." if watched > 1 else ""


def _facts(one: Customer) -> str:
    """`Kent · 12 orders`, beneath a customer's number."""
    return " · ".join(fact for fact in (one.region, wording.count(one.orders, "order")) if fact)


def _told(one: Customer, page: RetentionPage) -> str:
    """What was done about a customer's warning."""
    warning = one.warning
    if warning is None:
        return ""
    since = wording.day(warning.as_of, year=warning.as_of.year != page.today.year)
    if warning.waiting:
        return "new warning" if warning.as_of.date() == page.today else f"warning of {since}"
    by = f" by {warning.acknowledged_by}" if warning.acknowledged_by else ""
    at = warning.acknowledged_at
    when = f", {wording.day(at, year=at.year != page.today.year)}" if at else ""
    return f"seen to{by}{when}"


def _last_order(one: Customer, page: RetentionPage) -> str:
    return wording.days_away(one.last_purchase_at.date(), page.today)


def _rhythm(one: Customer) -> str:
    if one.orders == 1:
        return "the only one"
    if one.usual_gap_days is None:
        return "no rhythm yet"
    gap = round(one.usual_gap_days)
    return f"usually every {wording.days(gap) if gap > 1 else 'day'}"


def _points(effect: float | None) -> str:
    """`+18`: by how many points a reason moves the chance."""
    if effect is None:
        return ""
    text = wording.number(100 * abs(effect), digits=0)
    return "" if text == "0" else f"{'+' if effect > 0 else '−'}{text}"


def _band_name(name: str) -> str:
    return {"all": "Together"}.get(name) or f"{name.capitalize()} risk"


def _turned_out(back: LookBack) -> str:
    """What became of an earlier run's customers, held against what was said only where the time for it is over."""
    worst, mildest = back.bands[0], back.bands[-1]
    text = (
        f"Of the {wording.number(worst.customers)} at {worst.band} risk then, {wording.part(worst.quiet)} have bought "
        f"nothing in the {wording.days(round(back.days))} since"
    )
    if worst is not mildest:
        text += f"; of those at {mildest.band} risk {wording.part(mildest.quiet)}"
    every = back.together
    if not back.complete:
        text += f". The chances are about {wording.days(back.horizon_days)}, so more of them will still buy."
        if every.quiet < every.expected and _apart(every):
            text += " Already fewer are quiet than were expected to be in the end: the chances were too high."
        return text
    text += (
        f". All in all {wording.part(every.expected)} were expected to buy nothing, and {wording.part(every.quiet)} did"
    )
    if not _apart(every):
        return f"{text}, as close as chance allows."
    return f"{text}: the chances were too {'low' if every.quiet > every.expected else 'high'}."


def _apart(every: BandSince) -> bool:
    return abs(every.quiet - every.expected) > max(SPREADS * every.spread, 0.03)


def _since(since: WarningsSince | None) -> str:
    """What became of the last month's warnings."""
    if since is None:
        return ""
    when = wording.day(since.since, year=True)
    if not since.raised:
        return f"No warning has been raised since {when}."
    parts = [
        (since.bought, f"{'has' if since.bought == 1 else 'have'} bought since"),
        (since.seen, f"{'has' if since.seen == 1 else 'have'} been seen to"),
        (since.waiting, f"{'waits' if since.waiting == 1 else 'wait'} for somebody to see to them"),
        (since.by_hand, f"{'was' if since.by_hand == 1 else 'were'} closed by hand"),
        (since.lapsed, "left without buying"),
    ]
    said = [f"{wording.number(number)} {what}" for number, what in parts if number]
    those = " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]
    return f"Of {wording.count(since.raised, 'customer')} warned about since {when}, {those}."

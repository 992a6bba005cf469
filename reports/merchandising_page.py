"""The merchandisers' page's words and drawings: `draw_page` turns its view model into one HTML document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports import charts, wording
from reports.drawing import draw
from reports.shown import Coverage, MerchandisingPage, PastTrial, Person, ShownItem, Trials
from reports.subjects import maker, subject_name
from reports.tried import measured, subject_title, when_tried

SHOWN_FIRST = 6
"""Events and places of a person that are open at once; the others fold out."""

FIGURES = (
    ("recall", "Found", 3),
    ("hitrate", "Any found", 4),
    ("mrr", "Near the top", 5),
    ("ndcg", "Both together", 6),
    ("coverage", "Range used", 7),
    ("novelty", "Surprise", 8),
)
"""Metric, its heading, and the number of the note that explains it."""

SHARES = ("recall", "hitrate", "coverage")
DID = {"view": "Looked at", "cart": "Put in the cart", "purchase": "Bought"}
WITHHELD = {"not in items": "not in the catalogue"}
"""Reasons that need other words."""

GROUPS = {
    "cold": "Nothing known yet",
    "1": "After 1 action or order",
    "customer": "Customers",
    "session": "Visitors not logged in",
}


@dataclass(frozen=True)
class Crowd:
    """People of one kind under one heading; the first `open` of them are seen at once, the others fold out."""

    heading: str
    text: str
    people: list[Person]
    open: int


def draw_page(page: MerchandisingPage) -> str:
    """The page as one self-contained HTML document."""
    every = (*page.items, *page.over, *page.under)
    longest = max((max(item.shown, item.wanted) for item in every), default=1.0)
    return draw(
        "merchandising.html",
        page=page,
        maker=maker(page.provenance),
        headline=_headline(page.coverage),
        summary=_summary(page.coverage),
        withheld=_withheld(page.coverage),
        list_text=_list_text(page),
        categories=sorted({item.category for item in page.items if item.category}),
        pair=lambda item: charts.pair(item.shown, item.wanted, longest),
        remark=_remark,
        times=_times,
        crowds=_crowds(page.people),
        about=_about,
        did=lambda kind: DID.get(kind, kind),
        first=SHOWN_FIRST,
        facts=lambda item: _facts(item, page.currency),
        verdict=_verdict(page.trials) if page.trials else "",
        figures=measured(page.trials, FIGURES, f"@{page.trials.k}") if page.trials else (),
        figure=lambda one, metric: _figure(page.trials, one, metric),
        subject=subject_title,
        group=_group,
        when_tried=when_tried(page.trials, page.provenance),
        chart=_chart(page.past),
        in_100=_in_100,
    )


def _headline(coverage: Coverage) -> str:
    if not coverage.lists:
        return "Nobody is shown anything."
    items = wording.count(coverage.allowed, "item")
    verb = "is" if coverage.shown == 1 else "are"
    return f"{wording.number(coverage.shown)} of {items} {verb} shown to somebody."


def _summary(coverage: Coverage) -> str:
    if not coverage.lists:
        text = "There is no list in what was published last."
        if not coverage.items:
            text += " The shop has no items yet."
        elif not coverage.allowed:
            text += " No item may be shown."
        return text
    who = []
    if coverage.customers:
        who.append(wording.count(coverage.customers, "customer"))
    if coverage.sessions:
        who.append(wording.count(coverage.sessions, "visitor") + " not logged in")
    each = "gets" if coverage.lists == 1 else "each get"
    text = f"{' and '.join(who)} {each} a list of up to {wording.count(coverage.longest, 'item')}."
    if coverage.shown > 10:
        text += f" The ten items shown most take {wording.part(coverage.top_places)} of all places"
        if coverage.top_wanted:
            text += f"; the ten wanted most had {wording.part(coverage.top_wanted)} of what customers did lately"
        text += "."
    return text


def _withheld(coverage: Coverage) -> str:
    """`10 out of stock, 2 denied`; the reason alone where there is one."""
    named = {WITHHELD.get(reason, reason): count for reason, count in coverage.withheld.items()}
    if len(named) == 1:
        return next(iter(named))
    return ", ".join(f"{wording.number(count)} {reason}" for reason, count in named.items())


def _list_text(page: MerchandisingPage) -> str:
    if len(page.items) < page.coverage.items:
        shown, every = wording.number(len(page.items)), wording.number(page.coverage.items)
        return f"The {shown} shown or wanted most, of {every}; all of them in the files."
    return f"All {wording.number(page.coverage.items)}."


def _remark(item: ShownItem) -> str:
    """What to make of an item's two shares, in one sentence."""
    if item.withheld:
        return {
            "out of stock": "Out of stock, so it is not shown.",
            "denied": "On the list of what must not be shown.",
            "not in items": "Not in the catalogue, so it is not shown.",
        }.get(item.withheld, f"Not shown: {item.withheld}.")
    if not item.lists:
        return "Wanted, yet shown to nobody." if item.wanted else "Neither wanted lately nor shown."
    if not item.wanted:
        return "Shown, though nobody wanted it lately."
    if item.over:
        return f"Shown {wording.times(item.shown / item.wanted)} as much as it is wanted."
    if item.under:
        return f"Wanted {wording.times(item.wanted / item.shown)} as much as it is shown."
    return "Shown about as much as it is wanted."


def _facts(item: ShownItem, currency: str) -> str:
    """`85123A · Kitchen · £2.55`, beneath an item's name."""
    price = wording.money(item.price, currency) if item.price is not None else None
    return " · ".join(fact for fact in (item.item_id if item.title else None, item.category, price) if fact)


def _times(item: ShownItem) -> str:
    """The last cell of the short tables."""
    if item.withheld:
        return WITHHELD.get(item.withheld, item.withheld)
    if not item.lists:
        return "not shown"
    if not item.wanted:
        return "not wanted"
    more, less = max(item.shown, item.wanted), min(item.shown, item.wanted)
    return wording.times(more / less)


def _crowds(people: Sequence[Person]) -> list[Crowd]:
    known = [one for one in people if one.kind == "customer" and one.events]
    new = [one for one in people if one.kind == "customer" and not one.events]
    sessions = [one for one in people if one.kind != "customer"]
    crowds = [
        Crowd("Customers we know", "", known, 8),
        Crowd("New customers", "Nothing is known of them yet, so they see what is wanted most around them.", new, 2),
        Crowd("Visitors not logged in", "Only what they did in this one visit is known.", sessions, 4),
    ]
    return [crowd for crowd in crowds if crowd.people]


def _about(person: Person) -> str:
    """`London · 3 orders or visits`, beside a name."""
    parts = [person.region] if person.region else []
    if person.kind == "customer" and person.events > person.steps > 0:
        parts.append(f"{wording.count(person.events, 'action')} on {wording.count(person.steps, 'occasion')}")
    elif person.events:
        parts.append(wording.count(person.events, "action"))
    else:
        parts.append("no history")
    return " · ".join(parts)


def _verdict(trials: Trials) -> str:
    mine, other = trials.value("model", "recall"), trials.value(trials.rival, "recall")
    if mine is None:
        return "The trained model could not be tried on the past."
    text = (
        f"Of 100 items that customers wanted next, {_in_100(mine)} were among the {trials.k} "
        "that the trained model would have shown them."
    )
    if other is not None:
        ahead = "more than" if mine > other + 0.0005 else "fewer than" if mine < other - 0.0005 else "as many as"
        name = subject_name(trials.rival)
        text += f" That is {ahead} with the best simple rule, {name}: {_in_100(other)}."
    return text


def _in_100(share: float | None) -> str:
    return wording.UNKNOWN if share is None else wording.number(100 * share, digits=1 if share < 0.0995 else 0)


def _figure(trials: Trials | None, subject: str, metric: str) -> str:
    value = trials.value(subject, metric) if trials else None
    if value is None:
        return wording.UNKNOWN
    return wording.part(value) if metric in SHARES else f"{value:.3f}" if metric != "novelty" else f"{value:.1f}"


def _group(name: str) -> str:
    return GROUPS.get(name) or (f"After {name.replace('-', ' to ')} actions or orders" if name[:1].isdigit() else name)


def _chart(past: Sequence[PastTrial]) -> Markup:
    if len(past) < 2:
        return Markup("")
    first, last = past[0], past[-1]
    return charts.trials(
        past,
        f"Items found in trials, of 100, from {wording.day(first.as_of, year=True)} to "
        f"{wording.day(last.as_of, year=True)}: the trained model from {_in_100(first.model)} to "
        f"{_in_100(last.model)}, the best simple rule from {_in_100(first.rival)} to {_in_100(last.rival)}.",
    )

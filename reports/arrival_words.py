"""Words about whether windows and chances can be trusted: what became of the last ones, and figures of trials."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from reports import charts, curves, wording
from reports.arrived import MEANT, Group, LookBack, Promises
from reports.chances import Reliability
from reports.judged import Metrics
from reports.local_time import LocalTime
from reports.open_orders import FulfilmentPage
from reports.punctual import Alarm, FulfilmentTrials, Period
from reports.subjects import subject_name
from reports.tried import measured, subject_title, when_tried

FIGURES = (
    ("pinball", "All together", 5),
    ("mae", "Days off", 6),
    ("bias", "Too late by", 7),
    ("coverage80", "In the window", 8),
    ("width80", "Days wide", 9),
    ("late_auc", "Late in order", 10),
    ("late_brier", "Squared error", 11),
)
"""Metric, its heading, and the number of the note that explains it."""

SPREADS = 3.0
"""Standard deviations beyond which what happened is no accident."""

LEAST = 0.03
"""Shares closer than this are called the same."""


def trust(page: FulfilmentPage) -> dict[str, Any]:
    """What the page's template needs for its parts about the past."""
    trials, known = page.trials, page.trials.reliability if page.trials else None
    return {
        "turned_out": _turned_out(page.back, page.local) if page.back else "",
        "kept": _kept(page.back.promises) if page.back and page.back.promises else "",
        "verdict": _verdict(trials) if trials else "",
        "when_tried": when_tried(trials, page.provenance),
        "figures": measured(trials, FIGURES) if trials else (),
        "figure": lambda subject, metric: figure(trials.subjects if trials else {}, subject, metric),
        "subject": subject_title,
        "reliability": known,
        "reliability_text": _reliability(known) if known else "",
        "calibration": curves.calibration(known, "late", _calibration_label(known)) if known else "",
        "chart": _chart(page),
        "days_off": _days_off,
        "shift": shift,
    }


def alarm_warning(alarm: Alarm) -> str:
    """The warning that orders move faster or slower than usual."""
    way = alarm.change if alarm.change is not None else alarm.z
    more, pace = ("more", "faster") if (way or 0.0) > 0 else ("fewer", "slower")
    if way is None:
        return "In the week before, orders moved at another pace than usual. Take the times on this page with caution."
    much = f"{abs(alarm.change):.0%} {more}" if alarm.change is not None else f"{more}"
    return (
        f"In the week before, {much} orders were completed than could be expected of those open then: they move {pace} "
        "than usual. The times on this page follow such a change only little by little."
    )


def period_warning(period: Period) -> str:
    """The warning that windows were too narrow or too wide in the latest trial."""
    way = "narrow" if period.inside < MEANT else "wide"
    return (
        f"In the latest test that is over, from {wording.day(period.first, year=True)}, {wording.part(period.inside)} "
        f"of orders were complete within their window where {wording.part(MEANT)} should be: the windows on this page "
        f"may be too {way}."
    )


def figure(subjects: Metrics, subject: str, metric: str) -> str:
    """A cell of the table of trials."""
    value = subjects.get(subject, {}).get(metric)
    if value is None:
        return wording.UNKNOWN
    if metric == "coverage80":
        return wording.part(value)
    if metric == "late_auc":
        return wording.number(100 * value, digits=1)
    return wording.number(value, digits=3 if metric in ("pinball", "late_brier") else 2)


def shift(days: float | None) -> str:
    """`1.2 days later`: how what happened differs from what was said."""
    if days is None:
        return wording.UNKNOWN
    if abs(days) < 0.05:
        return "on time"
    return f"{_days_off(abs(days))} {'later' if days > 0 else 'earlier'}"


def _days_off(days: float | None) -> str:
    """`1.2 days`, `5 hours`."""
    if days is None:
        return wording.UNKNOWN
    if days < 1:
        return wording.count(round(24 * days), "hour") if days >= 1 / 48 else "under an hour"
    return wording.days(days)


def _turned_out(back: LookBack, local: LocalTime) -> str:
    """What became of an earlier run's orders, held against what was said."""
    every = back.every
    text = (
        f"Of {wording.count(every.orders, 'order')} open on {wording.day(local.read_on(back.as_of), year=True)}, "
        f"{wording.part(every.inside / every.orders)} were complete within the window said, where "
        f"{wording.part(MEANT)} should be; {wording.part(every.earlier / every.orders)} before it and "
        f"{wording.part(every.later / every.orders)} after it"
    )
    if every.undecided:
        one = every.undecided == 1
        text += (
            f". {wording.number(every.undecided)} {'is open while its' if one else 'are open while their'} window lasts"
        )
    text += f". {_judged(every)}"
    if back.gone:
        text += (
            f" {wording.number(back.gone)} more {'was' if back.gone == 1 else 'were'} cancelled since, or "
            f"{'is' if back.gone == 1 else 'are'} known no more."
        )
    return text


def _judged(every: Group) -> str:
    """Whether the windows were right. Until each is decided, all that is undecided may still fall into it."""
    if not every.decided:
        return "It is too early to say whether that was right."
    low, high = every.inside / every.orders, (every.inside + every.undecided) / every.orders
    room = max(SPREADS * math.sqrt(MEANT * (1 - MEANT) / every.orders), LEAST)
    if low > MEANT + room:
        return "The windows were wider than need be."
    if high >= MEANT - room:
        return "That is as close as chance allows." if not every.undecided else "That fits what was said."
    way = "late" if every.later > 2 * every.earlier else "early" if every.earlier > 2 * every.later else ""
    if way:
        return f"Orders took {'longer' if way == 'late' else 'less'} than said."
    return "The windows were too narrow."


def _kept(promises: Promises) -> str:
    """What was said of promises, held against what happened."""
    text = (
        f"{wording.count(promises.orders, 'promise')} fell due since: {wording.number(promises.expected, digits=0)} "
        f"{'was' if round(promises.expected) == 1 else 'were'} expected to be missed, {wording.number(promises.late)} "
        f"{'was' if promises.late == 1 else 'were'}."
    )
    if promises.named:
        text += (
            f" The page named {wording.number(promises.named)} of them as likely late, and "
            f"{wording.number(promises.named_late)} {'was' if promises.named_late == 1 else 'were'}"
        )
        if promises.late:
            text += f": {wording.part(promises.named_late / promises.late)} of all that came late"
        text += "."
    elif promises.late:
        text += " The page had named none of them as likely late."
    return text


def _verdict(trials: FulfilmentTrials) -> str:
    mine, other = trials.subjects.get("model", {}), trials.subjects.get(trials.rival or "", {})
    if "mae" not in mine:
        return "The trained model could not be tried on the past."
    text = f"In trials the trained model was {_days_off(mine['mae'])} off on average"
    if "mae" in other:
        text += f"; the best simple rule, {subject_name(trials.rival)}, was {_days_off(other['mae'])} off"
    text += "."
    if "coverage80" in mine:
        text += f" {wording.part(mine['coverage80'])} of orders were complete within its windows; 80% should be."
    return text


def _reliability(known: Reliability) -> str:
    return (
        f"In trials {wording.part(known.expected)} were expected to be late and {wording.part(known.rate)} were. Group "
        f"by group the chances were off by {wording.number(100 * known.off, digits=1)} points on average."
    )


def _calibration_label(known: Reliability) -> str:
    pairs = ", ".join(f"{wording.part(one.predicted)} said {wording.part(one.observed)} late" for one in known.bins)
    return f"Chances of being late said in trials and shares that were, by groups of equal size: {pairs}."


def _chart(page: FulfilmentPage) -> Markup:
    """Days off over the last runs."""
    past = [one for one in page.past if one.model is not None or one.rival is not None]
    if len(past) < 2:
        return Markup("")
    first, last = past[0], past[-1]
    return charts.trials(
        past,
        f"Days off in trials, from {wording.day(first.as_of, year=True)} to {wording.day(last.as_of, year=True)}: the "
        f"trained model from {_days_off(first.model)} to {_days_off(last.model)}, the best simple rule from "
        f"{_days_off(first.rival)} to {_days_off(last.rival)}.",
        scale=1.0,
    )

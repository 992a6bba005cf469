"""Words and drawings about whether chances of leaving can be trusted."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from reports import charts, curves, wording
from reports.at_risk import RetentionPage
from reports.chances import ChurnTrials, ClosedWindow, Reliability
from reports.shown import PastTrial
from reports.subjects import subject_name
from reports.tried import measured, subject_title, when_tried

FIGURES = (
    ("log_loss", "Both together", 5),
    ("auc", "In order", 6),
    ("ece", "Off by", 7),
    ("lift@10%", "First tenth", 8),
    ("brier", "Squared error", 9),
)
"""Metric, its heading, and the number of the note that explains it."""

CALLED = (0.1, 0.2, 0.3, 0.5)
"""Shares of customers called whose gains stand in the table."""


def trust(page: RetentionPage) -> dict[str, Any]:
    """What the page's template needs for its part about trials."""
    trials = page.trials
    known = trials.reliability if trials else None
    return {
        "verdict": _verdict(trials) if trials else "",
        "when_tried": when_tried(trials, page.provenance),
        "reliability": known,
        "reliability_text": _reliability(known) if known else "",
        "calibration": curves.calibration(known, "who left", _calibration_label(known)) if known else "",
        "gains_text": _gains_text(known) if known and known.gains else "",
        "gains": curves.gains(known.gains, _gains_label(known)) if known and known.gains else "",
        "called": _called(known) if known else [],
        "figures": measured(trials, FIGURES) if trials else (),
        "figure": lambda one, metric: _figure(page.trials, one, metric),
        "subject": subject_title,
        "chart": _chart(page),
        "in_100": _in_100,
    }


def disagreement(window: ClosedWindow, horizon_days: int | None) -> str:
    """The warning that what was said last and what happened are apart."""
    span = wording.days(horizon_days) if horizon_days else "the time"
    way = "low" if window.rate > window.expected else "high"
    return (
        f"In the latest test that is over, {span} from {wording.day(window.cutoff, year=True)}, "
        f"{wording.part(window.rate)} of customers left where {wording.part(window.expected)} were expected to. "
        f"The chances on this page may be too {way}; the order of the list suffers less from that."
    )


def _verdict(trials: ChurnTrials) -> str:
    mine, other = trials.subjects.get("model", {}), trials.subjects.get(trials.rival or "", {})
    if "auc" not in mine:
        return "The trained model could not be tried on the past."
    text = (
        f"Take one customer who left and one who stayed: in {_in_100(mine['auc'])} of 100 such pairs the trained model "
        "had given the one who left the higher chance."
    )
    if "auc" in other:
        text += f" With the best simple rule, {subject_name(trials.rival)}, it is {_in_100(other['auc'])}."
    return text


def _reliability(known: Reliability) -> str:
    off = wording.number(100 * known.off, digits=0 if known.off >= 0.0995 else 1)
    return (
        f"In trials {wording.part(known.expected)} were expected to leave and {wording.part(known.rate)} did. Group by "
        f"group the chances were off by {off} points on average."
    )


def _calibration_label(known: Reliability) -> str:
    pairs = ", ".join(f"{wording.part(one.predicted)} said {wording.part(one.observed)} left" for one in known.bins)
    return f"Chances said in trials and shares who left, by groups of equal size: {pairs}."


def _gains_text(known: Reliability) -> str:
    share, found = known.gains[1]
    return (
        f"Who calls the {wording.part(share)} most at risk reaches {wording.part(found)} of all who leave, "
        f"{wording.times(found / share)} as many as by calling at random."
    )


def _gains_label(known: Reliability) -> str:
    points = ", ".join(f"{wording.part(found)} by calling {wording.part(share)}" for share, found in known.gains[1:])
    return f"Share of leavers found in trials, those most at risk first: {points}."


def _called(known: Reliability) -> list[tuple[str, str, str]]:
    """Rows of the table beside: share called, share of leavers found, times as many as at random."""
    return [
        (wording.part(share), wording.part(found), wording.times(found / share))
        for share, found in known.gains[1:]
        if any(abs(share - one) < 0.001 for one in CALLED)
    ]


def _figure(trials: ChurnTrials | None, subject: str, metric: str) -> str:
    value = trials.subjects[subject].get(metric) if trials else None
    if value is None:
        return wording.UNKNOWN
    if metric == "auc":
        return _in_100(value)
    if metric == "ece":
        return f"{wording.number(100 * value, digits=1)} points"
    return f"{value:.1f} times" if metric.startswith("lift") else f"{value:.3f}"


def _in_100(share: float | None) -> str:
    return wording.UNKNOWN if share is None else wording.number(100 * share, digits=1)


def _chart(page: RetentionPage) -> Markup:
    """What was expected and what happened over the last runs: base rates drift and have seasons."""
    past = page.past
    if len(past) < 2:
        return Markup("")
    first, last = past[0], past[-1]
    return charts.trials(
        [PastTrial(one.as_of, one.expected, one.left, None, one.fallback) for one in past],
        f"Share of customers who left in trials, from {wording.day(first.as_of, year=True)} to "
        f"{wording.day(last.as_of, year=True)}: from {wording.part(first.left)} to {wording.part(last.left)}; expected "
        f"were {wording.part(first.expected)}, then {wording.part(last.expected)}.",
    )

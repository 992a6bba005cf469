"""Words of CRM's page that need no warehouse: headlines, what was said held against what happened, when it warns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from html_page import Page, sound

from reports.at_risk import RetentionPage, Totals
from reports.chances import Bin, ClosedWindow, Reliability
from reports.retention_page import draw_page
from reports.since import BandSince, LookBack
from reports.trust import disagreement
from reports.view import Provenance

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)


def drawn(directory: Path, totals: Totals, *back: LookBack) -> Page:
    page = RetentionPage("Customers at risk", Provenance("churn", "r", AS_OF, AS_OF), totals, (), back)
    path = directory / "page.html"
    path.write_text(draw_page(page), encoding="utf-8")
    return Page(path)


@pytest.mark.parametrize(
    ("totals", "said"),
    [
        (Totals({}), "There is nobody to watch yet. Nobody has bought lately"),
        (
            Totals({"high": 1}),
            "1 customer is at high risk. 1 customer who bought lately is watched, and is at",
        ),
        (
            Totals({"low": 1}),
            "No customer is at high risk today. 1 customer who bought lately is watched, and is not",
        ),
        (Totals({"low": 2}, 45), "None of them is at high risk of buying nothing in the next 45 days."),
        (Totals({"high": 2}, seen=1), "2 customers are at high risk."),
        (Totals({"high": 2}, seen=1), "All warnings have been seen to."),
        (Totals({"high": 9}, waiting=1), "Call 1 customer today."),
        (Totals({"high": 900}, waiting=101), "101 customers are worth a call."),
        (Totals({"low": 2}, value=90.0, value_at_risk=9.0), "9.00 of what they spent lately is at risk."),
    ],
)
def test_headlines(tmp_path: Path, totals: Totals, said: str) -> None:
    page = drawn(tmp_path, totals)
    assert said in page.text
    sound(page, "retention")


@pytest.mark.parametrize(
    ("chance", "days", "said"),
    [
        (0.7, 31, "Already fewer are quiet than were expected to be in the end: the chances were too high."),
        (0.2, 31, "The chances are about 90 days, so more of them will still buy. Can"),
        (0.51, 92, "All in all 51% were expected to buy nothing, and 50% did, as close as chance allows."),
        (0.2, 92, "All in all 20% were expected to buy nothing, and 50% did: the chances were too low."),
        (0.8, 92, "All in all 80% were expected to buy nothing, and 50% did: the chances were too high."),
    ],
)
def test_chances_are_held_against_what_happened_once_their_days_are_over(
    tmp_path: Path, chance: float, days: int, said: str
) -> None:
    bands = [BandSince("high", 50, 20, chance, 0.06), BandSince("low", 50, 30, chance, 0.06)]
    back = LookBack("r", AS_OF - timedelta(days=days), days, 90, bands)
    page = drawn(tmp_path, Totals({"low": 100}), back)
    assert "Of the 50 at high risk then, 60% have bought nothing" in page.text and said in page.text


def test_bands_together() -> None:
    bands = [BandSince("high", 30, 10, 0.8, 0.07), BandSince("low", 10, 8, 0.2, 0.12)]
    every = LookBack("r", AS_OF, 31, 90, bands).together
    assert (every.customers, every.bought, every.quiet) == (40, 18, pytest.approx(22 / 40))
    assert every.expected == pytest.approx((24 + 2) / 40)
    assert every.spread == pytest.approx(((0.07 * 30) ** 2 + (0.12 * 10) ** 2) ** 0.5 / 40)


@pytest.mark.parametrize(
    ("rate", "samples", "told"),
    [(0.38, 2787.0, "too high"), (0.55, 2787.0, "too low"), (0.45, 2787.0, ""), (0.38, 40.0, ""), (0.49, 1e6, "")],
)
def test_a_window_disagrees_where_it_is_no_accident_and_matters(rate: float, samples: float, told: str) -> None:
    window = ClosedWindow(date(2026, 6, 16), 0.47, rate, samples)
    assert window.disagrees == bool(told)
    assert told in disagreement(window, 90)


def test_gains_of_calling_those_most_at_risk_first() -> None:
    known = Reliability([Bin(0.1, 0.0), Bin(0.3, 0.2), Bin(0.5, 0.3), Bin(0.7, 0.5)], 400)
    called, found = zip(*known.gains, strict=True)
    assert called == pytest.approx((0, 0.25, 0.5, 0.75, 1)) and found == pytest.approx((0, 0.5, 0.8, 1, 1))
    assert known.off == pytest.approx((0.1 + 0.1 + 0.2 + 0.2) / 4)
    assert known.error(known.bins[-1]) == pytest.approx(0.05)
    assert Reliability([Bin(0.1, 0.0), Bin(0.3, 0.0)], 9).gains == []

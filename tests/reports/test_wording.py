"""The page's voice: numbers and reasons as an ops manager would say them."""

from __future__ import annotations

from datetime import date

import pytest

from reports import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.4, "1,234"), (2.44, "2.4"), (2.0, "2"), (-3.5, "−3.5"), (-0.01, "0"), (None, "–"), (float("nan"), "–")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.824, "82%"), (0.0004, "under 1%"), (0.9999, "over 99%"), (0.0, "under 1%"), (1.0, "over 99%"), (None, "–")],
)
def test_a_chance_is_never_certain(share: float | None, text: str) -> None:
    assert wording.percent(share) == text


def test_odds() -> None:
    assert wording.odds(0.95) == "1 time in 20"
    assert wording.odds(0.9) == "1 time in 10"
    assert wording.odds(1.0) == "hardly ever"


def test_dates_are_told_from_today() -> None:
    today = date(2026, 9, 14)
    said = [wording.days_away(date(2026, 9, day), today) for day in (13, 14, 15, 19)]
    assert said == ["yesterday", "today", "tomorrow", "in 5 days"]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ((10, 0, 7, 35, 55), "10 in stock; about 35 will sell in the 7 days a delivery takes."),
        ((10, 5, 7, 35, 55), "10 in stock and 5 on the way; about 35 will sell in the 7 days a delivery takes."),
        ((0, None, 1, 35, 55), "None left; about 35 would sell in the 1 day a delivery takes."),
        ((-2, 5, 7, 35, 55), "None left, 5 on the way; about 35 would sell in the 7 days a delivery takes."),
        (
            (40, 0, 7, 35, 55),
            "Enough for the usual 35 in the 7 days a delivery takes, not for a busy spell of up to 55.",
        ),
        ((None, None, 7, 35, 55), "Reorder when stock falls to 55; about 35 sell in the 7 days a delivery takes."),
        ((10, 0, None, None, None), "10 in stock; about – will sell before a delivery comes."),
    ],
)
def test_reasons(facts: tuple[float | None, ...], text: str) -> None:
    on_hand, on_order, lead_time, usual, level = facts
    said = wording.reason(
        on_hand=on_hand, on_order=on_order, lead_time_days=lead_time, usual=usual, reorder_point=level
    )
    assert said == text

"""Words and drawings of the page of open orders that need no warehouse: windows, lateness, zones, verdicts, the map."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import curves, order_words
from reports.arrival_words import _judged, alarm_warning, period_warning
from reports.arrived import Group
from reports.chances import Bin, Reliability
from reports.local_time import LocalTime
from reports.map import FRAME, draw_map
from reports.open_orders import OpenOrder, Place
from reports.punctual import Alarm, Period

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)
UTC_TIME = LocalTime.of({}, AS_OF)


def at(days: float) -> datetime:
    return AS_OF + timedelta(days=days)


def one(promise: float | None, p10: float, p50: float, p90: float, chance: float = 0.9) -> OpenOrder:
    promised = None if promise is None else at(promise)
    due = None if promised is None else UTC_TIME.due(promised)
    return OpenOrder("o", "s", at(-1), at(-2), at(p10), at(p50), at(p90), promised, due, chance)


@pytest.mark.parametrize(
    ("zone", "as_of", "today"),
    [
        (None, "2026-09-14T00:00", "2026-09-14"),
        ("Europe/Berlin", "2026-09-14T00:00", "2026-09-14"),
        ("America/Sao_Paulo", "2026-09-14T00:00", "2026-09-14"),  # still the 13th there, read on the next morning
        ("Asia/Tokyo", "2026-09-13T17:00", "2026-09-14"),
        ("nowhere", "2026-09-14T00:00", "2026-09-14"),
    ],
)
def test_the_day_on_which_a_page_is_read(zone: str | None, as_of: str, today: str) -> None:
    local = LocalTime.of({} if zone is None else {"timezone": zone}, datetime.fromisoformat(as_of).replace(tzinfo=UTC))
    assert local.today == date.fromisoformat(today)
    assert local.name == (zone if zone and "/" in zone else "UTC")


def test_a_promised_day_lasts_until_its_end_even_where_clocks_change_at_midnight() -> None:
    local = LocalTime.of({"timezone": "America/Sao_Paulo"}, datetime(2018, 11, 1, tzinfo=UTC))
    jump = datetime(2018, 11, 4, 3, tzinfo=UTC)  # 01:00, the first instant of a day without 00:00
    assert local.is_day(jump) and local.day(jump) == date(2018, 11, 4)
    assert local.due(jump) == datetime(2018, 11, 5, 2, tzinfo=UTC) - timedelta(microseconds=1)
    noon = jump + timedelta(hours=11)
    assert not local.is_day(noon) and local.due(noon) == noon


@pytest.mark.parametrize(
    ("order", "said", "late"),
    [
        (one(1, 3, 5, 7), "Expect it between Thu 17 and Mon 21 Sep.", ("4 days", "up to 6 days")),
        (one(1, 14, 16, 20), "Expect it between Mon 28 Sep and Sun 4 Oct.", ("15 days", "up to 19 days")),
        (one(1, 100, 120, 130), "Expect it between Wed 23 Dec and Fri 22 Jan 2027.", ("119 days", "up to 129 days")),
        (one(0.25, 0.3, 0.4, 0.9), "Expect it today between 07:12 and 21:36.", ("4 hours", "up to 16 hours")),
        (one(0.25, 1.3, 1.3, 1.3), "Expect it tomorrow between 07:12 and 07:12.", ("25 hours", "")),
        (one(0.25, 5.3, 5.3, 5.5), "Expect it on Sat 19 Sep between 07:12 and 12:00.", ("5 days", "")),
        (one(0.25, 0.26, 0.27, 0.5), "Expect it today between 06:14 and 12:00.", ("under an hour", "up to 6 hours")),
        (one(-3, 1, 2, 3, 1.0), "Late already. Expect it between Tue 15 and Thu 17 Sep.", ("5 days", "up to 6 days")),
        (one(2, 1, 2.5, 4, 0.3), "May still be in time. Expect it between Tue 15 and Fri 18 Sep.",
         ("perhaps", "up to 2 days")),
        (one(9, 1, 2, 3, 0.01), "May still be in time. Expect it between Tue 15 and Thu 17 Sep.", ("", "")),
        (one(None, 1, 2, 3), "Expect it between Tue 15 and Thu 17 Sep.", ("", "")),
    ],
)  # fmt: skip
def test_what_to_tell_a_customer(order: OpenOrder, said: str, late: tuple[str, str]) -> None:
    assert order_words.tell(order, UTC_TIME) == said
    assert order_words.late(order, UTC_TIME) == late


def test_promises_and_steps_in_words() -> None:
    assert order_words.promise(one(1, 1, 2, 3), UTC_TIME) == ("Tue 15 Sep", "tomorrow")
    assert order_words.promise(one(-300.5, 1, 2, 3), UTC_TIME) == ("Mon 17 Nov 2025, 12:00", "301 days ago")
    assert order_words.since(at(0.3), UTC_TIME) == "since 07:12"
    assert order_words.since(at(-4.5), UTC_TIME) == "since 9 Sep, 5 days"
    assert [order_words.way(*pair) for pair in (("a", "b"), ("a", None), (None, "b"), (None, None))] == [
        "a → b", "from a", "to b", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (Group("all", 100, 800, 100), "That is as close as chance allows."),
        (Group("all", 50, 900, 50), "The windows were wider than need be."),
        (Group("all", 150, 700, 150), "The windows were too narrow."),
        (Group("all", 50, 600, 350), "Orders took longer than said."),
        (Group("all", 350, 600, 50), "Orders took less than said."),
        (Group("all", 50, 650, 50, 250), "That fits what was said."),  # all that is undecided may fall into it
        (Group("all", 0, 3, 1), "That is as close as chance allows."),
        (Group("all", 0, 0, 0, 9), "It is too early to say whether that was right."),
    ],
)
def test_windows_are_judged_by_more_than_accident(group: Group, said: str) -> None:
    assert _judged(group) == said


@pytest.mark.parametrize(
    ("samples", "inside", "off"), [(2000, 0.8, False), (2000, 0.7, True), (2000, 0.9, True), (60, 0.7, False)]
)
def test_a_period_is_off_where_it_is_no_accident_and_matters(samples: float, inside: float, off: bool) -> None:
    period = Period(date(2026, 6, 1), samples, inside, 1.0, 0.0)
    assert period.off == off
    assert ("narrow" if inside < 0.8 else "wide") in period_warning(period)


def test_the_alarm_says_which_way() -> None:
    assert "35% fewer orders were completed" in alarm_warning(Alarm(True, -0.35, -6.0))
    assert "they move faster than usual" in alarm_warning(Alarm(True, 0.5, 6.0))
    assert "fewer orders were completed" in alarm_warning(Alarm(True, None, -6.0))
    assert "another pace" in alarm_warning(Alarm(True))


def test_small_chances_fill_their_chart() -> None:
    small = Reliability([Bin(0.01, 0.0), Bin(0.05, 0.06)], 4000)
    chart = ElementTree.fromstring(curves.calibration(small, "late", "c"))
    ends = [text.text for text in chart if text.tag == "text"]
    assert ends.count("12%") == 2 and "100%" not in ends
    assert max(float(dot.attrib["cx"]) for dot in chart if dot.tag == "circle") > 0.4 * curves.FRAME.width
    large = Reliability([Bin(0.1, 0.1), Bin(0.5, 0.6)], 4000)
    assert "100%" in curves.calibration(large, "late", "c")


PLACES = st.builds(
    Place,
    name=st.text(max_size=40).filter(
        lambda text: not re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", text)
    ),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    days=st.floats(0, 400),
    orders=st.integers(1, 10**6),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=30))
def test_any_places_give_a_well_formed_map_within_its_frame(places: list[Place]) -> None:
    found = draw_map(places, "<map>")
    root = ElementTree.fromstring(found.drawing)
    dots = [dot for dot in root if dot.tag == "circle"]
    assert len(dots) == len(places) and root.get("aria-label") == "<map>"
    for dot in dots:
        x, y, radius = (float(dot.attrib[name]) for name in ("cx", "cy", "r"))
        assert radius <= x <= FRAME.width - radius and radius <= y <= FRAME.height - radius
    shades = {int(dot.attrib["class"][-1]) for dot in dots}
    assert max(shades) < max(len(found.shades), 1)


def test_the_map_is_north_up_darker_where_slow_and_whole_across_the_date_line() -> None:
    places = [Place("Fiji", -18, 178, 9, 50), Place("Samoa", -14, -172, 3, 5), Place("Tonga", -21, -175, 6, 500)]
    dots = {dot[0].text.split(":")[0]: dot.attrib for dot in ElementTree.fromstring(draw_map(places, "m").drawing)
            if dot.tag == "circle"}  # fmt: skip
    x, y, radius = ({name: float(dot[key]) for name, dot in dots.items()} for key in ("cx", "cy", "r"))
    assert x["Fiji"] < x["Tonga"] < x["Samoa"] and x["Samoa"] - x["Fiji"] > 100
    assert y["Samoa"] < y["Fiji"] < y["Tonga"]
    assert radius["Samoa"] < radius["Fiji"] < radius["Tonga"]
    assert [dots[name]["class"][-1] for name in ("Samoa", "Tonga", "Fiji")] == sorted(
        dot["class"][-1] for dot in dots.values()
    )
    alone = draw_map([replace(places[0], days=2.0)], "m")
    assert alone.shades == ["2 days"]

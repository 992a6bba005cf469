"""Charts: what is drawn where, whatever the series looks like."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import charts
from reports.plot import round_values
from reports.view import Series

NUMBERS = st.one_of(st.just(float("nan")), st.floats(-5, 1e7, allow_nan=False))


def found(pattern: str, text: str) -> str:
    """The first group of the first match."""
    match = re.search(pattern, text)
    assert match is not None
    return match[1]


def series(sold: list[float], ahead: int = 28, *, top: float = 12.0, step: int = 1) -> Series:
    dates = np.datetime64("2026-09-14") - np.arange(len(sold), 0, -1) * step
    later = np.datetime64("2026-09-14") + np.arange(ahead) * step
    forecast = {name: np.full(ahead, value) for name, value in
                {"mean": top / 2, "p025": 0.0, "p10": top / 6, "p90": top * 0.8, "p975": top}.items()}  # fmt: skip
    return Series(dates, np.array(sold, float), np.ones(len(sold), bool), later, forecast)


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, max_size=90), st.sampled_from([0, 1, 6, 28]), st.sampled_from([1, 7, 30]), st.floats(0, 1e6))
def test_any_series_gives_a_well_formed_drawing_within_its_frame(
    sold: list[float], ahead: int, step: int, top: float
) -> None:
    if not sold and not ahead:
        return
    one = series(sold, ahead, top=top, step=step)
    for drawing, width, height in ((charts.fan(one, "c", "a"), 360, 168), (charts.spark(one, "a"), 150, 34)):
        root = ElementTree.fromstring(str(drawing))
        assert "nan" not in str(drawing) and "inf" not in str(drawing)
        for path in root.iter("path"):
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d", "")):
                assert -1 <= float(x) <= width + 1 and -1 <= float(y) <= height + 1


def test_a_label_cannot_leave_its_attribute() -> None:
    drawing = str(charts.fan(series([1.0]), 'x" onload="y', '"><script>alert(1)</script>'))
    assert "<script>" not in drawing and 'onload="' not in drawing
    assert ElementTree.fromstring(drawing).get("aria-label") == '"><script>alert(1)</script>'


def test_one_wholesale_order_does_not_flatten_the_rest() -> None:
    usual = [5.0] * 80
    cut = str(charts.fan(series([*usual, 5000.0, *usual]), "c", "a"))
    assert 'class="cut"' in cut and ">5,000<" in cut
    tallest = [float(y) for y in re.findall(r"V([\d.]+)", found(r'class="sold"[^>]*d="([^"]*)"', cut))]
    assert min(tallest) >= charts.TOP - 0.1  # the cut bar ends at the frame
    assert sorted(tallest)[1] < 120  # and the usual days can be seen
    assert 'class="cut"' not in str(charts.fan(series(usual), "c", "a"))


def test_the_forecast_is_drawn_after_the_line_of_today() -> None:
    drawing = str(charts.fan(series([3.0] * 84), "c", "a"))
    now = float(found(r'class="now" d="M([\d.]+)', drawing))
    bars = [float(x) for x in re.findall(r"M([\d.]+) 144V", drawing)]
    fan = [float(x) for x in re.findall(r"[ML]([\d.]+) ", found(r'class="likely" d="([^"]*)"', drawing))]
    assert len(bars) == 84 and max(bars) < now <= min(fan) + 0.11


def test_days_out_of_stock_and_unobserved_are_told_apart() -> None:
    one = series([3.0, float("nan"), 0.0, 4.0])
    gone = Series(one.dates, one.quantity, np.array([True, True, False, True]), one.ahead, one.forecast)
    assert 'class="gone"' in str(charts.fan(gone, "c", "a"))
    assert 'class="gone"' not in str(charts.fan(one, "c", "a"))
    assert str(charts.fan(one, "c", "a")).count("V") - str(charts.fan(one, "c", "a")).count("M0 0") >= 2


@pytest.mark.parametrize(("top", "ticks"), [(3, [0, 1, 2, 3]), (9, [0, 2, 4, 6, 8]), (560, [0, 250, 500]), (1, [0, 1])])
def test_axes_have_few_round_marks(top: float, ticks: list[float]) -> None:
    assert round_values(top) == ticks

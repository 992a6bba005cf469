"""Charts as inline SVG: past sales as bars, the forecast as a fan. Colours come from the page's style sheet.

Every chart is one small string without scripts or fonts of its own; text is escaped, numbers are rounded to tenths
of a pixel, and a title says in words what the picture shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from markupsafe import Markup

from reports import wording
from reports.plot import Frame, Plot, line, svg, x_axis, y_axis
from reports.shown import PastTrial
from reports.view import Series, Span

WIDTH, HEIGHT = 360, 168
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 14, 24
FAN = Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM)
SPARK = Frame(150, 34, 0, 0, 2, 1)
SUMS = Frame(400, HEIGHT, LEFT + 8, RIGHT, TOP, BOTTOM)
PAIR = Frame(120, 16, 0, 0, 0, 0)
CEILING_SHARE = 0.98
"""Bars above this share of the history, where far above the forecast too, are cut and marked: one wholesale order
must not flatten everything else."""


def fan(series: Series, identity: str, label: str, *, runs_out: date | None = None) -> Markup:
    """The large chart of one item: bars of history, two ranges and the expected value ahead, axes with few marks."""
    plot = Plot(_periods(series), _ceiling(series, CEILING_SHARE), FAN, nice=True)
    parts = [y_axis(plot), x_axis(plot), _fan(plot, series, outer=True)]
    parts += [_history(plot, series), _stockouts(plot, series), _cut_marks(plot, series)]
    if len(series.ahead):
        start = plot.x(series.ahead[:1])[0] - plot.step / 2
        parts.append(f'<path class="now" d="M{start:.1f} {TOP - 8}V{plot.floor}"/>')
    if runs_out is not None and len(series.ahead) and series.ahead[0] <= np.datetime64(runs_out) <= series.ahead[-1]:
        x = plot.x(np.array([runs_out], "datetime64[D]"))[0]
        anchor = "end" if x > WIDTH - 60 else "start"
        shift = -4 if anchor == "end" else 4
        parts.append(
            f'<path class="out" d="M{x:.1f} {TOP - 2}V{plot.floor}"/>'
            f'<text class="out" x="{x + shift:.1f}" y="{TOP - 3}" text-anchor="{anchor}">runs out</text>'
        )
    return svg(parts, FAN, "fan", label, identity)


def spark(series: Series, label: str, *, past: int = 42) -> Markup:
    """The small chart of a table row: the last `past` periods and the likely range ahead."""
    cut = Series(series.dates[-past:], series.quantity[-past:], series.in_stock[-past:], series.ahead, series.forecast)
    plot = Plot(_periods(cut), _ceiling(cut, 0.9), SPARK)
    return svg([_fan(plot, cut, outer=False), _history(plot, cut)], SPARK, "spark", label)


def expected_and_sold(daily: Sequence[Span], label: str) -> Markup:
    """Units of all items per period: bars sold, line expected."""
    dates = np.array([span.first for span in daily], "datetime64[D]")
    sold = np.array([span.sold for span in daily], float)
    expected = np.array([span.expected for span in daily], float)
    series = Series(dates, sold, np.ones(len(daily), bool), dates[:0], {})
    ceiling = max(_ceiling(series, CEILING_SHARE), float(expected.max(initial=0)))
    plot = Plot(dates, ceiling, SUMS, nice=True)
    drawn = line(plot.x(dates), plot.y(expected))
    parts = [y_axis(plot), x_axis(plot), _history(plot, series), f'<path class="mean" d="{drawn}"/>']
    return svg(parts, SUMS, "fan wide", label, "last-forecasts-chart")


def trials(past: Sequence[PastTrial], label: str, *, scale: float = 100.0) -> Markup:
    """A figure of the trials of the last runs, times `scale` (100 for shares, which are drawn in percent): one line for
    the model, one for the best rule."""
    dates = np.array([trial.as_of.replace(tzinfo=None) for trial in past], "datetime64[D]")
    drawn = []
    values = [scale * _numbers([getattr(trial, name) for trial in past]) for name in ("rival", "model")]
    plot = Plot(dates, max(float(np.nanmax([*values[0], *values[1], 1.0])), 1.0), SUMS, nice=True)
    for found, kind in zip(values, ("rule", "mean"), strict=True):
        there = np.isfinite(found)
        x, y = plot.x(dates[there]), plot.y(found[there])
        if len(x) > 1:
            drawn.append(f'<path class="{kind}" d="{line(x, y)}"/>')
        drawn += [f'<circle class="{kind}" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in zip(x, y, strict=True)]
    return svg([y_axis(plot), x_axis(plot), *drawn], SUMS, "fan wide", label, "trials-chart")


def pair(shown: float, wanted: float, longest: float) -> Markup:
    """Two bars, one above the other: what is shown, what is wanted. `longest` fills the width. Only for the eye: the
    numbers stand beside it."""
    bars = [
        f'<rect class="{kind}" y="{y}" width="{PAIR.width * min(max(share / (longest or 1.0), 0), 1):.1f}" height="6"/>'
        for share, kind, y in ((shown, "part", 1), (wanted, "rest", 9))
    ]
    return Markup(  # numbers alone
        f'<svg class="bars" viewBox="0 0 {PAIR.width} {PAIR.height}" aria-hidden="true">{"".join(bars)}</svg>'
    )


def bar(share: float | None) -> Markup:
    """A chance as a short bar, empty where unknown. Only for the eye: the number stands beside it."""
    if share is None or not math.isfinite(share):
        return Markup("")
    part = 64 * min(max(share, 0), 1)
    return Markup(  # numbers alone
        '<svg viewBox="0 0 64 4" aria-hidden="true"><rect class="track" width="64" height="4"/>'
        f'<rect class="part" width="{part:.1f}" height="4"/></svg>'
    )


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _periods(series: Series) -> np.ndarray:
    """The days on which the periods of past and forecast begin, datetime64[D]."""
    return np.concatenate([series.dates, series.ahead]).astype("datetime64[D]")


def _ceiling(series: Series, share: float) -> float:
    seen = series.quantity[np.isfinite(series.quantity)]
    tops = [float(values.max()) for values in series.forecast.values() if len(values)]
    ahead = max(tops, default=0.0)
    if not len(seen):
        return max(ahead, 1.0)
    usual = float(np.quantile(seen, share))
    top = float(seen.max())
    return max(ahead, top if top <= 2 * max(usual, ahead) else 1.25 * max(usual, ahead), 1.0)


def _fan(plot: Plot, series: Series, *, outer: bool) -> str:
    forecast, ahead = series.forecast, series.ahead
    if not len(ahead):
        return ""
    x = plot.x(ahead)
    bands = [("p025", "p975", "wide")] if outer else []
    bands.append(("p10", "p90", "likely"))
    parts = []
    for low, high, kind in bands:
        if low in forecast and high in forecast:
            parts.append(f'<path class="{kind}" d="{_band(plot, x, forecast[low], forecast[high])}"/>')
    if "mean" in forecast:
        parts.append(f'<path class="mean" d="{line(x, plot.y(forecast["mean"]))}"/>')
    return "".join(parts)


def _band(plot: Plot, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """A ribbon that is as wide as its periods, so that a single period ahead shows too."""
    edge = np.concatenate([[x[0] - plot.step / 2], x, [x[-1] + plot.step / 2]])
    top = plot.y(high)[np.r_[0, 0 : len(x), -1]]
    bottom = plot.y(low)[np.r_[0, 0 : len(x), -1]]
    return line(edge, top) + "L" + line(edge[::-1], bottom[::-1])[1:] + "Z"


def _history(plot: Plot, series: Series) -> str:
    sold = series.quantity
    shown = np.isfinite(sold) & (sold > 0)
    x, y = plot.x(series.dates[shown]), np.minimum(plot.y(sold[shown]), plot.floor - 0.7)
    bars = "".join(f"M{a:.1f} {plot.floor}V{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f'<path class="sold" stroke-width="{max(plot.step * 0.72, 0.6):.2f}" d="{bars or "M0 0"}"/>'


def _stockouts(plot: Plot, series: Series) -> str:
    x = plot.x(series.dates[~series.in_stock])
    if not len(x):
        return ""
    marks = "".join(f"M{a - plot.step / 2:.1f} {plot.floor + 2}h{plot.step:.1f}" for a in x.tolist())
    return f'<path class="gone" d="{marks}"/>'


def _cut_marks(plot: Plot, series: Series) -> str:
    sold = series.quantity
    cut = np.flatnonzero(np.nan_to_num(sold) > plot.ceiling * 1.001)
    if not len(cut):
        return ""
    x = plot.x(series.dates[cut])
    marks = "".join(f"M{a - 2.5:.1f} {plot.top + 3}l2.5 -4l2.5 4" for a in x.tolist())
    top = int(cut[np.argmax(sold[cut])])
    at = float(plot.x(series.dates[[top]])[0])
    # Before its arrow, so that it never meets the words "runs out", which stand in the future.
    anchor, place = ("end", at + 3) if at > plot.left + 40 else ("start", at - 3)
    return (
        f'<path class="cut" d="{marks}"/>'
        f'<text class="tick" x="{place:.1f}" y="{plot.top - 4}" text-anchor="{anchor}">'
        f"{wording.number(float(sold[top]))}</text>"
    )

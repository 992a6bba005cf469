"""Charts as inline SVG: past sales as bars, the forecast as a fan. Colours come from the page's style sheet.

Every chart is one small string without scripts or fonts of its own; text is escaped, numbers are rounded to tenths
of a pixel, and a title says in words what the picture shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from markupsafe import Markup, escape

from reports import wording
from reports.view import Series, Span

WIDTH, HEIGHT = 360, 168
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 14, 24
CEILING_SHARE = 0.98
"""Bars above this share of the history, where far above the forecast too, are cut and marked: one wholesale order
must not flatten everything else."""


def fan(series: Series, identity: str, label: str, *, runs_out: date | None = None) -> Markup:
    """The large chart of one item: bars of history, two ranges and the expected value ahead, axes with few marks."""
    plot = _Plot(series, WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, nice=True)
    parts = [_y_axis(plot), _x_axis(plot), _fan(plot, outer=True), _history(plot), _stockouts(plot), _cut_marks(plot)]
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
    return _svg(parts, WIDTH, HEIGHT, "fan", label, identity)


def spark(series: Series, label: str, *, past: int = 42) -> Markup:
    """The small chart of a table row: the last `past` periods and the likely range ahead."""
    cut = Series(series.dates[-past:], series.quantity[-past:], series.in_stock[-past:], series.ahead, series.forecast)
    plot = _Plot(cut, 150, 34, 0, 0, 2, 1, share=0.9)
    return _svg([_fan(plot, outer=False), _history(plot)], 150, 34, "spark", label)


def expected_and_sold(daily: Sequence[Span], label: str) -> Markup:
    """Units of all items per period: bars sold, line expected."""
    dates = np.array([span.first for span in daily], "datetime64[D]")
    sold = np.array([span.sold for span in daily], float)
    expected = np.array([span.expected for span in daily], float)
    series = Series(dates, sold, np.ones(len(daily), bool), dates[:0], {})
    plot = _Plot(series, 400, HEIGHT, LEFT + 8, RIGHT, TOP, BOTTOM, nice=True, at_least=float(expected.max(initial=0)))
    line = _line(plot.x(dates), plot.y(expected))
    parts = [_y_axis(plot), _x_axis(plot), _history(plot), f'<path class="mean" d="{line}"/>']
    return _svg(parts, 400, HEIGHT, "fan wide", label, "last-forecasts-chart")


class _Plot:
    """Scales of one chart: days to x, units to y."""

    def __init__(
        self,
        series: Series,
        width: int,
        height: int,
        left: int,
        right: int,
        top: int,
        bottom: int,
        *,
        nice: bool = False,
        at_least: float = 0.0,
        share: float = CEILING_SHARE,
    ):
        self.series = series
        self.dates = np.concatenate([series.dates, series.ahead]).astype("datetime64[D]")
        self.left, self.right, self.top, self.floor = left, width - right, top, height - bottom
        self.first = self.dates.min() if len(self.dates) else np.datetime64("1970-01-01")
        days = int((self.dates.max() - self.first).astype(int)) if len(self.dates) else 0
        gaps = np.diff(np.unique(self.dates)).astype(int)
        period = int(np.median(gaps)) if len(gaps) else 1
        self.scale = (self.right - self.left) / (days + period)
        self.step = self.scale * period
        self.ceiling = max(_ceiling(series, share), at_least)
        self.ticks: Sequence[float] = ()
        if nice:
            self.ticks = _ticks(self.ceiling)
            self.ceiling = max(self.ceiling, self.ticks[-1])

    def x(self, dates: np.ndarray) -> np.ndarray:
        """Middle of each period [px]."""
        return self.left + (dates.astype("datetime64[D]") - self.first).astype(float) * self.scale + self.step / 2

    def y(self, units: np.ndarray) -> np.ndarray:
        """Height of each quantity [px], cut at the ceiling."""
        share = np.clip(np.nan_to_num(units) / self.ceiling, 0, 1)
        return self.floor - share * (self.floor - self.top)


def _ceiling(series: Series, share: float) -> float:
    seen = series.quantity[np.isfinite(series.quantity)]
    tops = [float(values.max()) for values in series.forecast.values() if len(values)]
    ahead = max(tops, default=0.0)
    if not len(seen):
        return max(ahead, 1.0)
    usual = float(np.quantile(seen, share))
    top = float(seen.max())
    return max(ahead, top if top <= 2 * max(usual, ahead) else 1.25 * max(usual, ahead), 1.0)


def _ticks(ceiling: float) -> list[float]:
    """Zero and two or three round values up to about the ceiling."""
    size = 10 ** math.floor(math.log10(ceiling))
    steps = (size * factor for factor in (5, 2.5, 2, 1, 0.5, 0.25))
    step = max(next((step for step in steps if ceiling / step >= 2 and step % 1 == 0), 1.0), 1.0)
    return [step * index for index in range(int(ceiling / step) + 1)]


def _y_axis(plot: _Plot) -> str:
    ticks = np.array(plot.ticks)
    top = plot.ticks[-1]
    marks = [
        f'<path class="grid" d="M{plot.left} {y:.1f}H{plot.right}"/>'
        f'<text class="tick" x="{plot.left - 5}" y="{y + 4:.1f}" text-anchor="end">{_short(value, top)}</text>'
        for value, y in zip(plot.ticks, plot.y(ticks), strict=True)
    ]
    return "".join(marks)


def _short(value: float, top: float) -> str:
    return f"{value / 1000:g}k" if top >= 10_000 and value else f"{value:,g}"


def _x_axis(plot: _Plot) -> str:
    """First days of months, or of years where the chart is long; never two labels on top of each other."""
    if not len(plot.dates):
        return ""
    first, last = plot.first, plot.dates.max()
    if (last - first).astype(int) <= 45:
        return _x_weeks(plot)
    months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
    starts = months.astype("datetime64[D]")
    inside = (starts >= first) & (starts <= last)
    months, starts = months[inside], starts[inside]
    every = next((n for n in (1, 2, 3, 6, 12) if len(months) / n <= (plot.right - plot.left) / 52), 24)
    keep = (months.astype(int) % every) == 0
    parts = []
    for start, x in zip(starts[keep], plot.x(starts[keep]) - plot.step / 2, strict=True):
        when: date = start.item()
        text = f"{when:%b} {when.year}" if every >= 12 or when.month == 1 else f"{when:%b}"
        parts.append(f'<path class="notch" d="M{x:.1f} {plot.floor}v4"/>')
        if x < plot.right - 8:
            parts.append(f'<text class="tick" x="{x + 2:.1f}" y="{plot.floor + 15}">{text}</text>')
    return "".join(parts)


def _x_weeks(plot: _Plot) -> str:
    """Every seventh day by its date, for charts of a few weeks."""
    days = np.arange(plot.first, plot.dates.max() + 1, 7)
    return "".join(
        f'<path class="notch" d="M{x:.1f} {plot.floor}v4"/>'
        f'<text class="tick" x="{x:.1f}" y="{plot.floor + 15}" text-anchor="middle">{wording.day(when.item())}</text>'
        for when, x in zip(days, plot.x(days), strict=True)
    )


def _fan(plot: _Plot, *, outer: bool) -> str:
    forecast, ahead = plot.series.forecast, plot.series.ahead
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
        parts.append(f'<path class="mean" d="{_line(x, plot.y(forecast["mean"]))}"/>')
    return "".join(parts)


def _band(plot: _Plot, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """A ribbon that is as wide as its periods, so that a single period ahead shows too."""
    edge = np.concatenate([[x[0] - plot.step / 2], x, [x[-1] + plot.step / 2]])
    top = plot.y(high)[np.r_[0, 0 : len(x), -1]]
    bottom = plot.y(low)[np.r_[0, 0 : len(x), -1]]
    return _line(edge, top) + "L" + _line(edge[::-1], bottom[::-1])[1:] + "Z"


def _line(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _history(plot: _Plot) -> str:
    sold = plot.series.quantity
    shown = np.isfinite(sold) & (sold > 0)
    x, y = plot.x(plot.series.dates[shown]), np.minimum(plot.y(sold[shown]), plot.floor - 0.7)
    bars = "".join(f"M{a:.1f} {plot.floor}V{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f'<path class="sold" stroke-width="{max(plot.step * 0.72, 0.6):.2f}" d="{bars or "M0 0"}"/>'


def _stockouts(plot: _Plot) -> str:
    x = plot.x(plot.series.dates[~plot.series.in_stock])
    if not len(x):
        return ""
    marks = "".join(f"M{a - plot.step / 2:.1f} {plot.floor + 2}h{plot.step:.1f}" for a in x.tolist())
    return f'<path class="gone" d="{marks}"/>'


def _cut_marks(plot: _Plot) -> str:
    sold = plot.series.quantity
    cut = np.flatnonzero(np.nan_to_num(sold) > plot.ceiling * 1.001)
    if not len(cut):
        return ""
    x = plot.x(plot.series.dates[cut])
    marks = "".join(f"M{a - 2.5:.1f} {plot.top + 3}l2.5 -4l2.5 4" for a in x.tolist())
    top = int(cut[np.argmax(sold[cut])])
    at = float(plot.x(plot.series.dates[[top]])[0])
    # Before its arrow, so that it never meets the words "runs out", which stand in the future.
    anchor, place = ("end", at + 3) if at > plot.left + 40 else ("start", at - 3)
    return (
        f'<path class="cut" d="{marks}"/>'
        f'<text class="tick" x="{place:.1f}" y="{plot.top - 4}" text-anchor="{anchor}">'
        f"{wording.number(float(sold[top]))}</text>"
    )


def _svg(parts: Sequence[str], width: int, height: int, kind: str, label: str, identity: str = "") -> Markup:
    named = f' id="{escape(identity)}"' if identity else ""
    return Markup(  # the label is escaped here, all else is numbers
        f'<svg{named} class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )

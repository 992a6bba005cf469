"""Scales, axes and paths that all charts share: days to the right, quantities upward, one small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from markupsafe import Markup, escape

from reports import wording


@dataclass(frozen=True)
class Frame:
    """Size of a drawing and the margins around its plot [px]."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


class Plot:
    """Scales of one chart: days to x, quantities to y. `dates`: datetime64 [n], the middle of each period.

    With `nice`, the ceiling is raised to a round value and `ticks` holds the values to mark.
    """

    def __init__(self, dates: np.ndarray, ceiling: float, frame: Frame, *, nice: bool = False):
        self.dates = dates.astype("datetime64[D]")
        self.left, self.right = frame.left, frame.width - frame.right
        self.top, self.floor = frame.top, frame.height - frame.bottom
        self.first = self.dates.min() if len(self.dates) else np.datetime64("1970-01-01")
        days = int((self.dates.max() - self.first).astype(int)) if len(self.dates) else 0
        gaps = np.diff(np.unique(self.dates)).astype(int)
        period = int(np.median(gaps)) if len(gaps) else 1
        self.scale = (self.right - self.left) / (days + period)
        self.step = self.scale * period
        self.ceiling = ceiling
        self.ticks: Sequence[float] = ()
        if nice:
            self.ticks = round_values(self.ceiling)
            self.ceiling = max(self.ceiling, self.ticks[-1])

    def x(self, dates: np.ndarray) -> np.ndarray:
        """Middle of each period [px]."""
        return self.left + (dates.astype("datetime64[D]") - self.first).astype(float) * self.scale + self.step / 2

    def y(self, values: np.ndarray) -> np.ndarray:
        """Height of each quantity [px], cut at the ceiling."""
        share = np.clip(np.nan_to_num(values) / self.ceiling, 0, 1)
        return self.floor - share * (self.floor - self.top)


def round_values(ceiling: float) -> list[float]:
    """Zero and two or three round values up to about the ceiling."""
    size = 10 ** math.floor(math.log10(ceiling))
    steps = (size * factor for factor in (5, 2.5, 2, 1, 0.5, 0.25))
    step = max(next((step for step in steps if ceiling / step >= 2 and step % 1 == 0), 1.0), 1.0)
    return [step * index for index in range(int(ceiling / step) + 1)]


def y_axis(plot: Plot) -> str:
    """Faint lines across with their values."""
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


def x_axis(plot: Plot) -> str:
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


def _x_weeks(plot: Plot) -> str:
    """Every seventh day by its date, for charts of a few weeks."""
    days = np.arange(plot.first, plot.dates.max() + 1, 7)
    return "".join(
        f'<path class="notch" d="M{x:.1f} {plot.floor}v4"/>'
        f'<text class="tick" x="{x:.1f}" y="{plot.floor + 15}" text-anchor="middle">{wording.day(when.item())}</text>'
        for when, x in zip(days, plot.x(days), strict=True)
    )


def line(x: np.ndarray, y: np.ndarray) -> str:
    """The path through points."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def svg(parts: Sequence[str], frame: Frame, kind: str, label: str, identity: str = "") -> Markup:
    """The finished drawing; `label` says in words what it shows."""
    named = f' id="{escape(identity)}"' if identity else ""
    return Markup(  # the label is escaped here, all else is numbers
        f'<svg{named} class="{kind}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )

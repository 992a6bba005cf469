"""Charts of shares against shares: whether chances come true, and how many leavers a call list finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from reports.chances import Reliability
from reports.plot import Frame, line, svg

FRAME = Frame(400, 306, 42, 10, 26, 38)
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Marks on an axis, as shares of its end."""

ENDS = (0.12, 0.2, 0.4, 1.0)
"""Where axes may end: chances that are all small would else lie on one spot."""


def calibration(reliability: Reliability, happened: str, label: str) -> Markup:
    """What was said (across) beside what happened (up), one dot for each group, with the range in which chance alone
    puts it; on the dashed line both are the same. `happened` names the axis upward ("who left")."""
    said = np.array([one.predicted for one in reliability.bins])
    left = np.array([one.observed for one in reliability.bins])
    error = 2 * np.array([reliability.error(one) for one in reliability.bins])
    end = next((one for one in ENDS if max(said.max(), (left + error).max()) <= one), 1.0)
    x, low, high = _x(said / end), _y((left - error) / end), _y((left + error) / end)
    reach = "".join(f"M{a:.1f} {b:.1f}V{c:.1f}" for a, b, c in zip(x, low, high, strict=True))
    drawn = [f'<path class="reach" d="{reach}"/>', *_dots(x, _y(left / end))]
    return _square(["chance said", happened], drawn, label, "calibration-chart", end)


def gains(points: Sequence[tuple[float, float]], label: str) -> Markup:
    """Share of all leavers found (up) when so many customers are called (across), those most at risk first; the dashed
    line is calling at random."""
    called = np.array([one for one, _ in points])
    found = np.array([other for _, other in points])
    drawn = [f'<path class="mean" d="{line(_x(called), _y(found))}"/>', *_dots(_x(called[1:]), _y(found[1:]))]
    return _square(["customers called", "leavers among them"], drawn, label, "gains-chart")


def _square(names: Sequence[str], drawn: Sequence[str], label: str, identity: str, end: float = 1.0) -> Markup:
    """Both axes from 0% to `end`, the diagonal, and what is drawn on them."""
    ends = np.array([0.0, 1.0])
    parts = [*_axes(names[0], end), f'<path class="rule" d="{line(_x(ends), _y(ends))}"/>', *drawn]
    parts.append(f'<text class="tick" x="0" y="11">{names[1]}</text>')
    return svg(parts, FRAME, "fan wide", label, identity)


def _axes(across: str, end: float) -> list[str]:
    right, floor = FRAME.width - FRAME.right, FRAME.height - FRAME.bottom
    parts = []
    for tick, x, y in zip(TICKS, _x(np.array(TICKS)), _y(np.array(TICKS)), strict=True):
        text, anchor = f"{tick * end:.0%}", "end" if tick == 1 else "middle"
        parts += [
            f'<path class="grid" d="M{FRAME.left} {y:.1f}H{right}"/>',
            f'<text class="tick" x="{FRAME.left - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>',
            f'<path class="notch" d="M{x:.1f} {floor}v4"/>',
            f'<text class="tick" x="{x:.1f}" y="{floor + 16}" text-anchor="{anchor}">{text}</text>',
        ]
    parts.append(
        f'<text class="tick" x="{(FRAME.left + right) / 2:.1f}" y="{floor + 33}" text-anchor="middle">{across}</text>'
    )
    return parts


def _dots(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [f'<circle class="mean" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in zip(x, y, strict=True)]


def _x(shares: np.ndarray) -> np.ndarray:
    return FRAME.left + np.clip(shares, 0, 1) * (FRAME.width - FRAME.right - FRAME.left)


def _y(shares: np.ndarray) -> np.ndarray:
    floor = FRAME.height - FRAME.bottom
    return floor - np.clip(shares, 0, 1) * (floor - FRAME.top)

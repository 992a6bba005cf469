"""A small map as inline SVG: destinations by their coordinates, the slower the darker, the more orders the larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from reports import wording
from reports.open_orders import Place
from reports.plot import Frame, svg

FRAME = Frame(400, 340, 24, 24, 20, 20)
SMALLEST, LARGEST = 3.0, 17.0
"""Radius of a dot [px]; its area grows with the orders."""

SHADES = 4
LABELS = 7
"""Places named on the map: those with the most orders, as far as their names do not touch."""

LETTERS = 16
"""Letters of a name on the map."""


HIDDEN = 5.0
"""Dots up to this radius may stand behind a name [px]."""


@dataclass(frozen=True)
class _Box:
    """What a name or a dot takes up [px]."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: _Box) -> bool:
        """Whether both overlap."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True)
class Map:
    """The drawing, and its key: for each shade the days that it stands for, in words."""

    drawing: Markup
    shades: Sequence[str]


def draw_map(places: Sequence[Place], label: str) -> Map:
    """Places by longitude and latitude, in an equirectangular projection true to scale in the middle; where they lie on
    both sides of the date line, the map is cut elsewhere. `label` says in words what it shows."""
    x, y = _points(places)
    days = np.array([place.days for place in places])
    orders = np.array([place.orders for place in places], float)
    radius = np.maximum(LARGEST * np.sqrt(orders / orders.max()), SMALLEST)
    edges = np.unique(np.round(np.quantile(days, np.arange(1, SHADES) / SHADES), 1))
    edges = edges[edges < days.max()]
    shade = np.searchsorted(edges, days, side="left")
    parts = []
    for one in np.argsort(-orders, kind="stable"):  # small ones above large ones
        place = places[one]
        told = f"{place.name or 'Unknown'}: {_days(place.days)}, {wording.count(place.orders, 'order')}"
        parts.append(
            f'<circle class="place s{shade[one]}" cx="{x[one]:.1f}" cy="{y[one]:.1f}" r="{radius[one]:.1f}">'
            f"<title>{escape(told)}</title></circle>"
        )
    parts += _names(places, x, y, radius)
    return Map(svg(parts, FRAME, "fan wide map", label, "map"), _shades(edges, days))


def _points(places: Sequence[Place]) -> tuple[np.ndarray, np.ndarray]:
    """Where places are drawn [px]."""
    latitude = np.array([place.latitude for place in places])
    longitude = _unwrapped(np.array([place.longitude for place in places]))
    across = longitude * max(math.cos(math.radians(float(latitude.mean()))), 0.1)
    width, height = FRAME.width - FRAME.left - FRAME.right, FRAME.height - FRAME.top - FRAME.bottom
    scale = min(width / max(np.ptp(across), 1e-6), height / max(np.ptp(latitude), 1e-6))
    x = FRAME.left + width / 2 + (across - (across.min() + across.max()) / 2) * scale
    y = FRAME.top + height / 2 - (latitude - (latitude.min() + latitude.max()) / 2) * scale
    return x, y


def _unwrapped(longitude: np.ndarray) -> np.ndarray:
    """Longitudes from the far side of the widest gap on, so that neighbours across the date line stay neighbours."""
    around = np.sort(longitude % 360)
    gaps = np.diff(np.append(around, around[0] + 360))
    first = around[(int(np.argmax(gaps)) + 1) % len(around)]
    return first + (longitude - first) % 360


def _names(places: Sequence[Place], x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> list[str]:
    """Names beside the dots with the most orders, where they hide neither a name nor a large dot."""
    parts: list[str] = []
    taken = [_Box(a - r, b - r, a + r, b + r) for a, b, r in zip(x, y, radius, strict=True) if r > HIDDEN]
    for one in np.argsort([-place.orders for place in places], kind="stable"):
        name = places[one].name
        if not name or len(parts) == LABELS:
            continue
        text = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        length, gap = 6.5 * len(text), radius[one] + 3
        for start, at, anchor in ((x[one] + gap, x[one] + gap, "start"), (x[one] - gap - length, x[one] - gap, "end")):
            box = _Box(start, y[one] - 5, start + length, y[one] + 5)
            if box.left >= 0 and box.right <= FRAME.width and not any(box.touches(other) for other in taken):
                taken.append(box)
                parts.append(f'<text x="{at:.1f}" y="{y[one] + 4:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
                break
    return parts


def _shades(edges: np.ndarray, days: np.ndarray) -> list[str]:
    if not len(edges):
        return [_days(float(days[0]))]
    number = [wording.number(float(edge)) for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(number)]
    return [f"up to {number[0]}", *between, f"over {number[-1]} days"]


def _days(days: float) -> str:
    return wording.days(round(days, 1) if days < 10 else round(days))

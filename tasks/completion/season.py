"""What the calendar says at a cutoff: hour, weekday, and the holidays around it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecasting.features.local_time import wall_clock
from forecasting.features.time import Cycle, Events, days_around, harmonics
from forecasting.task import Cases
from tasks.completion.orders import Orders

CYCLES: tuple[Cycle, ...] = ("day", "week")
"""Not months and years: few of them have been seen, and what was special about each is learnt by heart. When an order
was placed adds nothing to how long ago that is."""

AHEAD_DAYS = (7, 14, 28)
LIMIT_DAYS = 30
"""Holidays further away than this are not looked at."""

_MONDAY = np.datetime64("1970-01-05", "D")


def season_figures(orders: Orders, cases: Cases) -> dict[str, np.ndarray]:
    """Figures [n] each: sines and cosines of CYCLES on the wall at the cutoff; and of holidays, for where the order
    goes, and again for where it comes from (`origin_...`): log(1 + days) since the last and to the next
    (`since_holiday`, `next_holiday`), days among the next 7, 14 and 28 that are holidays on Mondays to Fridays
    (`holidays_7`, ...)."""
    now = wall_clock(cases.cutoff, orders.timezone)
    found: dict[str, np.ndarray] = {}
    for cycle in CYCLES:
        waves = harmonics(now, cycle)
        found |= {f"{cycle}_sin": waves[:, 0], f"{cycle}_cos": waves[:, 1]}
    today = now.astype("datetime64[D]")
    for prefix, label in (("", "destination"), ("origin_", "origin_area")):
        found |= {f"{prefix}{name}": values for name, values in _holidays(orders, cases, today, label).items()}
    return found


def _holidays(orders: Orders, cases: Cases, today: np.ndarray, label: str) -> Mapping[str, np.ndarray]:
    """Holidays around `today` (datetime64[D] [n]) in the region of a label and everywhere."""
    names, codes = orders.label_names.get(label, np.empty(0, object)), orders.labels.get(label)
    own = set(orders.holidays.region) - {None}
    regions = [None, *sorted(own & set(names))]
    which = np.zeros(len(cases), np.int64)
    if codes is not None and len(regions) > 1:
        position = np.array([regions.index(name) if name in own else 0 for name in names] + [0])
        which = position[codes[cases.entity]]
    found = {name: np.zeros(len(cases)) for name in ("since_holiday", "next_holiday")}
    found |= {f"holidays_{days}": np.zeros(len(cases)) for days in AHEAD_DAYS}
    for place, region in enumerate(regions):  # only regions with holidays of their own: few
        mine = np.flatnonzero(which == place)
        if not len(mine):
            continue
        events: Events = orders.holidays.of_region(region)
        since, ahead = days_around(events, today[mine], LIMIT_DAYS)
        found["since_holiday"][mine], found["next_holiday"][mine] = np.log1p(since), np.log1p(ahead)
        days = np.unique(events.day.astype("datetime64[D]"))
        days = days[(days - _MONDAY).astype(np.int64) % 7 < 5]
        upto = np.searchsorted(days, today[mine], side="right")
        for span in AHEAD_DAYS:
            later = np.searchsorted(days, today[mine] + np.timedelta64(span, "D"), side="right")
            found[f"holidays_{span}"][mine] = later - upto
    return found

"""What the weather was lately where orders come from and where they go."""

from __future__ import annotations

import numpy as np

from forecasting.features.local_time import wall_clock
from forecasting.features.time import window_levels
from forecasting.task import Cases
from tasks.completion.orders import Orders

SPANS = (1, 3)
"""Days before that of the cutoff over which the weather is averaged."""


def weather_figures(orders: Orders, cases: Cases) -> dict[str, np.ndarray]:
    """Means of each number column of the weather over yesterday and the last three days, at the destination and at the
    origin, float64 [n] by name (`destination_precipitation_3`), NaN where unknown; no names where there is no weather.

    Days end where the orders' wall clock says so. A cutoff sees what was known of those days then, never a forecast.
    """
    if orders.weather is None:
        return {}
    today = wall_clock(cases.cutoff, orders.timezone).astype("datetime64[D]")
    days = today[:, None] - np.arange(SPANS[-1], 0, -1).astype("timedelta64[D]")
    found: dict[str, np.ndarray] = {}
    for place, by_location, by_region in (("destination", "", "destination"), ("origin", "origin", "origin_area")):
        locations, regions = _names(orders, cases, by_location), _names(orders, cases, by_region)
        for column in orders.weather.places.columns:
            values = orders.weather.at(column, locations, regions, days, cases.cutoff)
            means = window_levels(values, np.isfinite(values), SPANS)
            found |= {f"{place}_{column}_{span}": means[:, k] for k, span in enumerate(SPANS)}
    return found


def _names(orders: Orders, cases: Cases, label: str) -> np.ndarray:
    """The names of a label of each case, object [n]; None where unknown."""
    if label not in orders.labels:
        return np.full(len(cases), None, object)
    return np.append(orders.label_names[label], [None])[orders.labels[label][cases.entity]]

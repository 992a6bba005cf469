"""Days known ahead: public holidays of a country, and the shop's own calendar."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.clock import arrow_instants
from forecasting.columns import present
from forecasting.features.time import Events

_BEFORE, _AHEAD = np.timedelta64(400, "D"), np.timedelta64(800, "D")


def known_ahead(calendar: pa.Table | None, country: str, placed_at: np.ndarray) -> Events:
    """The events of the source `calendar` and the holidays of `country` (ISO 3166 code; "": none) around the orders.

    Rows of the calendar that became known only after their day had begun were not known ahead and are left out. Raises
    ConfigurationError for a country that the library `holidays` does not know.
    """
    none = np.empty(0, object)
    events = [Events(np.empty(0, "datetime64[D]"), none, none)]
    if calendar is not None and len(calendar):
        kept = pc.is_valid(calendar["date"])
        if present(calendar, ["known_at"]):
            late = arrow_instants(calendar["known_at"]) > arrow_instants(calendar["date"])  # NaT is after nothing
            kept = pc.and_(kept, pa.array(~late))
        events.append(Events.from_arrow(calendar.filter(kept)))
    if country:
        first, last = (placed_at.min(), placed_at.max()) if len(placed_at) else (np.datetime64("2000-01-01"),) * 2
        span = first.astype("datetime64[D]") - _BEFORE, last.astype("datetime64[D]") + _AHEAD
        events.append(Events.of_country(country, *span))
    day = np.concatenate([part.day for part in events])
    order = np.argsort(day, kind="stable")
    name, region = (np.concatenate([getattr(part, field) for part in events])[order] for field in ("name", "region"))
    return Events(day[order], name, region)

"""What series share: the calendar of their region and the weather where they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.clock import Grid, arrow_instants
from forecasting.columns import present
from tasks.demand.columns import find, labels, numbers
from tasks.demand.panel import Panel, accumulate, build
from tasks.demand.sales import Surroundings

CALENDAR_COLUMNS = 12
"""How many kinds, and how many events, of a calendar get a column of their own: the most frequent."""

SKIES = {
    "rain": ("rain", "drizzle", "shower", "wet"),
    "snow": ("snow", "sleet", "ice", "hail"),
    "clear": ("clear", "sun", "fair", "dry"),
    "storm": ("storm", "thunder", "gale", "hurricane"),
}
"""Words by which conditions are told apart: fixed, so that nothing is learnt from rows to come."""


def calendar(table: pa.Table, periods: Grid, region: np.ndarray) -> Surroundings:
    """The calendar as each series sees it, known ahead.

    `region`: object [S], the region of each series, None where unknown. An entry without a region holds everywhere.
    Columns: `calendar`, how many entries a period has; `calendar:kind:NAME` and `calendar:event:NAME`, how many of the
    most frequent kinds and events. An entry with a `known_at` outside of its own period counts from that instant on.
    """
    groups, row = _groups(region)
    period = periods.containing(arrow_instants(table["date"]))
    known = _known(table, periods, period, ahead=True)
    entry, group = np.arange(len(table)), np.full(len(table), -1)
    if present(table, ["region"]):
        codes, names = labels(table["region"])
        group = np.append(find(names, groups), -1)[codes]
        elsewhere = (codes >= 0) & (group < 0)
        group[codes < 0] = -1
        entry, group = entry[~elsewhere], group[~elsewhere]
    everywhere = entry[group < 0]
    entry = np.concatenate([entry[group >= 0], np.tile(everywhere, len(groups))])
    group = np.concatenate([group[group >= 0], np.repeat(np.arange(len(groups)), len(everywhere))])
    amounts = {"calendar": np.ones(len(entry))}
    for column in present(table, ["kind", "event"]):
        codes, names = labels(table[column])
        count = np.bincount(codes[codes >= 0], minlength=len(names))
        for code in sorted(range(len(names)), key=lambda code: (-count[code], names[code]))[:CALENDAR_COLUMNS]:
            amounts[f"calendar:{column}:{names[code]}"] = (codes[entry] == code).astype(np.float64)
    return Surroundings(_added(len(groups), group, period[entry], known[entry], amounts, periods, "ahead"), row, 0.0)


def weather(table: pa.Table, periods: Grid, location: np.ndarray, region: np.ndarray) -> Surroundings:
    """The weather where each series is, by location where the source says so, else by region, else everywhere's; known
    once its period is over.

    `location`, `region`: object [S]. Columns: `temperature` and `precipitation`, means over the period's rows, as far
    as the source has them; `weather:rain`, `snow`, `clear` and `storm`, shares of rows by `condition`.
    """
    period = periods.containing(arrow_instants(table["date"]))
    known = _known(table, periods, period, ahead=False)
    station = np.full(len(table), "", object)
    row = np.full(len(location), "", object)
    for prefix, column, own in (("r", "region", region), ("l", "location_id", location)):
        if not present(table, [column]):
            continue
        codes, names = labels(table[column])
        stations = np.append(np.array([f"{prefix}:{name}" for name in names], object), "")
        station = np.where(codes >= 0, stations[codes], station)
        mine = np.array([f"{prefix}:{name}" if name is not None else "" for name in own], object)
        row = np.where(find(mine, stations[:-1]) >= 0, mine, row)
    stations = np.array(sorted(set(station.tolist())), object)
    group = find(station, stations)
    amounts = {}
    for name in present(table, ["temperature", "precipitation"]):
        values = numbers(table[name]).astype(np.float64)
        amounts[name] = np.nan_to_num(values)
        amounts[f"{name} said"] = (~np.isnan(values)).astype(np.float64)
    if present(table, ["condition"]):
        codes, names = labels(table["condition"])
        for kind, words in SKIES.items():
            fits = np.array([any(word in name.lower() for word in words) for name in names] + [False])
            amounts[f"weather:{kind}"] = fits[codes].astype(np.float64)
            amounts[f"weather:{kind} said"] = (codes >= 0).astype(np.float64)
    panel = _added(len(stations), group, period, known, amounts, periods, "history")
    return Surroundings(panel, find(row, stations).astype(np.int32))


def _groups(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distinct regions object [G], "" for none; row of each series int32 [S])."""
    named = np.array([name if name is not None else "" for name in region], object)
    groups = np.array(sorted(set(named.tolist())), object)
    return groups, find(named, groups).astype(np.int32)


def _known(table: pa.Table, periods: Grid, period: np.ndarray, *, ahead: bool) -> np.ndarray:
    """When each row counts as known, datetime64[us]: rows known in time all at the end of their period."""
    end = periods.end(period).astype("datetime64[us]")
    if not present(table, ["known_at"]):
        return end
    known = arrow_instants(table["known_at"])
    early = periods.start(period).astype("datetime64[us]") if ahead else np.datetime64(-(2**62), "us")
    return np.where(np.isnat(known) | ((known >= early) & (known <= end)), end, known)


def _added(
    rows: int,
    group: np.ndarray,
    period: np.ndarray,
    known: np.ndarray,
    amounts: dict[str, np.ndarray],
    periods: Grid,
    clock: str,
) -> Panel:
    """A panel of sums, or of means where a column NAME comes with counts "NAME said"."""
    group, period, known, sums = accumulate(group, period, known, amounts)
    columns = {}
    for name, total in sums.items():
        if name.endswith(" said"):
            continue
        said = sums.get(f"{name} said")
        mean = total if said is None else np.where(said > 0, total / np.maximum(said, 1), np.nan)
        columns[name] = mean.astype(np.float32)
    return build(rows, group, period, known, columns, periods, clock)  # type: ignore[arg-type]

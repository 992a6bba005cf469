"""What the main source of a task looks like as of an instant, read off the tables of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from db.models import ModelRecord
from forecasting import clock
from forecasting.column_profiles import Rows
from forecasting.columns import find, labels, present
from forecasting.drift import Drift, population_stability
from forecasting.profiles import Profile, profile
from forecasting.schema import KNOWN_AT, SOURCES, Kind, Source, SourceNeed
from forecasting.task import Instant

log = logging.getLogger(__name__)

PROFILE = "profile"
"""The key of `models.config` under which a model's profile is kept."""

_DAY = np.timedelta64(1, "D")
_MICROSECOND = np.timedelta64(1, "us")
_WEEK = np.timedelta64(7, "D")
_PASSING = frozenset({"order_id", "customer_id", "session_id"})  # they come and go: new ones are no drift


def data_drift(
    needs: Sequence[SourceNeed],
    tables: Mapping[str, pa.Table],
    as_of: Instant,
    champion: ModelRecord | None,
    limit: float,
) -> list[Drift]:
    """How far the data have moved since the champion's line was last fitted in full; nothing where that is not known,
    or `limit`, the Population Stability Index from which a column has drifted, is 0."""
    document = kept_profile(champion)
    if document is None or limit <= 0:
        return []
    try:
        then = Profile.restore(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("What the data were like when the champion was fitted cannot be read; drift is not looked for.")
        return []
    return population_stability(then, profile_of(needs, tables, as_of, then), limit)


def kept_profile(champion: ModelRecord | None) -> Mapping[str, Any] | None:
    """The document of what the data were like when a champion's line was last fitted in full."""
    return (champion.config or {}).get(PROFILE) if champion else None


def profile_of(
    needs: Sequence[SourceNeed], tables: Mapping[str, pa.Table], as_of: Instant, like: Profile | None = None
) -> Profile:
    """The main source of the needs, and the rows that belong to its rows (lines and events of orders), as known at an
    instant. `tables`: checked, as `db.extract` gives them. `like`: see `forecasting.profiles.profile`."""
    main = next((need for need in needs if need.main), None)
    first = next((name for name in (main.source, *main.instead) if name in tables), None) if main else None
    if first is None:
        return Profile({})
    found = {first: _rows(SOURCES[first], tables[first])}
    for name, table in tables.items():
        key = next((column.name for column in SOURCES[name].columns if column.refers_to == first), None)
        if key is not None:
            found[name] = _belonging(SOURCES[name], table, key, found[first], tables[first])
    return profile({name: rows for name, rows in found.items() if rows is not None}, as_of, like)


def _rows(source: Source, table: pa.Table) -> Rows | None:
    """The rows of a source with a clock; None of one whose periods are longer than a week (months: too few to tell)."""
    assert source.clock is not None
    at = clock.arrow_instants(table[source.clock])
    declared = source.column(source.clock)
    dated = declared is not None and declared.kind is Kind.DATE
    if dated:
        days = np.unique(at[~np.isnat(at)])
        period = np.diff(days).min() if len(days) > 1 else _WEEK
        if period > _WEEK:
            return None
        at = at + period - _MICROSECOND
    return Rows(at, _known_at(table, at), _columns(source, table, at), hours=not dated)


def _belonging(source: Source, table: pa.Table, key: str, whole: Rows | None, owners: pa.Table) -> Rows | None:
    """The rows of a source that belong to those of another, at the latter's time where they have none of their own."""
    if source.clock is not None:
        return _rows(source, table)
    if whole is None:
        return None
    mine, names = labels(table[key])
    theirs, owner_names = labels(owners[key])
    row = np.full(len(owner_names) + 1, -1)
    row[theirs] = np.arange(len(theirs))
    owner = np.append(row[find(names, owner_names)], -1)[mine]
    at = np.append(whole.at, np.datetime64("NaT"))[owner]
    known = at if whole.known_at is None else np.append(whole.known_at, np.datetime64("NaT"))[owner]
    late = whole.known_at is not None or present(table, [KNOWN_AT.name])
    return Rows(at, _known_at(table, known) if late else None, _columns(source, table, at), hours=False)


def _known_at(table: pa.Table, at: np.ndarray) -> np.ndarray | None:
    """When each row was known, datetime64[us], not before it occurred; None where the source does not say."""
    if not present(table, [KNOWN_AT.name]):
        return None
    return np.fmax(at, clock.arrow_instants(table[KNOWN_AT.name]))


def _columns(source: Source, table: pa.Table, at: np.ndarray) -> dict[str, pa.ChunkedArray]:
    """What is known of a row once it is known: all but the clocks, and stamps that are set later. Promises become days
    from the row's own time."""
    found = {}
    for name in table.column_names:
        declared = source.column(name)
        if name in (source.clock, KNOWN_AT.name) or name in _PASSING:
            continue
        if declared is not None and declared.kind is Kind.TIMESTAMP:
            if not declared.future:
                continue
            ahead = (clock.arrow_instants(table[name]) - at) / _DAY
            found[name] = pa.chunked_array([pa.array(ahead, mask=np.isnan(ahead))])
        else:
            found[name] = table[name]
    return found

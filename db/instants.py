"""Times as warehouses hold them (naive, aware, dates, ISO 8601 text) to instants in UTC and to days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from db.canonical import INSTANT_TYPE
from forecasting.schema import Kind

_DAY = 86_400_000_000
_ISO = (
    r"^(?P<year>\d{4})(?:-(?P<month>\d{2})-(?P<day>\d{2})|(?P<month_>\d{2})(?P<day_>\d{2}))"
    r"(?:[T ](?P<hour>[01]\d|2[0-3]):?(?P<minute>[0-5]\d)(?::?(?P<second>[0-5]\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r" ?(?P<zone>Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?$"
)


def instants_of(values: pa.Array, timezone: str) -> pa.Array:
    """Timestamps of any unit, or dates, as timestamp[us, UTC]. Naive ones, and the midnights of dates, are local
    times of `timezone`; where a clock change makes a local time ambiguous or skips it, the earlier reading or the
    first moment after the gap is taken."""
    type_ = values.type
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return values.cast(pa.timestamp("us", type_.tz), safe=False).cast(INSTANT_TYPE)
    wall = values.cast(pa.timestamp("us"), safe=False)
    if _is_utc(timezone):
        return wall.cast(INSTANT_TYPE)
    missing = wall.is_null().to_numpy(zero_copy_only=False)
    numbers = wall.cast(pa.int64()).fill_null(0).to_numpy()
    return _instants(localise(numbers, timezone), missing)


def days_of(values: pa.Array, timezone: str) -> pa.Array:
    """Dates as they are, naive timestamps by their own day, aware ones by the day in `timezone`: date32."""
    type_ = values.type
    if pa.types.is_date(type_):
        return values.cast(pa.date32())
    wall = values.cast(pa.timestamp("us", type_.tz), safe=False)
    missing = wall.is_null().to_numpy(zero_copy_only=False)
    numbers = wall.cast(pa.int64()).fill_null(0).to_numpy()
    if type_.tz is not None:
        numbers = _to_wall(numbers, timezone)
    return _days(numbers, missing)


def parse_instants(text: pa.Array, kind: Kind, timezone: str) -> tuple[pa.Array, np.ndarray | None]:
    """ISO 8601 text (with or without time, fraction and offset) as TIMESTAMP or DATE values, and a mask of the
    texts that are no such thing. Empty text is missing. Offsets are honoured text by text."""
    try:
        wall = text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return _parse_one_by_one(text, kind, timezone)
    return (instants_of(wall, timezone) if kind is Kind.TIMESTAMP else days_of(wall, timezone)), None


def localise(wall: np.ndarray, timezone: str) -> np.ndarray:
    """Local wall-clock microseconds [n] of a zone as UTC microseconds [n]. Clock changes are known from 1970 to 2037;
    outside, the zone's nearest offset holds."""
    if _is_utc(timezone):
        return wall
    index = pd.DatetimeIndex(wall.astype("datetime64[us]"))
    first = np.ones(len(wall), bool)
    aware = index.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward")
    return aware.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _is_utc(timezone: str) -> bool:
    return timezone.upper() in ("UTC", "ETC/UTC", "Z")


def _to_wall(utc: np.ndarray, timezone: str) -> np.ndarray:
    if _is_utc(timezone):
        return utc
    index = pd.DatetimeIndex(utc.astype("datetime64[us]")).tz_localize("UTC").tz_convert(timezone)
    return index.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _instants(utc: np.ndarray, missing: np.ndarray) -> pa.Array:
    return pa.array(utc, pa.int64(), mask=missing).cast(INSTANT_TYPE)


def _days(wall: np.ndarray, missing: np.ndarray) -> pa.Array:
    return pa.array((wall // _DAY).astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())


def _parse_one_by_one(text: pa.Array, kind: Kind, timezone: str) -> tuple[pa.Array, np.ndarray | None]:
    """The slow road, taken where a batch holds offsets or dirt: fields by regular expression, then arithmetic."""
    fields = pc.extract_regex(text, _ISO)
    found = fields.is_valid().to_numpy(zero_copy_only=False)

    def field(name: str) -> np.ndarray:
        value = pc.fill_null(pc.struct_field(fields, name), "")
        return pc.if_else(pc.equal(value, ""), "0", value).cast(pa.int64()).to_numpy(zero_copy_only=False)

    month, day = field("month") + field("month_"), field("day") + field("day_")
    known = found & (month >= 1) & (month <= 12)
    months = np.where(known, (field("year") - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    valid = known & (day >= 1) & (day <= length)
    fraction = pc.utf8_rpad(pc.fill_null(pc.struct_field(fields, "fraction"), ""), 6, "0")
    micros = pc.utf8_slice_codeunits(fraction, 0, 6).cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds = (field("hour") * 60 + field("minute")) * 60 + field("second")
    wall = np.where(valid, (first + day - 1) * _DAY + seconds * 1_000_000 + micros, 0)

    zone = pc.fill_null(pc.struct_field(fields, "zone"), "")
    aware = valid & pc.not_equal(zone, "").to_numpy(zero_copy_only=False)
    offset = _offset(zone)
    blank = pc.fill_null(pc.equal(text, ""), True).to_numpy(zero_copy_only=False)
    bad = ~valid & ~blank
    if kind is Kind.TIMESTAMP:
        utc = np.where(aware, wall - offset, localise(wall, timezone))
        return _instants(utc, ~valid), bad
    return _days(np.where(aware, _to_wall(wall - offset, timezone), wall), ~valid), bad


def _offset(zone: pa.Array) -> np.ndarray:
    """Offsets from UTC in microseconds [n]; zero where there is none or it is UTC."""
    digits = pc.replace_substring_regex(zone, r"[^0-9]", "")
    padded = pc.utf8_rpad(digits, 4, "0").cast(pa.int64()).to_numpy(zero_copy_only=False)
    sign = np.where(pc.starts_with(zone, "-").to_numpy(zero_copy_only=False), -1, 1)
    return sign * (padded // 100 * 60 + padded % 100) * 60_000_000

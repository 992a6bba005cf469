"""What warehouses hold, as the canonical types: values kept, failures told apart row by row."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.canonical import ARROW_TYPES
from db.convert import convert
from forecasting.schema import Kind

NOON = dt.datetime(2011, 3, 4, 12, tzinfo=dt.UTC)


def converted(values: list, kind: Kind, timezone: str = "UTC", type_: pa.DataType | None = None):
    array, bad = convert(pa.array(values, type_), kind, timezone)
    if kind in ARROW_TYPES:
        assert array.type == ARROW_TYPES[kind]
    return array.to_pylist(), [] if bad is None else np.flatnonzero(bad).tolist()


@pytest.mark.parametrize(
    ("values", "kind", "expected", "bad"),
    [
        (["a", "007", "", None, " x "], Kind.ID, ["a", "007", None, None, " x "], []),
        ([7, -1, None], Kind.ID, ["7", "-1", None], []),
        ([7.0, 2.5, 1e15, None], Kind.ID, ["7", "2.5", "1000000000000000", None], []),
        ([Decimal("7.00"), Decimal("1.50")], Kind.ID, ["7", "1.5"], []),
        ([b"ok", b"\xff"], Kind.ID, ["ok", None], [1]),
        (["", "b"], Kind.TEXT, ["", "b"], []),
        (["1", " 2.5 ", "+3", "1e3", "", None], Kind.NUMBER, [1, 2.5, 3, 1000, None, None], []),
        (["1", "x", "1,5", "0x10", "nan", "inf"], Kind.NUMBER, [1, None, None, None, None, None], [1, 2, 3, 5]),
        ([1.5, float("nan"), float("inf"), None], Kind.NUMBER, [1.5, None, None, None], [2]),
        ([Decimal("19.99"), None], Kind.NUMBER, [19.99, None], []),
        ([True, False], Kind.NUMBER, [1.0, 0.0], []),
        ([dt.date(2020, 1, 1), None], Kind.NUMBER, [None, None], [0]),
        (["1", "2.5", "x"], Kind.INTEGER, [1, None, None], [1, 2]),
        (["1", "T", "false", "maybe", "", None], Kind.FLAG, [True, True, False, None, None, None], [3]),
        ([1, 0, 2], Kind.FLAG, [True, False, None], [2]),
        ([2011], Kind.DATE, [None], [0]),
        (["2011-03-04", "2011-03-04 23:59:59"], Kind.DATE, [dt.date(2011, 3, 4)] * 2, []),
        (["2011-03-04", "2011-02-30", "04/03/2011", ""], Kind.DATE, [dt.date(2011, 3, 4), None, None, None], [1, 2]),
        ([1, 2.5], Kind.ANY, [1.0, 2.5], []),
        ([True, None], Kind.ANY, [True, None], []),
        (["1", "x"], Kind.ANY, ["1", "x"], []),
    ],
)
def test_values(values, kind, expected, bad):
    assert converted(values, kind) == (expected, bad)


@pytest.mark.parametrize(
    "text",
    [
        "2011-03-04T12:00:00Z",
        "2011-03-04 14:00:00+02",
        "2011-03-04 07:00:00.000-0500",
        "20110304T120000Z",
        "2011-03-04 12:00 UTC",
    ],
)
def test_offsets_are_honoured_text_by_text(text):
    assert converted([text, "2011-03-04 12:00:00", "never"], Kind.TIMESTAMP) == ([NOON, NOON, None], [2])


def test_years_that_nanoseconds_cannot_hold():
    far = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    assert converted(["9999-12-31", "bad"], Kind.TIMESTAMP) == ([far, None], [1])
    assert converted(["9999-12-31"], Kind.TIMESTAMP, "America/Sao_Paulo")[0][0].year == 9999


def test_clock_changes_lose_no_row():
    skipped, twice = "2011-03-27 02:30:00", "2011-10-30 02:30:00"
    values, bad = converted([skipped, twice], Kind.TIMESTAMP, "Europe/Berlin")
    assert values == [dt.datetime(2011, 3, 27, 1, tzinfo=dt.UTC), dt.datetime(2011, 10, 30, 0, 30, tzinfo=dt.UTC)]
    assert bad == []


def test_an_instant_falls_on_the_day_of_the_mapped_zone():
    late = pa.array([dt.datetime(2011, 3, 4, 1, tzinfo=dt.UTC)], pa.timestamp("us", "UTC"))
    assert convert(late, Kind.DATE, "America/Sao_Paulo")[0].to_pylist() == [dt.date(2011, 3, 3)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2037, 1, 1)) | st.sampled_from([None]),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"]),
    st.sampled_from([" ", "T"]),
    st.booleans(),
)
def test_naive_times_agree_with_zoneinfo(moments, timezone, separator, dirty):
    """Oracle: Python's own zone arithmetic, for times that exist once."""
    zone = ZoneInfo(timezone)
    once = [
        m
        for m in moments
        if m is None or m.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == m
    ]
    text = [None if m is None else m.isoformat(separator) for m in once] + (["dirt"] if dirty else [])
    expected = [None if m is None else m.replace(tzinfo=zone).astimezone(dt.UTC) for m in once]
    values, bad = converted(text, Kind.TIMESTAMP, timezone, pa.string())
    assert values[: len(once)] == expected
    assert bad == ([len(once)] if dirty else [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=20), st.booleans())
def test_numbers_survive_being_text(numbers, dirty):
    text = [None if number is None else repr(number) for number in numbers] + (["dirt"] if dirty else [])
    values, bad = converted(text, Kind.NUMBER, type_=pa.string())
    assert values[: len(numbers)] == numbers
    assert bad == ([len(numbers)] if dirty else [])

"""One form for rows that mean the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.canonical import DIGITS, canonical, rounded
from forecasting.schema import DataError


@given(st.floats(-1e12, 1e12))
def test_a_rounded_number_is_the_decimal_that_is_written(value: float) -> None:
    (found,) = rounded(np.array([value]))
    assert found == (pytest.approx(value, rel=10.0**-DIGITS * 10) if abs(value) >= 1e-12 else 0)
    assert rounded(np.array([found]))[0] == found
    if 1e-6 < abs(value) < 1e9:
        assert found == float(f"{found:.{DIGITS}g}")


@given(st.integers(-(10**8), 10**8), st.integers(0, 4), st.sampled_from([-np.inf, np.inf]))
def test_prices_stay_what_they_are_whatever_their_last_bit(units: int, decimals: int, towards: float) -> None:
    value = units / 10**decimals
    assert rounded(np.array([value, np.nextafter(value, towards)])).tolist() == [value, value]


def test_what_is_no_number_stays() -> None:
    np.testing.assert_array_equal(rounded(np.array([np.nan, np.inf, -np.inf])), [np.nan, np.inf, -np.inf])
    assert rounded(np.array([1e300, 5e-324])).tolist() == [pytest.approx(1e300), 0.0]


def test_rows_stand_in_the_order_of_their_columns_and_missing_ones_last() -> None:
    table = pa.table(
        {"b": [1, None, 1, 0], "a": ["y", "y", "", "x"], "done": pa.array([2, 1, 0, 0], pa.timestamp("us"))}
    )
    found = canonical(table, "orders").to_pydict()
    assert found["a"] == ["x", "y", "y", None] and found["b"] == [0.0, 1.0, None, 1.0]
    assert list(found) == ["b", "a", "done"]
    unknown = pa.table({"a": pa.array([None, None, None], pa.float64()), "b": ["z", "x", "y"]})
    assert canonical(unknown, "orders")["b"].to_pylist() == ["x", "y", "z"]
    nothing = canonical(table[:0], "orders")
    assert not len(nothing) and nothing.column_names == table.column_names


def test_what_is_filled_in_later_decides_last() -> None:
    table = pa.table({"a": [2.0, 1.0], "z": [1, 2]})
    assert canonical(table, "orders")["z"].to_pylist() == [2, 1]
    assert canonical(table, "orders", later=["a"])["z"].to_pylist() == [1, 2]


def test_a_missing_value_is_told_of_by_its_place_in_the_source() -> None:
    table = pa.table({"order_id": ["b", "", "a"]})
    with pytest.raises(DataError, match="missing") as refused:
        canonical(table, "orders", required=["order_id"])
    assert refused.value.row == 1

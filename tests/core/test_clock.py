"""Instants, the two clocks and grids of periods."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.clock import Grid, arrow_instants, instant, visible
from forecasting.schema import ConfigurationError, DataError


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2011-09-10", "2011-09-10T00:00:00"),
        (" 2011-09-10 06:30 ", "2011-09-10T06:30:00"),
        ("2011-09-10T06:30:00+02:00", "2011-09-10T04:30:00"),
        ("2011-09-10T06:30:00Z", "2011-09-10T06:30:00"),
        (dt.date(2011, 9, 10), "2011-09-10"),
        (dt.datetime(2011, 9, 10, 6, tzinfo=dt.timezone(dt.timedelta(hours=-3))), "2011-09-10T09:00"),
        (np.datetime64("2011-09"), "2011-09-01"),
        (np.datetime64("2011-09-10T00:00:00.000001999"), "2011-09-10T00:00:00.000001"),
    ],
)
def test_an_instant_is_microseconds_in_utc(value, expected):
    result = instant(value)
    assert result.dtype == np.dtype("datetime64[us]")
    assert result == np.datetime64(expected, "us")


@pytest.mark.parametrize("value", ["yesterday", "2011-13-01", "", 20110910, None, np.datetime64("NaT")])
def test_what_is_no_instant_is_refused_with_a_remedy(value):
    with pytest.raises(ConfigurationError, match="Write it like"):
        instant(value)


def test_a_row_counts_if_it_occurred_before_and_was_known_by_the_cutoff():
    cutoff = np.datetime64("2020-01-02", "us")
    at, before, after = cutoff, cutoff - 1, cutoff + 1
    occurred = np.array([before, at, before, before, np.datetime64("NaT")])
    known = np.array([before, at, at, after, before])
    assert visible(occurred, known, cutoff).tolist() == [True, False, True, False, False]
    assert visible(occurred, None, cutoff).tolist() == [True, False, True, True, False]
    assert visible(occurred[:, None], known[:, None], np.array([cutoff, after])).shape == (5, 2)


def test_arrow_times_of_any_zone_and_unit_arrive_in_utc():
    # Both instants read 02:30 on the clocks of Berlin, which went back an hour in between.
    moments = [dt.datetime(2011, 10, 30, 0, 30, tzinfo=dt.UTC), dt.datetime(2011, 10, 30, 1, 30, tzinfo=dt.UTC), None]
    berlin = pa.chunked_array([pa.array(moments, pa.timestamp("us", "Europe/Berlin"))])
    expected = np.array(["2011-10-30T00:30", "2011-10-30T01:30", "NaT"], "datetime64[us]")
    np.testing.assert_array_equal(arrow_instants(berlin), expected)
    dates = pa.array([dt.date(1969, 12, 31), None])
    np.testing.assert_array_equal(arrow_instants(dates), np.array(["1969-12-31", "NaT"], "datetime64[us]"))
    fine = pa.array([np.datetime64("2011-01-01T00:00:00.123456789")])
    assert arrow_instants(fine)[0] == np.datetime64("2011-01-01T00:00:00.123456")
    assert arrow_instants(pa.chunked_array([], pa.date32())).dtype == np.dtype("datetime64[us]")
    with pytest.raises(TypeError, match="double"):
        arrow_instants(pa.array([1.0]))


def test_weeks_keep_the_weekday_of_the_data():
    thursdays = days("2011-01-06", "2011-01-20", "2011-01-13")
    grid = Grid.of(thursdays, "W")
    assert grid == Grid("W", phase=3)
    index = grid.index_of(thursdays)
    assert (index - index[0]).tolist() == [0, 2, 1]
    assert grid.containing(days("2011-01-12", "2011-01-13")).tolist() == [index[0], index[2]]
    assert str(grid) == "weeks that begin on Thursdays"


@pytest.mark.parametrize(
    ("dates", "phase", "following"),
    [
        (days("2011-01-01", "2011-03-01"), 1, "2011-04-01"),
        (days("2011-01-31", "2011-02-28", "2011-04-30"), 31, "2011-05-31"),
        (days("2011-01-30", "2011-02-28", "2011-04-30"), 30, "2011-05-30"),
        (days("2012-02-29", "2012-03-29"), 29, "2012-04-29"),
        (days("2011-01-28", "2011-02-28"), 28, "2011-03-28"),
        (days("2011-02-28"), 31, "2011-03-31"),
    ],
)
def test_months_keep_the_day_of_the_data(dates, phase, following):
    grid = Grid.of(dates, "M")
    assert grid == Grid("M", phase)
    np.testing.assert_array_equal(grid.start(grid.index_of(dates)), dates)
    assert grid.end(grid.index_of(dates[-1:]))[0] == np.datetime64(following)


def test_dates_off_the_grid_are_named():
    dates = days("2011-01-03", "2011-01-10", "2011-01-11", "NaT", "2011-01-17")
    with pytest.raises(DataError, match=r"source 'sales', column 'date'.*row 2 \(2011-01-11\), row 3 \(NaT\)"):
        Grid.of(dates, "W", source="sales", column="date")
    with pytest.raises(DataError, match=r"7 of 8 .* and 2 more"):
        Grid("W", phase=0).index_of(np.arange("2011-01-04", "2011-01-12", dtype="datetime64[D]"))
    with pytest.raises(DataError, match="row 1"):
        Grid("D").index_of(np.array(["2011-01-01T00:00", "2011-01-01T06:00"], "datetime64[m]"))


def test_frequencies_and_phases_that_do_not_exist_are_refused():
    with pytest.raises(ConfigurationError, match="'Q' is unknown"):
        Grid.of(days("2011-01-01"), "Q")
    for frequency, phase in (("D", 1), ("W", 7), ("M", 0), ("M", 32)):
        with pytest.raises(ValueError, match="phase"):
            Grid(frequency, phase)


grids = st.one_of(
    st.just(Grid("D")),
    st.integers(0, 6).map(lambda phase: Grid("W", phase)),
    st.integers(1, 31).map(lambda phase: Grid("M", phase)),
)


@given(grids, st.integers(-40_000, 40_000))
@settings(deadline=None)
def test_periods_tile_time(grid, day):
    """Every day lies in exactly one period, and numbers and starts convert both ways."""
    date = np.array([day], "datetime64[D]")
    index = grid.containing(date)
    assert grid.start(index) <= date < grid.end(index)
    assert grid.containing(grid.start(index)) == index
    assert grid.containing(grid.end(index)) == index + 1
    assert grid.index_of(grid.start(index)) == index
    first = grid.first_from(date)
    assert grid.start(first) >= date > grid.start(first - 1)
    noon = date.astype("datetime64[us]") + np.timedelta64(12, "h")
    assert grid.containing(noon) == index
    assert grid.first_from(noon) == index + 1


@given(grids, st.integers(-500, 500), st.integers(12, 40))
@settings(deadline=None)
def test_a_grid_is_found_again_in_its_own_dates(grid, first, length):
    starts = grid.start(np.arange(first, first + length))
    found = Grid.of(starts, grid.frequency)
    np.testing.assert_array_equal(found.start(found.index_of(starts)), starts)
    assert found == grid

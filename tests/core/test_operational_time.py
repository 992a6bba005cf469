"""The operational clock against time counted quarter of an hour by quarter of an hour."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.features.operational_time import OperationalTime
from forecasting.features.time import Events
from forecasting.features.working_hours import SLOWEST
from forecasting.schema import ArtifactError

DAY = np.timedelta64(1, "D")
REGIONS = np.array(["north", "south", "west"], object)


def holidays(*days: tuple[str, str | None]) -> Events:
    dates = np.array([day for day, _ in days], "datetime64[D]")
    return Events(dates, np.array(["holiday"] * len(days), object), np.array([place for _, place in days], object))


def example(zone: str = "Europe/Berlin", seed: int = 0) -> OperationalTime:
    weights = np.random.default_rng(seed).uniform(SLOWEST, 2, 168)
    around = holidays(("2024-03-29", None), ("2024-03-31", "north"), ("2024-04-01", None), ("2024-10-27", "south"))
    return OperationalTime(weights / weights.mean(), 0.25, zone, around, REGIONS)


def counted(clock: OperationalTime, start: np.datetime64, stop: np.datetime64, region: int) -> float:
    """Operational days from start to stop, both on quarters of an hour, one quarter after the other."""
    off = {
        day
        for day, place in zip(clock.holidays.day.astype(dt.date), clock.holidays.region, strict=True)
        if place is None or (region >= 0 and place == REGIONS[region])
    }
    total, at = 0.0, start
    while at < stop:
        wall = at.astype("datetime64[us]").item().replace(tzinfo=dt.UTC).astimezone(ZoneInfo(clock.timezone))
        weight = clock.weights[wall.weekday() * 24 + wall.hour]
        total += weight * (clock.holiday if wall.date() in off else 1.0) / 96
        at = at + np.timedelta64(15, "m")
    return total


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("region", [-1, 0, 1, 2])
def test_elapsed_is_what_hours_add_up_to(zone: str, region: int) -> None:
    clock = example(zone)
    for start, hours in (("2024-03-28T11:15", 100), ("2024-03-30T22:00", 9), ("2024-10-25T00:45", 120)):
        begin = np.datetime64(start)
        end = begin + np.timedelta64(hours, "h")
        found = clock.elapsed(begin, end, np.array(region))
        assert found == pytest.approx(counted(clock, begin, end, region), rel=1e-9)
        back = clock.after(begin, found, np.array(region))
        assert back == pytest.approx(hours / 24, rel=1e-9)


instants = st.integers(0, 2 * 365 * 86_400_000).map(
    lambda number: np.datetime64("2023-06-01", "us") + np.timedelta64(number, "ms")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(instants, st.floats(0, 400), st.integers(-1, 2)), min_size=1, max_size=20), st.integers(0, 9))
def test_there_and_back(cases: list[tuple[np.datetime64, float, int]], seed: int) -> None:
    clock = example(seed=seed)
    start = np.array([case[0] for case in cases])
    days = np.array([case[1] for case in cases])
    region = np.array([case[2] for case in cases])
    passed = clock.after(start, days, region)
    assert (passed >= 0).all()
    back = clock.elapsed(start, start + (passed * DAY.astype("timedelta64[us]").astype(float)).astype("m8[us]"), region)
    assert back == pytest.approx(days, abs=1e-9, rel=1e-9)
    longer = clock.after(start[:, None], np.sort(np.append(days, [0.0, 1e-6, 7.0])), region[:, None])
    assert (np.diff(longer, axis=1) >= 0).all()
    assert (longer[:, 0] < 1e-9).all()


def test_plain_time_is_calendar_time_whatever_clocks_do() -> None:
    clock = OperationalTime.plain("Europe/Berlin")
    start, stop = np.datetime64("2024-03-30T12:00"), np.datetime64("2024-04-02T18:00")
    assert clock.elapsed(start, stop) == pytest.approx(3.25)
    assert clock.elapsed(stop, start) == pytest.approx(-3.25)
    assert clock.after(start, np.array([0.5, 3.25])) == pytest.approx([0.5, 3.25])


def test_a_week_without_holidays_is_seven_days() -> None:
    clock = example()
    starts = np.datetime64("2024-06-03T05:17", "us") + np.arange(20) * np.timedelta64(31, "h")
    assert clock.elapsed(starts, starts + np.timedelta64(7, "D")) == pytest.approx(np.full(20, 7.0))


def test_what_is_missing_and_what_never_ends() -> None:
    clock = example()
    here = np.datetime64("2024-06-03", "us")
    nowhere = np.datetime64("NaT", "us")
    assert np.isnan(clock.elapsed(nowhere, here)) and np.isnan(clock.elapsed(here, nowhere))
    found = clock.after(np.array([here, here, nowhere]), np.array([np.inf, np.nan, 1.0]))
    assert np.isinf(found[0]) and np.isnan(found[1:]).all()
    assert clock.after(np.empty(0, "datetime64[us]"), np.empty(0)).shape == (0,)


def simulated(clock: OperationalTime, days: int, a_day: float, seed: int = 0) -> np.ndarray:
    """Events that happen at the clock's pace over `days` from 2024-01-01."""
    random = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01", "us")
    end = clock.elapsed(start, start + np.timedelta64(days, "D"))
    shown = random.uniform(0, float(end), int(float(end) * a_day))
    return start + (clock.after(start, shown) * 86400e6).astype("timedelta64[us]")


def working_week() -> np.ndarray:
    weights = np.full((7, 24), 0.1)
    weights[:5, 8:18] = 3.0
    weights[5, 9:13] = 1.0
    return (weights / weights.mean()).ravel()


def test_a_fit_finds_the_hours_and_the_holidays() -> None:
    days = holidays(*((f"2024-{month:02d}-{day:02d}", None) for month in range(1, 7) for day in (9, 23)))
    true = OperationalTime(working_week(), 0.1, "Europe/Berlin", days)
    at = simulated(true, 180, 200)
    fitted = OperationalTime.fit(at, "Europe/Berlin", days)
    assert np.abs(fitted.weights - true.weights).max() < 0.35
    assert np.abs(fitted.weights - true.weights).mean() < 0.08
    assert fitted.weights.mean() == pytest.approx(1)
    assert 0.05 < fitted.holiday < 0.2
    again = OperationalTime.fit(np.append(at[::-1], np.datetime64("NaT")), "Europe/Berlin", days)
    assert (again.weights == fitted.weights).all() and again.holiday == fitted.holiday
    # holidays that the fit does not know of drag their weekdays down
    assert OperationalTime.fit(at, "Europe/Berlin").holiday == 1


def test_a_holiday_of_one_region_is_none_elsewhere() -> None:
    days = holidays(*((f"2024-{month:02d}-{day:02d}", "north") for month in range(1, 7) for day in (9, 23)))
    clock = OperationalTime(working_week(), 0.02, "UTC", days, REGIONS)
    north = simulated(clock.with_holidays(holidays(*((str(day), None) for day in days.day))), 180, 60)
    south = simulated(OperationalTime(working_week()), 180, 60, seed=1)
    at, region = np.append(north, south), np.repeat([0, 1], [len(north), len(south)])
    fitted = OperationalTime.fit(at, "UTC", days, REGIONS, region)
    assert fitted.holiday < 0.15
    start = np.datetime64("2024-02-09", "us")  # a Friday
    north_day, south_day = fitted.elapsed(start, start + DAY, np.array([0, 1]))
    assert north_day == pytest.approx(fitted.holiday * south_day)


def test_few_events_leave_calendar_time_nearly_as_it_is() -> None:
    at = np.datetime64("2024-01-01T12:00") + np.arange(4) * np.timedelta64(7, "D")
    assert np.abs(OperationalTime.fit(at).weights - 1).max() < 0.7
    nothing = OperationalTime.fit(np.array(["NaT"], "datetime64[us]"), "Europe/Berlin")
    assert (nothing.weights == 1).all() and nothing.holiday == 1


def test_days_seen_in_part_say_nothing_of_their_weekday() -> None:
    """A shop that never sleeps, from a Monday's evening to a Friday's noon."""
    seconds = np.random.default_rng(0).uniform(18 * 3600, (4 * 24 + 12) * 3600, 40_000)
    at = np.datetime64("2024-01-01", "us") + (seconds * 1e6).astype("timedelta64[us]")
    assert np.abs(OperationalTime.fit(at).weights - 1).max() < 0.2
    in_two_days = at[at < np.datetime64("2024-01-03")]
    assert (OperationalTime.fit(in_two_days).weights == 1).all()


def test_no_hour_stands_still() -> None:
    """Days without times: all happen at midnight."""
    at = np.datetime64("2024-01-01", "us") + np.repeat(np.arange(200), 50) * DAY
    clock = OperationalTime.fit(at)
    assert clock.weights.min() >= SLOWEST / 2 and clock.weights.mean() == pytest.approx(1)
    start = np.datetime64("2024-03-05T15:00", "us")
    assert clock.elapsed(start, start + DAY) == pytest.approx(1, abs=0.02)


def test_documents_round_trip_and_nonsense_is_refused() -> None:
    clock = example()
    restored = OperationalTime.restore(clock.document()).with_holidays(clock.holidays, clock.regions)
    start, days = np.datetime64("2024-03-28", "us"), np.linspace(0, 9, 50)
    assert (restored.after(start, days, np.array(0)) == clock.after(start, days, np.array(0))).all()
    for wrong in ({}, {**clock.document(), "weights": [1.0]}, {**clock.document(), "holiday": 0.0}):
        with pytest.raises(ArtifactError):
            OperationalTime.restore(wrong)

"""Wall clocks against Python's own."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasting.features.local_time import clock_changes, instants_of, wall_clock

ZONES = ("UTC", "America/Sao_Paulo", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")


@pytest.mark.parametrize("zone", ZONES)
def test_clocks_show_what_python_says(zone: str) -> None:
    random = np.random.default_rng(1)
    at = np.datetime64("1999-01-01", "us") + random.integers(0, 40 * 365 * 86400, 300).astype("timedelta64[s]")
    changes = clock_changes(zone)[0][1:]
    near = [changes + np.timedelta64(seconds, "s") for seconds in (-1, 0, 1)]
    at = np.concatenate([at, *near])
    expected = [
        one.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for one in at.astype(dt.datetime)
    ]
    assert (wall_clock(at, zone) == np.array(expected, "datetime64[us]")).all()


@pytest.mark.parametrize("zone", ZONES)
def test_what_clocks_show_leads_back_to_the_first_such_instant(zone: str) -> None:
    random = np.random.default_rng(2)
    at = np.datetime64("2001-01-01", "us") + random.integers(0, 30 * 365 * 86400, 300).astype("timedelta64[s]")
    changes = clock_changes(zone)[0][1:]
    at = np.concatenate([at, changes, changes + np.timedelta64(20, "m"), changes - np.timedelta64(20, "m")])
    walls = wall_clock(at, zone)
    back = instants_of(walls, zone)
    assert (wall_clock(back, zone) == walls).all()
    assert (back <= at).all()
    naive = [one.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC) for one in walls.astype(dt.datetime)]  # fold 0
    assert (back == np.array([one.replace(tzinfo=None) for one in naive], "datetime64[us]")).all()


def test_a_time_that_clocks_skip_is_that_of_the_change() -> None:
    skipped = np.array(["2024-03-31T02:30", "2024-03-31T02:00", "2024-03-31T03:00"], "datetime64[m]")
    assert (instants_of(skipped, "Europe/Berlin") == np.datetime64("2024-03-31T01:00")).all()
    # midnight itself does not exist where clocks change then
    midnight = np.datetime64("2017-10-15", "D")
    assert instants_of(midnight, "America/Sao_Paulo") == np.datetime64("2017-10-15T03:00")


def test_missing_instants_stay_missing() -> None:
    nothing = np.array(["NaT", "2024-01-01"], "datetime64[us]")
    assert np.isnat(wall_clock(nothing, "Europe/Berlin")).tolist() == [True, False]
    assert np.isnat(instants_of(nothing, "Europe/Berlin")).tolist() == [True, False]

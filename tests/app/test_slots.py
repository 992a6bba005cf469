"""Slots: forwards and backwards they are the same instants, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.app.config import JobConfig
from forecasting.app.cron import Cron
from forecasting.app.slots import CronSchedule, IntervalSchedule, Schedule, between, schedule_of, upcoming
from forecasting.schema import ConfigurationError

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York")
MINUTE = timedelta(minutes=1)

instants = st.datetimes(datetime(2023, 1, 1), datetime(2026, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))
crons = st.sampled_from(
    [
        "0 2 * * *",
        "30 2 * * *",
        "*/15 * * * *",
        "7 */6 * * *",
        "0 0 1 * *",
        "59 23 * * 1-5",
        "0 12 13 * 5",
        "5 1,2,3 * * 0",
    ]
)
schedules = st.one_of(
    st.builds(lambda text, zone: CronSchedule(Cron.parse(text), zone), crons, st.sampled_from(ZONES)),
    st.integers(1, 200_000).map(IntervalSchedule),
)


@settings(deadline=None, max_examples=40)
@given(schedules, instants)
def test_forwards_and_backwards_agree(schedule: Schedule, instant: datetime) -> None:
    found = list(islice(schedule.following(instant), 5))
    assert found == sorted(set(found)) and found[0] > instant
    assert upcoming(schedule, instant) == found[0]
    latest = schedule.latest(instant)
    assert latest is not None and latest <= instant and schedule.includes(latest)
    for earlier, later in zip([latest, *found], found, strict=False):
        assert schedule.latest(later - timedelta(microseconds=1)) == earlier
        assert schedule.latest(later) == later
        assert schedule.includes(later) and not schedule.includes(later + timedelta(microseconds=1))
    assert between(schedule, latest, found[-1], 10) == found
    assert between(schedule, latest, found[-1], 2) == found[:2]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 30)))
def test_where_every_hour_is_due_the_clock_on_the_wall_is_followed(zone: str, day: datetime) -> None:
    start = day.replace(tzinfo=UTC, second=0, microsecond=0)
    schedule = CronSchedule(Cron.parse("5,20 * * * *"), zone)
    minutes = (start + n * MINUTE for n in range(1, 26 * 60))
    expected = [one for one in minutes if one.astimezone(ZoneInfo(zone)).minute in (5, 20)]
    assert between(schedule, start, start + timedelta(minutes=26 * 60 - 1), 1000) == expected
    assert all(schedule.includes(one) for one in expected)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), crons, st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 30)))
def test_an_instant_is_a_slot_where_the_day_says_so(zone: str, cron: str, day: datetime) -> None:
    start, schedule = day.replace(tzinfo=UTC, second=0, microsecond=0), CronSchedule(Cron.parse(cron), zone)
    found = {start + n * MINUTE for n in range(1, 12 * 60) if schedule.includes(start + n * MINUTE)}
    assert sorted(found) == between(schedule, start, start + timedelta(minutes=12 * 60 - 1), 1000)


@pytest.mark.parametrize(
    ("day", "cron", "due"),
    [
        ("2024-03-31", "30 2 * * *", ["01:30"]),  # skipped: an hour later on the wall, 03:30
        ("2024-10-27", "30 2 * * *", ["00:30"]),  # repeated: the first time alone
        ("2024-03-31", "0 2,3 * * *", ["01:00"]),  # what is skipped meets what is due there anyway
        ("2024-03-31", "*/30 0-4 * * *", ["23:00", "23:30", "00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
    ],
)
def test_clocks_change_in_berlin(day: str, cron: str, due: list[str]) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    end = midnight.replace(hour=12)
    found = between(CronSchedule(Cron.parse(cron), "Europe/Berlin"), midnight - MINUTE, end, 100)
    assert [f"{one:%H:%M}" for one in found] == due


def test_the_29th_of_february() -> None:
    leap = CronSchedule(Cron.parse("0 0 29 2 *"), "UTC")
    assert upcoming(leap, datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0s", "s", "15", "1w", "-5m", "1.5h", "15 m", "1h30m", ""])
def test_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="no interval"):
        IntervalSchedule.parse(text)


def test_without_a_schedule_of_its_own_a_job_has_that_of_those_it_waits_for() -> None:
    jobs = {
        "demand": JobConfig(task="demand", cron="0 2 * * *", timezone="Europe/Berlin"),
        "churn": JobConfig(task="churn", cron="0 3 * * *", timezone="Europe/Berlin"),
        "pages": JobConfig(report="all", after=("demand",)),
        "mail": JobConfig(alerts=True, after=("pages", "demand")),
        "both": JobConfig(report="all", after=("demand", "churn")),
    }
    assert schedule_of(jobs, "mail") == schedule_of(jobs, "demand")
    with pytest.raises(ConfigurationError, match=r"\[jobs.both\].*different times"):
        schedule_of(jobs, "both")

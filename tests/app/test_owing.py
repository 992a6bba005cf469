"""What jobs owe, played through in made-up time: schedulers that sleep, runs that fail, machines that die."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.job_runs import JobRun, State
from forecasting.app.config import JobConfig
from forecasting.app.owing import Ledger, Owed, owed
from forecasting.app.slots import between, schedule_of

START = datetime(2024, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOURLY = JobConfig(alerts=True, cron="0 * * * *", retries=2, retry_wait_seconds=60.0)


@dataclass
class World:
    """A ledger, and a clock that is set by hand."""

    jobs: dict[str, JobConfig]
    now: datetime = START
    rows: list[JobRun] = field(default_factory=list)

    def owes(self, name: str = "job") -> Owed:
        ledgers = {
            one: Ledger.of(
                self.jobs[one], schedule_of(self.jobs, one), [row for row in self.rows if row.job == one], self.now
            )
            for one in (name, *self.jobs[name].after)
        }
        return owed(name, ledgers, self.now)

    def look(self, name: str = "job") -> Owed:
        """What is owed; what is passed over is written down."""
        found = self.owes(name)
        for passed in found.pass_over:
            self.write(name, passed.slot, passed.state, attempt=0)
        return found

    def write(
        self, name: str, slot: datetime, state: State, exit_code: int | None = None, attempt: int | None = None
    ) -> None:
        number = 1 + sum(row.job == name and row.slot == slot and row.attempt > 0 for row in self.rows)
        finished = None if state == "running" else self.now
        self.rows.append(
            JobRun(
                name,
                slot,
                number if attempt is None else attempt,
                state,
                None,
                None,
                self.now,
                finished,
                exit_code,
                None,
            )
        )

    def end(self, name: str, slot: datetime, state: State, exit_code: int | None = None) -> None:
        """The attempt at work ends."""
        for index, row in enumerate(self.rows):
            if (row.job, row.slot, row.state) == (name, slot, "running"):
                self.rows[index] = replace(row, state=state, finished_at=self.now, exit_code=exit_code)

    def states(self, name: str = "job") -> dict[str, list[str]]:
        """By slot, in order."""
        found: dict[str, list[str]] = {}
        for row in sorted(self.rows, key=lambda row: (row.slot, row.attempt)):
            if row.job == name:
                found.setdefault(f"{row.slot:%d %H:%M}", []).append(row.state)
        return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-05-{text}").replace(tzinfo=UTC)


def test_the_first_look_runs_the_latest_slot_once() -> None:
    world = World({"job": HOURLY})
    assert world.owes() == Owed(start=at("01 12:00"))
    world.write("job", at("01 12:00"), "running")
    assert world.owes() == Owed()
    world.end("job", at("01 12:00"), "done", 0)
    assert world.owes() == Owed()
    world.now = at("01 13:00")
    assert world.owes().start == at("01 13:00")


def test_after_a_sleep_the_latest_stands_for_all() -> None:
    world = World({"job": HOURLY})
    world.write("job", at("01 12:00"), "done")
    world.now = at("01 17:20")
    assert world.look().start == at("01 17:00")
    assert world.states() == {"01 12:00": ["done"], "01 16:00": ["coalesced"]}


def test_after_a_sleep_each_in_turn() -> None:
    world = World({"job": replace(HOURLY, coalesce=False)})
    world.write("job", at("01 12:00"), "done")
    world.now = at("01 15:20")
    for hour in (13, 14, 15):
        assert world.look() == Owed(start=at(f"01 {hour}:00"))
        world.write("job", at(f"01 {hour}:00"), "done")
    assert world.look() == Owed()


def test_what_is_too_old_is_missed() -> None:
    world = World({"job": replace(HOURLY, coalesce=False, grace_hours=2.0)})
    world.write("job", at("01 12:00"), "done")
    world.now = at("02 15:30")
    assert world.look().start == at("02 14:00")
    assert world.states() == {"01 12:00": ["done"], "02 13:00": ["missed"]}
    daily = World({"job": JobConfig(alerts=True, cron="0 2 * * *", grace_hours=2.0)}, now=at("02 15:30"))
    assert daily.look().start is None and daily.states() == {"02 02:00": ["missed"]}


def test_errors_are_tried_again_and_given_up() -> None:
    world, slot = World({"job": HOURLY}), at("01 12:00")
    for wait in (0, 1, 2):
        if wait:
            assert world.owes() == Owed(look_again=world.now + wait * MINUTE)
            world.now += wait * MINUTE
        assert world.owes() == Owed(start=slot)
        world.write("job", slot, ("failed", "timed out", "abandoned")[wait], 1)
    assert world.owes() == Owed()
    world.now = at("01 13:00")
    assert world.look() == Owed(start=at("01 13:00"))
    assert world.states() == {"01 12:00": ["failed", "timed out", "abandoned"]}


@pytest.mark.parametrize("code", [2, 4])
def test_what_trying_again_does_not_mend_is_left(code: int) -> None:
    world = World({"job": HOURLY})
    world.write("job", at("01 12:00"), "failed", code)
    world.now += timedelta(minutes=30)
    assert world.owes() == Owed()


def test_an_interrupted_slot_is_taken_up_at_once_and_a_taken_one_later_however_often() -> None:
    world, slot = World({"job": HOURLY}), at("01 12:00")
    for _ in range(9):
        world.write("job", slot, "interrupted", 1)
        assert world.owes() == Owed(start=slot)
    for _ in range(9):
        world.write("job", slot, "failed", 5)
        assert world.owes() == Owed(look_again=world.now + MINUTE)
        world.now += MINUTE


def test_a_later_slot_stands_for_one_that_waits_for_another_try() -> None:
    world = World({"job": HOURLY}, now=at("01 12:59"))
    world.write("job", at("01 12:00"), "failed", 1)
    world.now = at("01 13:00")
    assert world.look().start == at("01 13:00")
    assert world.states() == {"01 12:00": ["coalesced", "failed"]}


def test_jitter_is_the_same_for_everybody_and_within_its_bounds() -> None:
    world = World({"job": replace(HOURLY, jitter_seconds=600.0)}, now=at("01 13:00"))
    starts = []
    for hour in range(13, 23):
        world.now = at(f"01 {hour}:00")
        again = world.look().look_again
        assert again is not None and world.owes().look_again == again
        starts.append(again - world.now)
        world.now = again
        assert world.owes().start == at(f"01 {hour}:00")
        world.write("job", at(f"01 {hour}:00"), "done")
    assert len(set(starts)) == 10 and max(starts) <= timedelta(seconds=600)


def test_a_job_waits_for_another() -> None:
    world = World({"demand": HOURLY, "job": JobConfig(report="all", after=("demand",))})
    assert world.owes() == Owed(waits_for="demand")
    world.write("demand", at("01 12:00"), "failed", 4)
    assert world.owes() == Owed(waits_for="demand")
    world.write("demand", at("01 12:00"), "done", 3)  # somebody mended it and ran it by hand
    assert world.owes() == Owed(start=at("01 12:00"))
    world.write("job", at("01 12:00"), "done", 0)
    world.now = at("01 13:05")
    assert world.owes() == Owed(waits_for="demand")
    world.write("demand", at("01 13:00"), "done", 0)
    assert world.owes().start == at("01 13:00")


def test_a_job_that_waits_for_a_quicker_one_does_not_starve() -> None:
    """By the time a slot is done the next is due: its reports come all the same."""
    quick = JobConfig(alerts=True, every="1m")
    world = World({"quick": quick, "job": JobConfig(report="all", after=("quick",))})
    for minute in range(1, 9):
        world.write("quick", at(f"01 12:0{minute}"), "done")
        world.now = at(f"01 12:0{minute + 1}") + timedelta(seconds=5)
        found = world.look()
        assert found.start == at(f"01 12:0{minute}") and found.waits_for is None
        world.write("job", found.start, "done")


def test_what_was_run_by_hand_in_between_or_ahead_is_nobodys_debt() -> None:
    world = World({"job": HOURLY})
    world.write("job", at("01 12:00"), "done")
    world.write("job", at("01 12:17"), "failed", 1)
    world.write("job", datetime(2030, 1, 1, tzinfo=UTC), "done")
    world.now = at("01 13:00")
    assert world.owes() == Owed(start=at("01 13:00"))


def _play(seed: int, coalesce: bool, cron: str, zone: str, begin: datetime) -> tuple[World, list[datetime], int]:
    """Two days of schedulers that look at odd times and sleep for hours, and of runs that take a while, fail and die;
    then time enough to catch up."""
    dice = random.Random(seed)
    job = JobConfig(
        alerts=True, cron=cron, timezone=zone, coalesce=coalesce, retries=50, retry_wait_seconds=30.0, grace_hours=100.0
    )
    world, ran, most = World({"job": job}, now=begin), [], 0
    ends_at: datetime | None = None
    end, idle, looked_at = begin + timedelta(days=2), False, begin
    while world.now < end or not idle:
        looked_at = world.now
        calm = world.now >= end
        if ends_at is not None and world.now >= ends_at:
            (slot,) = (row.slot for row in world.rows if row.state == "running")
            state, code = dice.choice(
                [("done", 0), ("done", 3), ("failed", 1), ("abandoned", None), ("interrupted", 1)]
            )
            world.end("job", slot, state, code)
            ran += [slot] if state == "done" else []
            ends_at = None
        found = world.look()
        if found.start is not None:
            world.write("job", found.start, "running")
            ends_at = world.now + timedelta(minutes=1 if calm else dice.choice([1, 5, 40]))
        idle = ends_at is None and found.look_again is None
        most = max(most, sum(row.state == "running" for row in world.rows))
        asleep = not calm and dice.random() < 0.02
        world.now += timedelta(hours=2) if asleep else timedelta(seconds=60 if calm else dice.choice([20, 60, 600]))
    world.now = looked_at
    return world, ran, most


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from(["*/20 * * * *", "30 2 * * *", "15 */3 * * *"]),
    st.sampled_from([datetime(2024, 3, 30, 5, tzinfo=UTC), datetime(2024, 10, 26, 5, tzinfo=UTC)]),
)
def test_no_slot_is_lost_and_none_runs_twice(seed: int, coalesce: bool, cron: str, begin: datetime) -> None:
    world, ran, most = _play(seed, coalesce, cron, "Europe/Berlin", begin)
    schedule = schedule_of(world.jobs, "job")
    first = schedule.latest(begin)
    assert first is not None
    due = [first, *between(schedule, first, world.now, 10_000)]
    assert most == 1 and len(set(ran)) == len(ran) and ran == sorted(ran)
    if coalesce:
        assert set(ran) <= set(due) and ran[-1] == due[-1]
        assert not any(row.state == "missed" for row in world.rows)
    else:
        assert ran == due

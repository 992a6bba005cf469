"""Snapshots against the same figures counted order by order in plain Python."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from random_orders import HOLIDAYS, START, event_cases, random_orders

from forecasting.features.space import Weather
from forecasting.task import Cases
from tasks.completion.backlog import FORGOTTEN_DAYS
from tasks.completion.features import MOST_STAGES, snapshot_of
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.snapshot import Snapshot

OPTIONS = CompletionOptions(timezone="Europe/Berlin")
DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def orders() -> Orders:
    return random_orders(120, days=70)


@pytest.fixture(scope="module")
def cases(orders: Orders) -> Cases:
    made = event_cases(orders)
    waiting = np.flatnonzero(np.isnat(orders.completed_at) & np.isnat(orders.cancelled_at))
    now = np.full(len(waiting), START + 80 * DAY)
    last = orders.events.offsets[waiting + 1] - 1
    return Cases(
        np.append(made.entity, waiting), np.append(made.cutoff, now), {"event": np.append(made.columns["event"], last)}
    )


@pytest.fixture(scope="module")
def snapshot(orders: Orders, cases: Cases) -> Snapshot:
    return snapshot_of(orders, cases, OPTIONS)


def seen_events(orders: Orders, order: int, cutoff: np.datetime64) -> list[tuple[np.datetime64, int]]:
    """Instants and statuses of an order's events that a cutoff sees, in their order."""
    events = orders.events
    rows = range(events.offsets[order], events.offsets[order + 1])
    if orders.cancelled_at[order] < cutoff:
        return []
    return [
        (events.occurred_at[row], events.columns["status"][row])
        for row in rows
        if events.occurred_at[row] < cutoff and events.known_at[row] <= cutoff
    ]


def same(found: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_allclose(found, np.array(expected, np.float32), rtol=1e-5, atol=1e-6)


def test_own_figures(orders: Orders, cases: Cases, snapshot: Snapshot) -> None:
    since: dict[str, list[float]] = {status: [] for status in orders.statuses}
    age, latest, gap, number, before = [], [], [], [], []
    for order, cutoff, event in zip(cases.entity, cases.cutoff, cases.columns["event"], strict=True):
        mine = seen_events(orders, order, cutoff)
        own = orders.events.columns["status"][event]
        age.append(np.log1p((cutoff - orders.placed_at[order]) / DAY))
        latest.append(np.log1p((cutoff - mine[-1][0]) / DAY))
        gap.append(np.log1p((mine[-1][0] - mine[-2][0]) / DAY) if len(mine) > 1 else np.nan)
        number.append(np.log1p(len(mine)))
        before.append(np.log1p(sum(status == own for _, status in mine) - 1))
        for code, status in enumerate(orders.statuses):
            first = [at for at, code_then in mine if code_then == code]
            since[status].append(np.log1p((cutoff - first[0]) / DAY) if first else np.nan)
    for name, expected in {"age": age, "since_event": latest, "last_gap": gap, "events": number}.items():
        same(snapshot.column(name), expected)
    same(snapshot.column("before"), before)
    for status, expected in since.items():
        same(snapshot.column(f"since:{status}"), expected)
    assert (snapshot.stage == orders.events.columns["status"][cases.columns["event"]]).all()


def test_own_steps_are_the_events_seen(orders: Orders, cases: Cases, snapshot: Snapshot) -> None:
    own = snapshot.own
    for case, (order, cutoff) in enumerate(zip(cases.entity, cases.cutoff, strict=True)):
        mine = seen_events(orders, order, cutoff)
        assert own.lengths[case] == len(mine)
        assert own.codes[case, : len(mine)].tolist() == [status for _, status in mine]
        assert (own.codes[case, len(mine) :] == -1).all() and (own.values[case, len(mine) :] == 0).all()
        ages = own.values[case, : len(mine), own.names.index("age")]
        same(ages, [np.log1p((cutoff - at) / DAY) for at, _ in mine])
        gaps = [0.0] + [np.log1p((b - a) / DAY) for (a, _), (b, _) in pairwise(mine)]
        same(own.values[case, : len(mine), own.names.index("gap")], gaps)


def repeating(count: int) -> Orders:
    """One order whose status changes back and forth `count` times, once a day."""
    orders = random_orders(1, late_rows=False)
    at = orders.placed_at[0] + np.arange(count) * DAY
    events = replace(
        orders.events,
        offsets=np.array([0, count]),
        occurred_at=at,
        known_at=at,
        columns={"status": np.arange(count, dtype=np.int32) % 3},
        withdrawn_at=None,
    )
    return replace(orders, events=events, completed_at=np.array([at[-1] + 9 * DAY]))


def test_a_long_history_keeps_its_latest_steps() -> None:
    orders = repeating(40)
    cutoff = orders.events.occurred_at[[0, 9, 39]] + np.timedelta64(1, "us")
    snapshot = snapshot_of(orders, Cases(np.zeros(3, np.int64), cutoff, {"event": np.array([0, 9, 39])}), OPTIONS)
    assert snapshot.own.lengths.tolist() == [1, 10, 16]
    assert snapshot.own.codes[2].tolist() == [row % 3 for row in range(24, 40)]
    gaps = snapshot.own.values[2, :, snapshot.own.names.index("gap")]
    same(gaps, [np.log1p(1.0)] * 16)  # the oldest step has its gap, too
    same(snapshot.column("before"), [0.0, np.log1p(3), np.log1p(13)])
    same(snapshot.column("events"), np.log1p([1, 10, 40]).tolist())
    same(snapshot.column("since:shipped"), [np.nan, np.log1p(7.0), np.log1p(37.0)])  # the first time


def test_only_the_first_statuses_of_many_have_a_figure(orders: Orders) -> None:
    names = np.array(["placed", *(f"status {number:02d}" for number in range(39))], object)
    backwards = np.append(0, np.arange(39, 0, -1)).astype(np.int32)
    orders = repeating(40)
    orders = replace(orders, statuses=names, events=replace(orders.events, columns={"status": backwards}))
    cases = Cases(
        np.zeros(1, np.int64), orders.events.occurred_at[[5]] + np.timedelta64(1, "us"), {"event": np.array([5])}
    )
    told = [name for name in snapshot_of(orders, cases, OPTIONS).names if name.startswith("since:")]
    assert told == ["since:placed", *(f"since:status {number:02d}" for number in range(38, 38 - MOST_STAGES + 1, -1))]


def test_walls_and_holidays(orders: Orders, cases: Cases, snapshot: Snapshot) -> None:
    zone = ZoneInfo("Europe/Berlin")
    week, since, ahead, fortnight = [], [], [], []
    for order, cutoff in zip(cases.entity, cases.cutoff, strict=True):
        wall = cutoff.item().replace(tzinfo=dt.UTC).astimezone(zone)
        week.append(np.sin(2 * np.pi * (wall.weekday() + (wall.hour + wall.minute / 60 + wall.second / 3600) / 24) / 7))
        code = orders.labels["destination"][order]
        region = None if code < 0 else orders.label_names["destination"][code]
        days = [
            day.item()
            for day, place in zip(HOLIDAYS.day, HOLIDAYS.region, strict=True)
            if place is None or place == region
        ]
        past = [(wall.date() - day).days for day in days if day <= wall.date()]
        future = [(day - wall.date()).days for day in days if day >= wall.date()]
        since.append(np.log1p(min([*past, 30])))
        ahead.append(np.log1p(min([*future, 30])))
        fortnight.append(sum(0 < (day - wall.date()).days <= 14 and day.weekday() < 5 for day in days))
    np.testing.assert_allclose(snapshot.column("week_sin"), week, atol=1e-4)
    same(snapshot.column("since_holiday"), since)
    same(snapshot.column("next_holiday"), ahead)
    same(snapshot.column("holidays_14"), fortnight)


def latest_status(orders: Orders, order: int, cutoff: np.datetime64) -> int:
    mine = seen_events(orders, order, cutoff)
    return int(mine[-1][1]) if mine else -1


def counted(orders: Orders, those: np.ndarray, cutoff: np.datetime64, status: int) -> dict[str, float]:
    """How much work there is among `those` orders (bool [N]), one order after the other."""

    def there(at: np.datetime64, status: int | None) -> int:
        number = 0
        for other in np.flatnonzero(those & (seen_at <= at) & (at < seen_at + FORGOTTEN_DAYS * DAY)):
            over = orders.completed_at[other] < at and orders.completion_known_at[other] <= at
            if not over and not orders.cancelled_at[other] < at:
                number += status is None or latest_status(orders, int(other), at) == status
        return number

    seen_at = np.maximum(orders.placed_at + np.timedelta64(1, "us"), orders.known_at)
    week, month = ((seen_at[those] <= cutoff) & (seen_at[those] > cutoff - days * DAY) for days in (7, 28))
    found = {"came": np.log1p(week.sum()), "came_pace": np.log((week.sum() + 1) / (month.sum() / 4 + 1))}
    for name, code in (("open", None), ("waiting", status)):
        now = there(cutoff, code)
        before = [there(cutoff - weeks * 7 * DAY, code) for weeks in (1, 2, 3, 4)]
        found |= {name: np.log1p(now), f"{name}_pace": np.log((now + 1) / (np.mean(before) + 1))}
    return found if cutoff - 28 * DAY >= seen_at.min() else found | {name: np.nan for name in found if "pace" in name}


@pytest.mark.parametrize("one_origin", [False, True])
def test_backlog(orders: Orders, cases: Cases, one_origin: bool) -> None:
    if one_origin:
        orders = replace(orders, labels={**orders.labels, "origin": np.full(len(orders), -1, np.int32)})
    snapshot = snapshot_of(orders, cases, OPTIONS)
    origins, everywhere = orders.labels["origin"], np.ones(len(orders), bool)
    for case in range(0, len(cases), 7):
        origin, cutoff, status = origins[cases.entity[case]], cases.cutoff[case], int(snapshot.stage[case])
        expected = counted(orders, everywhere, cutoff, status)
        if not one_origin:
            here, every = counted(orders, origins == origin, cutoff, status), expected
            seen = origins[np.maximum(orders.placed_at + np.timedelta64(1, "us"), orders.known_at) <= cutoff]
            others = (seen != origin).any()
            expected = {name: value - ("pace" in name and others) * every[name] for name, value in here.items()}
        for name, value in expected.items():
            assert snapshot.column(f"origin_{name}")[case] == pytest.approx(value, abs=1e-5, nan_ok=True)


def test_late_rows_count_by_the_latest_that_is_seen(orders: Orders) -> None:
    """The second of three events becomes known last: it never is the latest one."""
    orders = random_orders(1, late_rows=False)
    at = orders.placed_at[0] + np.arange(3) * np.timedelta64(1, "h")
    events = replace(
        orders.events,
        offsets=np.array([0, 3]),
        occurred_at=at,
        known_at=at + np.array([0, 9, 0]) * DAY,
        columns={"status": np.arange(3, dtype=np.int32)},
        withdrawn_at=None,
    )
    orders = replace(orders, events=events, completed_at=np.array([at[0] + 20 * DAY]))
    cutoff = np.repeat(at[2] + DAY * np.array([1, 12]), 3)
    snapshot = snapshot_of(orders, Cases(np.zeros(6, np.int64), cutoff, {"event": np.tile(np.arange(3), 2)}), OPTIONS)
    waiting = np.expm1(snapshot.column("origin_waiting"))
    np.testing.assert_allclose(waiting, [0, 0, 1] * 2, atol=1e-6)


def test_promise_place_and_numbers(orders: Orders, cases: Cases, snapshot: Snapshot) -> None:
    order = cases.entity
    due = (orders.due_at[order] - cases.cutoff) / DAY
    np.testing.assert_array_equal(snapshot.due_days, due)
    assert (due < 0).any() and np.isnan(due).any()
    same(snapshot.column("due"), [np.copysign(np.log1p(abs(one)), one) for one in due])
    here, there = orders.labels["origin_area"][order], orders.labels["destination"][order]
    same(snapshot.column("same_region"), np.where((here >= 0) & (there >= 0), here == there, np.nan).tolist())
    same(snapshot.column("number:value"), np.log1p(orders.numbers["value"][order]).tolist())
    same(snapshot.column("distance"), np.log1p(orders.distance_km[order]).tolist())
    assert (snapshot.labels["route"] == orders.labels["route"][order]).all()


def with_weather(orders: Orders) -> Orders:
    """Rain of so many millimetres as the day has in its month; that of the south is known two days late, and corrected
    after five."""
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(120)]
    rows: list[tuple[dt.date, str, float, dt.datetime | None]]
    rows = [(day, "north", float(day.day), None) for day in days]
    for late, extra in ((2, 0.0), (5, 100.0)):
        known = [dt.datetime.combine(day, dt.time()) + dt.timedelta(days=late) for day in days]
        rows += [(day, "south", day.day + extra, at) for day, at in zip(days, known, strict=True)]
    table = pa.table(
        {
            "date": pa.array([row[0] for row in rows], pa.date32()),
            "region": [row[1] for row in rows],
            "precipitation": [row[2] for row in rows],
            "known_at": pa.array([row[3] for row in rows], pa.timestamp("us", "UTC")),
        }
    )
    return replace(orders, weather=Weather.from_arrow(table))


def test_weather_is_that_of_the_days_before_as_known_then(orders: Orders, cases: Cases) -> None:
    snapshot = snapshot_of(with_weather(orders), cases, OPTIONS)
    today = [one.item().replace(tzinfo=dt.UTC).astimezone(ZoneInfo("Europe/Berlin")).date() for one in cases.cutoff]
    for case, (order, day, cutoff) in enumerate(zip(cases.entity, today, cases.cutoff, strict=True)):
        for place, label in (("destination", "destination"), ("origin", "origin_area")):
            code = orders.labels[label][order]
            name = orders.label_names[label][code] if code >= 0 else None
            rain = []
            for back in (1, 2, 3):
                that = day - dt.timedelta(days=back)
                known = np.datetime64(that) + 2 * DAY <= cutoff
                if that < dt.date(2024, 1, 1) or name not in ("north", "south") or (name == "south" and not known):
                    rain.append(np.nan)
                else:
                    rain.append(float(that.day))
            assert snapshot.column(f"{place}_precipitation_1")[case] == pytest.approx(rain[0], nan_ok=True)
            mean = np.nanmean(rain) if np.isfinite(rain).any() else np.nan
            assert snapshot.column(f"{place}_precipitation_3")[case] == pytest.approx(mean, nan_ok=True)


def equal(one: Snapshot, other: Snapshot) -> None:
    """Bit by bit, padding apart."""
    assert one.names == other.names
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_array_equal(one.stage, other.stage)
    np.testing.assert_array_equal(one.due_days, other.due_days)
    for name, codes in one.labels.items():
        np.testing.assert_array_equal(codes, other.labels[name])
    for mine, theirs in ((one.own, other.own), *((one.lately[name], other.lately[name]) for name in one.lately)):
        width = min(mine.values.shape[1], theirs.values.shape[1])
        assert mine.lengths.max(initial=0) <= width
        np.testing.assert_array_equal(mine.lengths, theirs.lengths)
        np.testing.assert_array_equal(mine.values[:, :width], theirs.values[:, :width])
        np.testing.assert_array_equal(mine.codes[:, :width], theirs.codes[:, :width])


def test_a_case_does_not_depend_on_the_others(orders: Orders, cases: Cases, snapshot: Snapshot) -> None:
    some = np.random.default_rng(3).permutation(len(cases))[:40]
    equal(snapshot_of(orders, cases.take(some), OPTIONS), snapshot.take(some))


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_later_changes_nothing(seed: int) -> None:
    """Everything that a cutoff does not see yet is altered: events, completions, cancellations, whole orders."""
    random = np.random.default_rng(seed)
    orders = with_weather(random_orders(100, seed=seed))
    cutoff = START + np.timedelta64(int(random.integers(20, 50) * 24), "h")
    cases = event_cases(orders)
    cases = cases.take(cases.cutoff <= cutoff)
    events = orders.events

    def later(instants: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        moved = cutoff + (random.uniform(0, 900, len(instants)) * 3.6e9).astype("timedelta64[us]")
        return np.where(unseen & ~np.isnat(instants), moved, instants)

    unseen = ~((orders.completed_at < cutoff) & (orders.completion_known_at <= cutoff))
    completed = np.where(unseen, later(orders.completed_at, random.random(len(orders)) < 0.5), orders.completed_at)
    completion_known = np.where(
        unseen, np.maximum(completed, later(completed, np.ones(len(orders), bool))), orders.completion_known_at
    )
    cancelled = later(orders.cancelled_at, ~(orders.cancelled_at < cutoff))
    order_of = np.repeat(np.arange(len(orders)), events.lengths)
    new = (events.known_at > cutoff) | (events.occurred_at >= cutoff)
    status = np.where(new, random.integers(0, 3, len(new)), events.columns["status"]).astype(np.int32)
    known = np.where(new, np.maximum(events.known_at, cutoff + DAY), events.known_at)
    unborn = (orders.known_at > cutoff) | (orders.placed_at >= cutoff)
    altered = replace(
        orders,
        events=replace(events, columns={"status": status}, known_at=known, withdrawn_at=cancelled[order_of]),
        completed_at=completed,
        completion_known_at=completion_known,
        cancelled_at=cancelled,
        labels={
            name: np.where(unborn, random.integers(-1, 3, len(orders)), codes).astype(np.int32)
            for name, codes in orders.labels.items()
        },
        numbers={"value": np.where(unborn, 1e6, orders.numbers["value"])},
    )
    equal(snapshot_of(orders, cases, OPTIONS), snapshot_of(altered, cases, OPTIONS))


def test_a_plain_event_log_has_fewer_features(orders: Orders, cases: Cases) -> None:
    nothing = np.full(len(orders), np.nan)
    bare = replace(
        orders,
        labels={},
        label_names={},
        numbers={},
        promised_at=np.full(len(orders), np.datetime64("NaT", "us")),
        due_at=np.full(len(orders), np.datetime64("NaT", "us")),
        origin_latitude=nothing,
        origin_longitude=nothing,
        destination_latitude=nothing,
        destination_longitude=nothing,
        distance_km=nothing,
    )
    found = snapshot_of(bare, cases, OPTIONS)
    assert found.labels == {}
    # all come from one place, for all that is known
    assert np.isfinite(found.column("origin_open")).all()
    assert found.lately["origin"].lengths.max() == OPTIONS.recent
    assert np.isfinite(found.column("age")).all() and np.isnan(found.column("due")).all()


def test_no_cases(orders: Orders) -> None:
    nobody = np.empty(0, np.int64)
    found = snapshot_of(with_weather(orders), Cases(nobody, np.empty(0, "datetime64[us]"), {"event": nobody}), OPTIONS)
    assert len(found) == 0 and len(found.names) == found.features.shape[1]

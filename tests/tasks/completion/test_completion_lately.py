"""What others did lately, against counting it order by order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_shops import Shop, event, order, orders_of
from random_orders import event_cases, random_orders

from forecasting.clock import visible
from forecasting.task import Cases
from tasks.completion.expected import DAYS
from tasks.completion.heard import DAY, NEVER, SHORTEST_DAYS, first_seen, microseconds
from tasks.completion.lately import lately_figures
from tasks.completion.levels import PRIOR
from tasks.completion.orders import Orders
from tasks.completion.past import Past
from tasks.completion.recent import NAMES, recent
from tasks.completion.running_totals import RunningTotals

INSTANTS = st.none() | st.integers(-3, 3)


class Plain:
    """A shop as plain numbers: days since 1970."""

    def __init__(self, orders: Orders) -> None:
        self.orders, events = orders, orders.events
        self.owner = np.repeat(np.arange(len(orders)), events.lengths)
        self.status = events.columns["status"]
        self.placed, self.at = (microseconds(x) / DAY for x in (orders.placed_at, events.occurred_at))
        self.known = microseconds(orders.known_at)
        event_known = np.maximum(microseconds(events.known_at), self.known[self.owner])
        self.event_seen = np.maximum(microseconds(events.occurred_at) + 1, event_known)
        done = np.maximum(microseconds(orders.completed_at) + 1, microseconds(orders.completion_known_at))
        self.done = np.maximum(done, self.known)
        self.done[microseconds(orders.cancelled_at) < self.done] = NEVER
        self.end = microseconds(orders.completed_at) / DAY
        # (seen, order, event, log days that remained) of every event of an order that was ever complete
        self.rests = [
            (max(self.done[o], self.event_seen[e]), o, e, np.log(max(self.end[o] - self.at[e], SHORTEST_DAYS)))
            for e, o in enumerate(self.owner)
            if self.done[o] < NEVER and self.end[o] > self.at[e]
        ]

    def level(self, values: list, cutoff: int, days: float, above: float, prior: float = PRIOR) -> tuple[float, int]:
        """Of (seen, value): the mean of the last days, in which what is above counts `prior` times; how many."""
        taken = [value for seen, value in values if cutoff - days * DAY < seen <= cutoff]
        weight = 0.0 if np.isnan(above) else prior
        if not taken and not weight:
            return np.nan, 0
        return (sum(taken) + weight * np.nan_to_num(above)) / (len(taken) + weight), len(taken)

    def alike(self, label: np.ndarray | None, mine: int, status: int) -> list:
        """The spans of a status of orders in the same group."""
        return [
            rest
            for rest in self.rests
            if self.status[rest[2]] == status
            and (label is None or (label[mine] >= 0 and label[rest[1]] == label[mine]))
        ]

    def expected(self, mine: int, status: int, cutoff: int) -> float:
        """Of all, of the destination, of the route."""
        value = np.nan
        for label in (None, self.orders.labels["destination"], self.orders.labels["route"]):
            rests = [(seen, length) for seen, _, _, length in self.alike(label, mine, status)]
            value, _ = self.level(rests, cutoff, DAYS, value)
        return value


@given(INSTANTS, INSTANTS, st.integers(-4, 4))
def test_what_is_first_seen_is_what_the_clocks_show(occurred: int | None, known: int | None, cutoff: int) -> None:
    instants = [np.array(["NaT" if at is None else at], "datetime64[us]") for at in (occurred, known)]
    seen = first_seen(*instants)[0] <= cutoff
    assert seen == visible(*instants, np.datetime64(cutoff, "us"))[0]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 2), st.floats(-9, 9)), max_size=12),
    st.integers(-1, 2),
    st.integers(-1, 10),
    st.integers(0, 11),
    st.none() | st.integers(1, 4),
)
def test_totals_are_those_of_the_rows_between(
    rows: list[tuple], group: int, after: int, until: int, at_most: int | None
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    seen, groups, values = (np.array([row[k] for row in rows]) for k in range(3))
    totals = RunningTotals.of(seen.astype(np.int64), groups.astype(np.int64), values.astype(np.float64))
    ranks = (totals.rank(np.array([cutoff])) for cutoff in (after, until))
    count, (total,) = totals.between(np.array([group]), *ranks, at_most)
    mine = [value for at, label, value in rows if label == group >= 0 and after < at <= until]
    mine = mine[-at_most:] if at_most else mine
    assert count[0] == len(mine)
    assert total[0] == pytest.approx(sum(mine), abs=1e-4)


def test_totals_do_not_move_by_a_bit_with_what_others_do() -> None:
    random = np.random.default_rng(0)
    seen, values = np.arange(400), random.normal(size=400)
    group = random.integers(0, 2, 400)
    alone = np.flatnonzero(group == 0)
    many = RunningTotals.of(seen, group, np.where(group == 0, values, 1e5))
    one = RunningTotals.of(seen[alone], group[alone], values[alone])
    case, after, until = np.zeros(50, np.int64), np.arange(50), np.arange(50) + 300
    found = [totals.between(case, totals.rank(after), totals.rank(until)) for totals in (many, one)]
    assert found[0][1][0].tobytes() == found[1][1][0].tobytes() and found[0][0].tolist() == found[1][0].tolist()


@pytest.fixture(scope="module")
def shop() -> tuple[Plain, Cases]:
    orders = random_orders(140, seed=5)
    cases = event_cases(orders)
    return Plain(orders), cases.take(np.arange(0, len(cases), 9))


def test_what_is_expected_and_how_lately_surprised(shop: tuple[Plain, Cases]) -> None:
    plain, cases = shop
    orders = plain.orders
    found = lately_figures(orders, cases)
    surprises = {e: length - plain.expected(o, plain.status[e], plain.event_seen[e]) for _, o, e, length in plain.rests}
    told = 0
    for case, mine in enumerate(cases.entity):
        cutoff = int(microseconds(cases.cutoff[case : case + 1])[0])
        status = plain.status[cases.columns["event"][case]]
        wanted = {"expected": plain.expected(mine, status, cutoff)}
        for name, label in {"all": None, **{name: orders.labels[name] for name in ("origin", "route")}}.items():
            rests = [
                (seen, surprises[e]) for seen, _, e, _ in plain.alike(label, mine, status) if np.isfinite(surprises[e])
            ]
            for days in (7, 28) if name == "all" else (28, 90):
                above = 0.0 if name == "all" else wanted["all_28d"]
                wanted[f"{name}_{days}d"], count = plain.level(rests, cutoff, days, above)
                if name != "all":
                    wanted[f"{name}_{days}d_count"] = np.log1p(count)
                    told += count > 3
        for name, value in wanted.items():
            assert found[name][case] == pytest.approx(value, abs=1e-4, nan_ok=True), name
    assert told > 20


def test_gaps_before_events(shop: tuple[Plain, Cases]) -> None:
    plain, cases = shop
    orders = plain.orders
    found = lately_figures(orders, cases)
    cancelled = microseconds(orders.cancelled_at) + 1
    seen = first_seen(orders.events.occurred_at, orders.events.known_at)
    gaps = []
    for o in range(len(orders)):
        rows = np.flatnonzero(plain.owner == o)
        for e in rows[1:]:
            before = [other for other in rows[rows < e] if seen[other] <= seen[e]]
            if before and plain.event_seen[e] < min(plain.done[o], cancelled[o]):
                length = np.log(max(plain.at[e] - plain.at[before[-1]], SHORTEST_DAYS))
                gaps.append((plain.event_seen[e], o, plain.status[e], length))
    for case, mine in enumerate(cases.entity):
        cutoff = int(microseconds(cases.cutoff[case : case + 1])[0])
        for status, name in enumerate(orders.statuses):
            if status == 0:
                continue
            every = [(seen, length) for seen, _, code, length in gaps if code == status]
            level, _ = plain.level(every, cutoff, 28, np.nan)
            assert found[f"gap@{name}_all"][case] == pytest.approx(level, abs=1e-4, nan_ok=True)
            label = orders.labels["origin"]
            same = [(seen, length) for seen, o, code, length in gaps if code == status and label[o] == label[mine] >= 0]
            level, _ = plain.level(same, cutoff, 90, level, 4.0)
            assert found[f"gap@{name}_origin_90d"][case] == pytest.approx(level, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("group", ["origin", "route"])
def test_the_latest_orders_of_a_group(shop: tuple[Plain, Cases], group: str) -> None:
    plain, cases = shop
    orders, past = plain.orders, Past.of(plain.orders)
    label, destination = orders.labels[group], orders.labels["destination"]
    gone = np.minimum(plain.done, microseconds(orders.cancelled_at) + 1)
    found = recent(orders, cases, group, 4)
    assert found.names == NAMES and found.values.shape == (len(cases), 4, len(NAMES))
    kinds = set()
    for case, mine in enumerate(cases.entity):
        cutoff = int(microseconds(cases.cutoff[case : case + 1])[0])
        told = []
        for o in range(len(orders)):
            if label[o] != label[mine] or label[mine] < 0:
                continue
            first = int(orders.events.offsets[o])
            usual = past.expected.at_event[first]
            over = NEVER if np.isnan(usual) else int(microseconds(orders.placed_at)[o] + int(np.exp(usual) * DAY))
            over = max(over, int(plain.known[o]), int(microseconds(orders.placed_at)[o]) + 1)
            if plain.done[o] <= cutoff and plain.end[o] > plain.placed[o]:
                told.append((int(plain.done[o]), o, True))
            elif over <= cutoff < gone[o]:
                told.append((over, o, False))
        wanted = sorted(told)[-4:]
        assert found.lengths[case] == len(wanted)
        for step, (seen, o, complete) in enumerate(wanted):
            shown = dict(zip(NAMES, found.values[case, step], strict=True))
            end = plain.end[o] if complete else cutoff / DAY
            first = int(orders.events.offsets[o])
            assert shown["complete"] == complete
            assert shown["log_days"] == pytest.approx(np.log(max(end - plain.placed[o], SHORTEST_DAYS)), abs=1e-4)
            surprise = np.log(max(end - plain.placed[o], SHORTEST_DAYS)) - past.expected.at_event[first]
            assert shown["surprise"] == pytest.approx(surprise, abs=1e-4, nan_ok=True)
            assert shown["since"] == pytest.approx(np.log1p((cutoff - seen) / DAY), abs=1e-4)
            same = float(destination[o] == destination[mine])
            same = same if min(destination[o], destination[mine]) >= 0 else np.nan
            assert shown["same_destination"] == pytest.approx(same, nan_ok=True)
            of_stage = [
                e
                for e in np.flatnonzero(plain.owner == o)
                if plain.status[e] == plain.status[cases.columns["event"][case]] and plain.event_seen[e] <= cutoff
            ]
            rest = plain.end[o] - plain.at[of_stage[0]] if of_stage and complete else 0
            rest = np.log(max(rest, SHORTEST_DAYS)) if rest > 0 else np.nan
            assert shown["log_rest"] == pytest.approx(rest, abs=1e-4, nan_ok=True)
            latest = [e for e in np.flatnonzero(plain.owner == o) if plain.event_seen[e] <= cutoff]
            cancelled = microseconds(orders.cancelled_at)[o] < cutoff
            assert found.codes[case, step] == (-1 if cancelled else plain.status[latest[-1]])
            kinds.add(complete)
        assert (found.codes[case, len(wanted) :] == -1).all() and (found.values[case, len(wanted) :] == 0).all()
    assert kinds == {True, False}


def test_a_case_without_a_group_or_in_a_shop_without_it_sees_no_orders(shop: tuple[Plain, Cases]) -> None:
    plain, cases = shop
    found = recent(plain.orders, cases, "carrier", 3)
    assert (found.lengths == 0).all() and found.values.shape == (len(cases), 3, len(NAMES))
    nowhere = plain.orders.labels["origin"][cases.entity] < 0
    assert nowhere.any() and (recent(plain.orders, cases, "origin", 3).lengths[nowhere] == 0).all()


def test_late_orders_of_blocks_are_those_of_all(shop: tuple[Plain, Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    plain, cases = shop
    whole = recent(plain.orders, cases, "origin", 3)
    monkeypatch.setattr("tasks.completion.recent._BLOCK", 7)
    parts = recent(plain.orders, cases, "origin", 3)
    assert whole.values.tobytes() == parts.values.tobytes() and (whole.codes == parts.codes).all()


def test_a_region_that_grows_slow_is_told_apart() -> None:
    """From day 60 on orders to "south" take three times as long; what is expected there follows, elsewhere it stays."""
    rows = []
    for number in range(1200):
        placed, region = number / 10, ("north", "south")[number % 2]
        taken = 4 + number * 7 % 10 / 5
        taken *= 3 if region == "south" and placed >= 60 else 1
        rows.append(order(f"o{number:04d}", 24 * placed, 24 * (placed + taken), destination_region=region))
    orders = orders_of(rows)
    by_id = [list(orders.events.entities).index(name) for name in ("o0000", "o0001")]
    north, south = [], []
    for day in (55, 82, 110):
        cutoff = np.repeat(orders.placed_at.min() + np.timedelta64(day, "D"), 2)
        cases = Cases(np.array(by_id), cutoff, {"event": orders.events.offsets[by_id]})
        found = lately_figures(orders, cases)
        for case, told in enumerate((north, south)):
            told.append((found["expected"][case], found["destination_28d"][case]))
    assert all(abs(after[0] - before[0]) < 0.1 for before, after in pairwise(north))
    assert south[0][0] < south[1][0] < south[2][0]
    assert south[2][0] - south[0][0] > 0.4
    # day 82: the first slow ones have arrived, and surprise
    assert south[1][1] > 0.1 > abs(south[0][1]) and abs(north[2][1]) < 0.15


def test_shops_of_hours_of_months_and_of_nothing() -> None:
    for hours in (0.5, 24 * 90):
        orders = orders_of([order(f"o{k:02d}", hours * k, hours * (k + 3)) for k in range(60)])
        cases = event_cases(orders)
        assert lately_figures(orders, cases)["expected"][-1] == pytest.approx(np.log(3 * hours / 24), abs=0.01)
    none = orders_of(Shop([order("a", 0)], [event("a", "shipped", 5)]))
    found = lately_figures(none, event_cases(none))
    assert np.isnan(found["expected"]).all() and (found["all_7d"] == 0).all()
    empty = random_orders(0)
    assert all(len(values) == 0 for values in lately_figures(empty, event_cases(empty)).values())


def test_a_second_shard_builds_no_index_anew(shop: tuple[Plain, Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    plain, cases = shop
    whole, latest = lately_figures(plain.orders, cases), recent(plain.orders, cases, "origin", 3, pool=True)
    monkeypatch.setattr("tasks.completion.lately.Levels.of", None)
    monkeypatch.setattr("tasks.completion.recent._told", None)
    part = np.arange(3, len(cases), 4)
    for name, values in lately_figures(plain.orders, cases.take(part)).items():
        assert values.tobytes() == whole[name][part].tobytes(), name
    again = recent(plain.orders, cases.take(part), "origin", 3, pool=True)
    assert again.values.tobytes() == latest.values[part].tobytes() and (again.codes == latest.codes[part]).all()

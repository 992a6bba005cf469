"""Orders and shops as they come: from the sources to the rows that go out, whatever there is to see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from order_shops import HOUR, TICK, Row, Shop, at, day, event, order, orders_of, steady

from forecasting.pipeline import judge
from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Fit
from tasks.completion.model import fit_completion
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import PLACED, Orders
from tasks.completion.task import CompletionTask

OPTIONS = CompletionOptions(timezone="Europe/Berlin", recent=3, hidden=4, epochs=1)
TASK = CompletionTask(OPTIONS)
NOW = 24 * 91 + 2  # the second hour in UTC of the first of April, the day after clocks were put forward
PLACES = ((54.0, 9.0, "north"), (48.0, 11.0, "south"), (51.0, 7.0, "west"))

Rows = dict[str, list[Row]]


def ordinary() -> Shop:
    """300 orders that take three to seven days from two origins to three regions, promised within six days."""
    shop = steady(300, 92, 5.0)
    for number, row in enumerate(shop.orders):
        latitude, longitude, region = PLACES[number % 3]
        row |= {
            "origin_id": f"w{number % 2}",
            "origin_latitude": 50.0 + number % 2,
            "origin_longitude": 8.0,
            "destination_region": region,
            "destination_latitude": latitude,
            "destination_longitude": longitude,
            "promised_at": 24 * (row["placed_at"] // 24 + 6),
        }
    return shop


USUAL = ordinary().orders[1] | {"completed_at": None}


def odd(order_id: str, placed: float, **changed: Any) -> Row:
    """An open order like the others but for what is changed."""
    return USUAL | {"order_id": order_id, "placed_at": placed, "promised_at": placed + 140.5} | changed


ODD = Shop(
    [
        odd("stamped-before", NOW - 30),
        odd("backwards", NOW - 60),
        odd("never-shipped", NOW - 70),
        odd("shipped-twice", NOW - 70),
        odd("no-such-route", NOW - 30, origin_id="w99", destination_region="nowhere seen"),
        odd("no-place", NOW - 30, origin_id=None, destination_region=None, destination_latitude=None),
        odd("at-sea", NOW - 30, destination_latitude=0.0, destination_longitude=0.0),
        odd("origin-at-sea", NOW - 30, origin_latitude=0.0, origin_longitude=0.0),
        odd("past-promise", NOW - 30, promised_at=NOW - 50),
        odd("due-today", NOW - 120, promised_at=24 * 91 - 2),  # midnight in Berlin, by the summer's clock
        odd("due-yesterday", NOW - 120, promised_at=24 * 90 - 1),
        odd("far-promise", NOW - 30, promised_at=NOW + 24 * 3000),
        odd("no-promise", NOW - 30, promised_at=None),
        odd("just-placed", NOW - 1e-9),
        odd("while-clocks-change", 24 * 90 + 1.5),
        odd("lost", NOW - 24 * 80),
        odd("other-status", NOW - 70),
        odd("enormous", NOW - 70, value=1e300),
    ],
    [
        event("stamped-before", "shipped", NOW - 400),
        event("backwards", "delivered to post", NOW - 50),
        event("backwards", "shipped", NOW - 40),
        event("backwards", "approved", NOW - 30),
        event("shipped-twice", "shipped", NOW - 50),
        event("shipped-twice", "shipped", NOW - 50),
        event("shipped-twice", "shipped", NOW - 20),
        event("while-clocks-change", "shipped", 24 * 90 + 2.5),
        event("other-status", "stuck in customs", NOW - 10),
    ],
)


@pytest.fixture(scope="module")
def orders() -> Orders:
    """The ordinary shop with all odd orders in it."""
    usual = ordinary()
    return orders_of(Shop(usual.orders + ODD.orders, usual.order_events + ODD.order_events), OPTIONS)


@pytest.fixture(scope="module")
def published(orders: Orders) -> dict[str, Rows]:
    """The rows that the model and each baseline would publish, by subject and table."""
    return rows_of(orders, at(NOW), model=True)


@pytest.fixture(scope="module")
def answers(published: dict[str, Rows]) -> dict[str, dict[str, Row]]:
    """The row of each open order, by subject."""
    return {name: {row["order_id"]: row for row in tables["order_completions"]} for name, tables in published.items()}


def rows_of(
    orders: Orders, as_of: np.datetime64, *, model: bool = False, task: CompletionTask = TASK
) -> dict[str, Rows]:
    """The rows of each baseline, and of a model fitted then, after what holds of all rows."""
    subjects: dict[str, Any] = dict(task.baselines(orders, as_of))
    if model:
        subjects["model"] = fit_completion(orders, Fit(as_of), task.options)
    cases = task.cases(orders, as_of)
    return {name: checked(task, orders, cases, subject) for name, subject in subjects.items()}


def checked(task: CompletionTask, orders: Orders, cases: Cases, subject: Any) -> Rows:
    tables = task.rows(orders, cases, subject.predict(orders, cases))
    found = {name: table.to_pylist() for name, table in tables.items()}
    assert len(found["order_completions"]) == len(cases)
    for row in found["order_completions"]:
        assert row["as_of"] < row["completes_p10"] <= row["completes_p50"] <= row["completes_p90"]
        assert row["placed_at"] <= row["stage_at"] <= row["as_of"]
        probability = row["late_probability"]
        assert (probability is None) == (row["promised_at"] is None)
        assert probability is None or 0 <= probability <= 1
    return found


def each(answers: dict[str, dict[str, Row]], order_id: str) -> Iterator[tuple[str, Row, Row]]:
    """(subject, the row of an order, that of an ordinary one of the same age)."""
    for name, rows in answers.items():
        yield name, rows[order_id], rows["no-promise"]


def days_left(row: Row) -> float:
    return (row["completes_p50"] - row["as_of"]).total_seconds() / 86_400


def test_every_open_order_has_a_row_from_every_subject(answers: dict[str, dict[str, Row]]) -> None:
    assert {"model", "route", "origin_route", "ridge", "promise"} <= set(answers)
    for rows in answers.values():
        assert {row["order_id"] for row in ODD.orders} - {"lost"} <= set(rows)


def test_times_out_of_order(answers: dict[str, dict[str, Row]]) -> None:
    for name, row, _ in each(answers, "stamped-before"):
        assert row["stage"] == "shipped" and (row["stage_at"] - row["placed_at"]).total_seconds() < 1e-4, name
    for name, row, _ in each(answers, "backwards"):
        assert row["stage"] == "approved" and days_left(row) < 30, name


def test_missing_and_repeated_stages(answers: dict[str, dict[str, Row]], orders: Orders) -> None:
    for name, row, _ in each(answers, "never-shipped"):
        assert row["stage"] == PLACED and 0 < days_left(row) < 30, name
    for name, row, _ in each(answers, "shipped-twice"):
        assert row["stage"] == "shipped" and np.datetime64(row["stage_at"].replace(tzinfo=None)) == at(NOW - 20), name
    backtest = TASK.backtest_cases(orders, day(88), day(91.5), None)
    mine = np.flatnonzero(orders.events.entities[backtest.entity] == "shipped-twice")
    assert len(mine) == 4  # placed, and shipped three times: once a time


def test_a_status_that_was_never_seen(answers: dict[str, dict[str, Row]]) -> None:
    for name, row, _ in each(answers, "other-status"):
        assert row["stage"] == "stuck in customs" and 0 < days_left(row) < 30, name


def test_unknown_routes(answers: dict[str, dict[str, Row]]) -> None:
    for order_id in ("no-such-route", "no-place"):
        for name, row, usual in each(answers, order_id):
            assert 0.2 * days_left(usual) < days_left(row) < 5 * days_left(usual), name
    assert answers["model"]["no-such-route"]["destination_region"] == "nowhere seen"
    assert answers["model"]["no-place"]["origin_id"] is None


def test_coordinates_at_zero_are_like_none(answers: dict[str, dict[str, Row]]) -> None:
    for order_id in ("at-sea", "origin-at-sea"):
        for name, row, usual in each(answers, order_id):
            assert 0.2 * days_left(usual) < days_left(row) < 5 * days_left(usual), name


def test_promises_in_the_past_are_missed(answers: dict[str, dict[str, Row]]) -> None:
    for order_id in ("past-promise", "due-yesterday"):
        for name, row, _ in each(answers, order_id):
            assert row["late_probability"] == 1, name
    for name, row, _ in each(answers, "far-promise"):
        assert row["late_probability"] < 0.1, name


def test_a_promise_of_today_is_kept_until_midnight_by_the_clock_of_the_day(
    answers: dict[str, dict[str, Row]], orders: Orders
) -> None:
    number = list(orders.events.entities).index("due-today")
    assert orders.due_at[number] == at(24 * 92 - 2) - TICK
    for name, row, _ in each(answers, "due-today"):
        assert row["late_probability"] < 1, name


def test_the_night_in_which_clocks_change(answers: dict[str, dict[str, Row]]) -> None:
    for name, row, usual in each(answers, "while-clocks-change"):
        assert row["stage_at"] - row["placed_at"] == HOUR.astype(object), name
        assert 0.2 * days_left(usual) < days_left(row) < 5 * days_left(usual), name


def test_lost_orders_are_stalled_and_not_forecast(published: dict[str, Rows]) -> None:
    for name, tables in published.items():
        assert [row["order_id"] for row in tables["stalled_orders"]] == ["lost"], name
        assert "lost" not in {row["order_id"] for row in tables["order_completions"]}, name
        assert tables["completed_orders"] and tables["route_times"], name


def test_cases_do_not_depend_on_each_other(orders: Orders) -> None:
    cases = TASK.cases(orders, at(NOW))
    for name, subject in TASK.baselines(orders, at(NOW)).items():
        whole = subject.predict(orders, cases).remaining
        alone = subject.predict(orders, cases.take(np.array([3]))).remaining
        np.testing.assert_array_equal(whole[3:4], alone, err_msg=name)


@pytest.mark.parametrize(
    "rows",
    [
        [order("a", 1)],
        [order("a", 1, promised_at=48), order("b", 2)],
        [order("a", 1, 5)],
        [order("a", 1, 5), order("b", 1, cancelled_at=2), order("c", 3)],
        [order(f"o{number}", 24 * number) for number in range(300)],  # nothing was ever completed
        [order(f"o{number}", number, number) for number in range(300)] + [order("open", 250)],  # all at once
        [order(f"o{number}", 5, 9) for number in range(60)] + [order("open", 6)],  # all alike
    ],
)
def test_baselines_answer_for_any_shop(rows: list[Row]) -> None:
    found = rows_of(orders_of(rows), at(301))
    assert "route" in found and ("promise" in found) == any(row.get("promised_at") for row in rows)


def test_without_a_completion_there_is_nothing_to_learn() -> None:
    orders = orders_of([order(f"o{number}", number) for number in range(300)])
    with pytest.raises(NotEnoughData):
        fit_completion(orders, Fit(day(20)), OPTIONS)
    verdict = judge(TASK, orders, day(20)).verdict
    assert not verdict.passed and verdict.subject_to_publish == "baseline:route"
    assert verdict.reason.startswith("not_enough_data") and "0 orders are known to be complete" in verdict.reason


def test_all_orders_cancelled() -> None:
    orders = orders_of([order(f"o{number}", number, cancelled_at=number + 5) for number in range(50)])
    assert not len(TASK.cases(orders, day(20))) and rows_of(orders, day(20))
    assert not len(TASK.backtest_cases(orders, day(10), day(20), None))


def scaled(by: float, days: float, count: int = 250, events: Sequence[str] = ()) -> Shop:
    """`count` orders of so many days without places or promises, that take about `by` days each, some still open."""
    orders, told = [], []
    for number in range(count):
        placed = 24 * days * number / count
        hours = 24 * by * (0.6 + (number * 7 % 10) / 10)
        orders.append(order(f"o{number:04d}", placed, placed + hours))
        for place, status in enumerate(events):
            told.append(event(f"o{number:04d}", status, placed + hours * place / len(events)))
    return Shop(orders, told)


@pytest.mark.parametrize(
    ("shop", "by"),
    [
        (scaled(1 / 12, 21, 1500), 1 / 12),  # two hours
        (scaled(90, 2000, 250, ("approved", "at sea", "customs")), 90),  # months
        (scaled(4, 40, 80, [f"step {number % 9}" for number in range(14)]), 4),  # a log of activities
    ],
    ids=["hours", "months", "log"],
)
def test_shops_of_any_pace(shop: Shop, by: float) -> None:
    orders = orders_of(shop, OPTIONS)
    as_of = orders.placed_at.max() + TICK
    for name, tables in rows_of(orders, as_of, model=by != 90).items():
        left = [days_left(row) for row in tables["order_completions"]]
        assert len(left) > 4 and 0.05 * by < np.median(left) < 1.5 * by, name
    assert len(TASK.cases(orders, as_of + round(10 * 24 * by) * HOUR)) == 0

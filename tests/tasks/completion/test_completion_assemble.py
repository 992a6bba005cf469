"""Orders from the sources: versions, completions and cancellations, events, places, promises and contents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_shops import HOUR, LATER, START, TICK, Row, Shop, at, event, line, order, orders_of, statuses_of, text

from forecasting.schema import ConfigurationError, DataError
from tasks.completion.assemble import assemble, needs
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import PLACED, Orders
from tasks.completion.status_events import spread


def one(*rows: Row, **more: Any) -> Orders:
    """The dataset of the versions of a single order."""
    orders = orders_of(Shop(list(rows), **more))
    assert len(orders) == 1
    return orders


def hour(instant: np.datetime64) -> float | None:
    return None if np.isnat(instant) else float((instant - START) / HOUR)


def test_an_order_is_placed_once_and_completed_once() -> None:
    orders = one(order("a", 2, 50))
    assert statuses_of(orders, "a") == [(PLACED, 2.0)]
    assert (hour(orders.placed_at[0]), hour(orders.known_at[0]), hour(orders.completed_at[0])) == (2, 2, 50)
    assert not orders.completed(0, at(50)) and orders.completed(0, at(50) + TICK)
    assert not orders.placed(0, at(2)) and orders.placed(0, at(2) + TICK)


def test_what_counts_of_an_order_is_its_version_known_first() -> None:
    orders = one(
        order("a", 3, 60, known_at=70, value=9.0, promised_at=400),
        order("a", 2, known_at=5, value=7.0, promised_at=100.5),
        order("a", 2, 61, known_at=90, value=8.0, cancelled_at=80),
    )
    assert (hour(orders.placed_at[0]), hour(orders.known_at[0])) == (2, 5)
    assert orders.numbers["value"][0] == 7.0 and hour(orders.promised_at[0]) == 100.5
    assert (hour(orders.completed_at[0]), hour(orders.completion_known_at[0])) == (60, 70)
    assert np.isnat(orders.cancelled_at[0])  # told of after the completion: a return
    assert not orders.completed(0, at(70) - TICK) and orders.completed(0, at(70))


def test_a_cancelled_order_is_never_completed() -> None:
    orders = one(order("a", 2, 60, cancelled_at=30), order_events=[event("a", "shipped", 20)])
    assert hour(orders.cancelled_at[0]) == 30 and np.isnat(orders.completed_at[0])
    assert not orders.cancelled(0, at(30)) and orders.cancelled(0, at(30) + TICK)
    seen = [orders.events.visible(np.arange(2), cutoff).tolist() for cutoff in (at(30), at(30) + TICK)]
    assert seen == [[True, True], [False, False]]


def test_a_cancellation_counts_from_when_it_is_known_and_not_before_the_order() -> None:
    orders = one(order("a", 2), order("a", 2, cancelled_at=3, known_at=9))
    assert not orders.cancelled(0, at(9) - TICK) and orders.cancelled(0, at(9))
    assert hour(one(order("a", 2, cancelled_at=1)).cancelled_at[0]) == 2


def test_an_order_completed_before_it_was_placed_is_complete_at_once() -> None:
    assert hour(one(order("a", 5, 3)).completed_at[0]) == 5


INSTANTS = st.none() | st.integers(0, 12)
VERSION = st.tuples(st.integers(0, 12), INSTANTS, INSTANTS, INSTANTS, st.integers(0, 9))
VERSIONS = st.lists(VERSION, min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(VERSIONS)
def test_what_each_cutoff_sees_of_an_order_in_several_versions(versions: list[tuple]) -> None:
    """Against walking from tick to tick and looking at every version; of those known together the first as
    `forecasting.canonical` has them."""

    def tick(number: int | None) -> np.datetime64 | None:
        return None if number is None else START + number * TICK

    orders = one(
        *(
            order("a", tick(placed), tick(completed), cancelled_at=tick(cancelled), known_at=tick(known), value=value)
            for placed, known, completed, cancelled, value in versions
        )
    )
    versions = sorted(versions, key=lambda v: [math.inf if v[k] is None else v[k] for k in (1, 0, 4, 3, 2)])
    placed, completed_at, state = None, None, "unknown"
    for now in range(15):
        known = [v for v in versions if v[0] < now and (v[1] is None or v[1] <= now)]
        if known and state == "unknown":
            placed, state = known[0][0], "open"
            assert orders.numbers["value"][0] == known[0][-1] and orders.placed_at[0] == tick(placed)
        if state == "open":
            told = [max(v[2], placed) for v in known if v[2] is not None and max(v[2], placed) < now]
            if told:
                completed_at, state = told[0], "completed"
            elif any(v[3] is not None and v[3] < now for v in known):
                state = "cancelled"
        cutoff = tick(now)
        assert bool(orders.placed(0, cutoff)) == (state != "unknown")
        assert bool(orders.completed(0, cutoff)) == (state == "completed")
        assert bool(orders.cancelled(0, cutoff)) == (state == "cancelled")
        if state == "completed":
            assert orders.completed_at[0] == tick(completed_at)


def test_events_come_in_order_of_time_and_those_of_an_instant_as_statuses_first_came() -> None:
    orders = orders_of(
        Shop(
            [order("a", 2), order("b", 1)],
            [event("a", "delivered", 9), event("b", "packed", 4), event("a", "packed", 9), event("a", "packed", 5)],
        )
    )
    assert [status for status, _ in statuses_of(orders, "a")] == [PLACED, "packed", "packed", "delivered"]
    assert list(orders.statuses) == [PLACED, "delivered", "packed"] and orders.stages == (PLACED, "delivered", "packed")
    rows = orders.events.occurred_at[:4]
    assert rows[3] - rows[2] == TICK and rows[2] == at(9)
    assert [hour(instant) for instant in orders.events.columns["as_of"][:4]] == [2, 5, 9, 9]


def test_events_stamped_before_their_order_happened_with_it() -> None:
    orders = one(order("a", 10, 90), order_events=[event("a", "approved", 3), event("a", "shipped", 12)])
    assert [(status, round(when, 6)) for status, when in statuses_of(orders, "a")] == [
        (PLACED, 10.0),
        ("approved", 10.0),
        ("shipped", 12.0),
    ]
    assert hour(orders.events.columns["as_of"][1]) == 10


def test_the_event_of_being_placed_is_the_order_itself() -> None:
    orders = one(order("a", 10), order_events=[event("a", PLACED, 10), event("a", PLACED, 15)])
    assert statuses_of(orders, "a") == [(PLACED, 10.0), (PLACED, 15.0)]


def test_events_of_unknown_orders_and_without_a_status_play_no_part() -> None:
    told = [event("nobody", "shipped", 3), event("a", None, 3), event("a", "lost", 4)]
    orders = one(order("a", 1), order_events=told)
    assert statuses_of(orders, "a") == [(PLACED, 1.0), ("lost", 4.0)]


def test_events_are_known_with_their_order_at_the_earliest() -> None:
    orders = one(
        order("a", 1, known_at=8),
        order_events=[event("a", "packed", 3), event("a", "shipped", 5, known=20), event("a", "sent", 9, known=2)],
    )
    known = [hour(instant) for instant in orders.events.known_at]
    assert known == [8, 8, 20, 9]


def test_cases_of_events_know_them_and_are_each_one_of_a_kind() -> None:
    orders = one(
        order("a", 1),
        order_events=[event("a", "scan", 3, known=20), event("a", "scan", 5, known=20), event("a", "scan", 30)] * 2,
    )
    as_of, cutoff = orders.events.columns["as_of"], orders.events.columns["cutoff"]
    assert orders.events.visible(np.arange(7), cutoff).all()
    assert len(set(cutoff.tolist())) == len(set(as_of.tolist())) == 7
    assert (np.abs(as_of - np.array([at(hour) for hour in (1, 20, 20, 20, 20, 30, 30)])) < 5 * TICK).all()
    assert (cutoff - as_of <= 5 * TICK).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), max_size=7), max_size=4))
def test_spread_moves_what_it_must_and_nothing_else(histories: list[list[int]]) -> None:
    histories = [sorted(history) for history in histories]
    entity = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    instants = START + np.array([number for history in histories for number in history], np.int64) * TICK
    expected = []
    for history in histories:
        last = -1
        for number in history:
            last = max(last + 1, number)
            expected.append(last)
    moved = (spread(entity, instants.astype("datetime64[us]")) - START) // TICK
    assert moved.tolist() == expected


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("orders", [order("a", 1), order(None, 1)]),  # type: ignore[arg-type]
        ("orders", [order("a", 1), order("b", None)]),  # type: ignore[arg-type]
        ("order_events", [event("a", "x", 1), event("a", "x", None)]),
        ("order_events", [event("a", "x", 1), event(None, "x", 3)]),  # type: ignore[arg-type]
    ],
)
def test_a_missing_id_or_instant_is_an_error_that_names_its_place(source: str, rows: list[Row]) -> None:
    shop = Shop([order("a", 1)]).with_rows(**{source: rows})
    with pytest.raises(DataError, match=rf"source '{source}', column '(order_id|placed_at|occurred_at)', row 1"):
        orders_of(shop)


def test_without_orders_the_error_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"\[sources\]"):
        assemble({}, CompletionOptions())


def test_coordinates_of_nowhere_are_unknown() -> None:
    rows = [
        order("a", 1, origin_latitude=50.0, origin_longitude=8.0, destination_latitude=0.0, destination_longitude=0.0),
        order("b", 1, origin_latitude=50.0, origin_longitude=8.0, destination_latitude=51.0, destination_longitude=8.0),
        order("c", 1, origin_latitude=99.0, origin_longitude=8.0, destination_latitude=51.0),
    ]
    orders = orders_of(rows)
    assert np.isnan(orders.destination_latitude).tolist() == np.isnan(orders.destination_longitude).tolist()
    assert np.isnan(orders.destination_latitude).tolist() == [True, False, True]
    assert np.isnan(orders.origin_latitude).tolist() == [False, False, True]
    assert np.isnan(orders.distance_km).tolist() == [True, False, True]
    assert orders.distance_km[1] == pytest.approx(111.2, abs=0.3)
    assert text(orders, "destination") == [None, "51N 9E", None]


def test_areas_are_regions_or_cells_or_the_origins_themselves() -> None:
    rows = [
        order("a", 1, origin_id="x", origin_latitude=-23.5, origin_longitude=-46.6, origin_region="SP"),
        order("b", 1, origin_id="y", origin_latitude=-22.1, origin_longitude=-47.9),
        order("c", 1, origin_id="z", destination_region="RJ"),
        order("d", 1, destination_region="RJ", origin_region="MG"),
        order("e", 1),
    ]
    named = orders_of(rows, CompletionOptions(features=("origin_region",)))
    assert text(named, "origin_area") == ["SP", "23S 47W", "z", "MG", None]
    assert text(named, "route") == ["SP > ", "23S 47W > ", "z > RJ", "MG > RJ", None]
    plain = orders_of(rows)
    assert text(plain, "origin_area") == ["23S 47W", "23S 47W", "z", None, None]
    assert text(plain, "route") == ["23S 47W > ", "23S 47W > ", "z > RJ", " > RJ", None]
    assert text(plain, "origin") == ["x", "y", "z", None, None]


def test_an_order_without_a_destination_goes_to_its_customer() -> None:
    people = [
        {"customer_id": "x", "region": "north", "latitude": 54.0, "longitude": 9.0},
        {"customer_id": "y", "region": "far", "known_at": 9},
        {"customer_id": "y", "region": "south", "known_at": 5},
        {"customer_id": "z", "region": "west", "known_at": 6, "latitude": 50.0, "longitude": 6.0},
    ]
    rows = [
        order("a", 5, customer_id="x"),
        order("b", 5, customer_id="x", destination_region="east"),
        order("c", 5, customer_id="y"),
        order("d", 5, customer_id="z"),  # the source tells of this customer only later
        order("e", 5, customer_id="stranger"),
        order("f", 5, customer_id=None),
    ]
    orders = orders_of(Shop(rows, customers=people))
    assert text(orders, "destination") == ["north", "east", "south", None, None, None]
    assert np.isnan(orders.destination_latitude).tolist() == [False, False, True, True, True, True]


def test_contents_are_what_was_known_of_lines_with_their_order() -> None:
    items = [
        {"item_id": "i", "category": "zinc", "weight": 2.0},
        {"item_id": "j", "category": "acid", "known_at": 0},
        {"item_id": "k", "category": "late", "weight": 5.0, "known_at": 9},
    ]
    lines = [
        line("a", "i", 3, unit_price=4.0),
        line("a", "j", 1, unit_price=20.0),
        line("a", "i", -2, unit_price=4.0),
        line("a", "j", 50, unit_price=1.0, known_at=9),
        line("b", "k", 1),
        line("b", "unlisted", 2),
        line("c", "i", 1e300),
        line("nobody", "i"),
    ]
    orders = orders_of(Shop([order("a", 5), order("b", 5, value=7.0), order("c", 5), order("d", 5)], [], lines, items))
    np.testing.assert_array_equal(orders.numbers["units"], [4, 3, np.nan, np.nan])
    np.testing.assert_array_equal(orders.numbers["items"], [2, 2, np.nan, np.nan])
    np.testing.assert_array_equal(orders.numbers["weight"], [6, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(orders.numbers["value"], [32, 7, np.nan, np.nan])
    assert text(orders, "category") == ["acid", None, None, None]


def test_the_category_of_most_units_where_no_price_is_known() -> None:
    items = [{"item_id": "i", "category": "zinc"}, {"item_id": "j", "category": "acid"}]
    orders = orders_of(
        Shop(
            [order("a", 5), order("b", 5)],
            [],
            [line("a", "i", 2), line("a", "j", 1), line("b", "i"), line("b", "j")],
            items,
        )
    )
    assert text(orders, "category") == ["zinc", "acid"]  # of equal ones the first by name


def test_features_are_columns_of_orders() -> None:
    rows = [order("a", 1, carrier="swift", heavy=2.5, category="x"), order("b", 1, heavy=1e300)]
    shop = Shop(rows, [], [line("a", "i")], [{"item_id": "i", "category": "zinc"}])
    options = CompletionOptions(features=("carrier", "heavy", "category", "gift"))
    tables = shop.tables()
    tables["orders"] = tables["orders"].append_column("gift", pa.array([None, True]))
    orders = assemble(tables, options)
    np.testing.assert_array_equal(orders.numbers["heavy"], [2.5, np.nan])
    np.testing.assert_array_equal(orders.numbers["gift"], [np.nan, 1.0])
    assert text(orders, "carrier") == ["swift", None]
    assert text(orders, "category") == ["x", None]  # what the shop names goes before what its lines say
    (main,) = [need for need in needs(options) if need.main]
    assert (main.source, main.extra) == ("orders", options.features)


@pytest.mark.parametrize("name", ["absent", "value", "route", "origin", "known_at", "origin_id"])
def test_a_feature_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        orders_of([order("a", 1)], CompletionOptions(features=(name,)))


def test_a_feature_of_dates_is_refused() -> None:
    tables = Shop([order("a", 1)]).tables()
    tables["orders"] = tables["orders"].append_column("printed", tables["orders"]["placed_at"])
    with pytest.raises(ConfigurationError, match="printed"):
        assemble(tables, CompletionOptions(features=("printed",)))


def test_stages_are_those_of_the_options_and_of_the_data(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop([order("a", 1)], [event("a", "shipped", 2), event("a", "scanned", 3)])
    assert orders_of(shop).stages == (PLACED, "scanned", "shipped")
    options = CompletionOptions(stages=(PLACED, "shipped", "shiped"))
    assert orders_of(shop, options).stages == (PLACED, "shipped")
    assert "shiped" in caplog.text
    caplog.clear()
    assert orders_of([order("a", 1)], options).stages == (PLACED,)
    assert not caplog.text  # a shop without events has nothing to misspell


@pytest.mark.parametrize(
    ("zone", "promised", "due"),
    [
        ("UTC", "2024-03-05T00:00", "2024-03-05T23:59:59.999999"),
        ("UTC", "2024-03-05T13:00", "2024-03-05T13:00"),
        ("Europe/Berlin", "2024-03-04T23:00", "2024-03-05T22:59:59.999999"),
        ("Europe/Berlin", "2024-03-05T00:00", "2024-03-05T00:00"),  # one o'clock in Berlin
        ("Europe/Berlin", "2024-03-30T23:00", "2024-03-31T21:59:59.999999"),  # a day of 23 hours
        ("Europe/Berlin", "2024-10-26T22:00", "2024-10-27T22:59:59.999999"),  # a day of 25
        ("America/Sao_Paulo", "2017-10-15T03:00", "2017-10-16T01:59:59.999999"),  # midnight is skipped: 01:00 begins it
        ("America/Sao_Paulo", "2018-02-17T02:00", "2018-02-18T02:59:59.999999"),  # its last hour comes twice
    ],
)
def test_a_promise_of_a_day_is_kept_until_its_end_whatever_clocks_do(zone: str, promised: str, due: str) -> None:
    instant = np.datetime64(promised, "us")
    orders = orders_of(
        [order("a", 1, promised_at=instant), order("b", 1, promised_at=None)], CompletionOptions(timezone=zone)
    )
    assert orders.promised_at[0] == instant and orders.due_at[0] == np.datetime64(due, "us")
    assert np.isnat(orders.due_at[1])


def test_a_promise_in_the_past_stays_one() -> None:
    orders = one(order("a", 100, promised_at=50.5))
    assert orders.due_at[0] == orders.promised_at[0] < orders.placed_at[0]


def test_holidays_are_those_known_ahead() -> None:
    calendar = [
        {"date": 240, "event": "feast", "region": "north"},
        {"date": 480, "event": "strike", "region": None, "known_at": 500},
        {"date": 96, "event": "fair", "region": None, "known_at": 1},
    ]
    orders = orders_of(Shop([order("a", 1)], calendar=calendar), CompletionOptions(country="DE"))
    days = {str(day): name for day, name in zip(orders.holidays.day, orders.holidays.name, strict=True)}
    assert days["2024-01-11"] == "feast" and days["2024-01-05"] == "fair" and "2024-01-21" not in days
    assert "2024-01-01" in days and "2025-12-25" in days and (np.diff(orders.holidays.day).astype(int) >= 0).all()
    assert not len(orders_of([order("a", 1)]).holidays.day)


def test_a_shop_without_events_promises_places_or_completions() -> None:
    orders = orders_of([{"order_id": "b", "placed_at": 3}, {"order_id": "a", "placed_at": 2}])
    with pytest.raises(DataError, match=r"'completed_at'.*in 100 rows.*every order would count as open"):
        orders_of([{"order_id": str(number), "placed_at": 3} for number in range(100)])
    assert list(orders.events.entities) == ["a", "b"] and list(orders.statuses) == [PLACED]
    assert np.isnat(orders.due_at).all() and np.isnat(orders.completed_at).all() and orders.weather is None
    assert orders.events.on_time and orders.observed() == at(24)
    assert all(value is None for label in ("origin", "route", "destination") for value in text(orders, label))
    assert orders.observed(at(2)).astype(str) == "NaT" and orders.observed(at(5)) == at(5)


def test_observation_ends_with_the_day_of_the_last_thing() -> None:
    shop = Shop([order("a", 1, 60, cancelled_at=900), order("b", 2)], [event("b", "shipped", 100, known=300)])
    orders = orders_of(shop)
    assert orders.observed() == at(120)
    assert orders.observed(at(299)) == at(72) and orders.observed(LATER) == at(120)


def test_no_orders_at_all() -> None:
    table = Shop([order("a", 1)]).tables()["orders"].slice(0, 0)
    orders = assemble({"orders": table}, CompletionOptions(country="BR"))
    assert len(orders) == 0 and list(orders.statuses) == [PLACED]

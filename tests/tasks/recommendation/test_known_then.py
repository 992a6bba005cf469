"""What was not known yet counts nowhere, however the sources tell of it later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from recommendation_shops import DAY, START, ids, interactions_table, journal_of_sessions, orders_tables, stamps
from small_journals import catalogue
from small_journals import journal as written_journal

from tasks.recommendation.assemble import assemble
from tasks.recommendation.folds import backtest_cases, cases_at
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.popularity import Popularity
from tasks.recommendation.rules import Closures
from tasks.recommendation.training import _Judge, fit_network
from tasks.recommendation.visits import visits

OPTIONS = RecommendationOptions(hidden=8, epochs=1)
ORDER = [("o", "c", START + 30 * DAY, ["a"])]


def test_a_late_count_of_an_earlier_day_replaces_no_newer_one():
    stock = pa.table(
        {
            "item_id": ids("aa"),
            "location_id": ids("xx"),
            "observed_at": stamps([START + DAY, START + 5 * DAY]),
            "on_hand": pa.array([0.0, 5.0]),
            "known_at": stamps([START + 10 * DAY, START + 5 * DAY]),
        }
    )
    journal = assemble({"interactions": interactions_table([(None, "s", "a", START)]), "stock": stock}, OPTIONS)
    assert not len(Closures.sold_out(journal.stock).item)


def test_a_count_is_known_after_it_was_made():
    stock = pa.table(
        {"item_id": ids("a"), "location_id": ids("x"), "observed_at": stamps([START]), "on_hand": pa.array([0.0])}
    )
    journal = assemble({"interactions": interactions_table([(None, "s", "a", START)]), "stock": stock}, OPTIONS)
    assert Closures.sold_out(journal.stock).since.tolist() == [START + np.timedelta64(1, "us")]


def test_the_region_of_an_order_is_not_known_before_it_though_coordinates_are():
    tables = orders_tables(ORDER, destination_region=ids(["north"]))
    told = pa.table({"customer_id": ids("c"), "latitude": pa.array([50.0]), "longitude": pa.array([8.0])})
    journal = assemble({**tables, "customers": told}, OPTIONS)
    of = np.array([0])
    assert journal.region_at(of, START + 30 * DAY) == -1
    assert journal.regions[journal.region_at(of, START + 31 * DAY)] == ["north"]


def test_the_place_of_an_order_moves_no_region_before_it():
    """South lies next to north once an order says where its customer lives; until then nobody knows."""
    tables = orders_tables(
        [*ORDER, ("p", "d", START, ["b"])],
        destination_latitude=pa.array([50.0, 51.0]),
        destination_longitude=pa.array([8.0, 8.0]),
    )
    told = pa.table({"customer_id": ids("cd"), "region": ids(["north", "south"])})
    journal = assemble({**tables, "customers": told}, OPTIONS)
    assert (journal.region_at(np.arange(2), START) >= 0).all(), "the source customers says so"
    assert Popularity.fit(journal, START + 2 * DAY).around.nnz == 0
    assert Popularity.fit(journal, START + 31 * DAY).around.nnz == 2


def test_no_place_is_where_software_writes_nought():
    made = written_journal(
        catalogue(2), [("a", 0.0, 0), ("b", 0.0, 1), ("c", 0.0, 1)], regions={"a": "x", "b": "y", "c": "z"}
    )
    made.latitude[:], made.longitude[:] = [50.0, 51.0, 0.0], [8.0, 8.0, 0.0]
    around = Popularity.fit(made, START + DAY).around.toarray()
    assert (around[:2] > 0).tolist() == [[False, True], [True, False]]
    assert not around[2].any()


def test_the_order_of_visits_is_not_that_of_later_rows():
    """Both visits end at one instant, and tomorrow's row of the second stands in front of all others."""
    rows = [("c", "p", "a", START), ("d", "q", "b", START)]
    later = [("d", "q", "b", START + DAY), *rows]
    found, again = (
        visits(assemble({"interactions": interactions_table(r)}, OPTIONS), START + DAY) for r in (rows, later)
    )
    assert found.item.tolist() == again.item.tolist() == [0, 1]


def test_epochs_are_judged_without_items_to_come():
    """The network wants what does not exist yet most of all: that takes no place in a list."""
    items = pa.table(
        {"item_id": ids(["a", "b", "new"]), "introduced_at": stamps([START - DAY, START - DAY, START + 90 * DAY])}
    )
    journal = journal_of_sessions([["a", "b"]] * 5, sources={"items": items})
    cases = backtest_cases(journal, START, START + 9 * DAY)

    def logits(journal: Any, cases: Any) -> np.ndarray:
        return np.tile(np.array([1.0, 2.0, 9.0], np.float32), (len(cases), 1))

    network = SimpleNamespace(logits=logits, forget=lambda: None)
    losses = [_Judge(cast(Any, network), journal, cases, k)(cast(Any, None)) for k in (1, 2)]
    assert losses[0] == pytest.approx(0.5), "b is right every second time"
    assert losses[1] < losses[0]


@pytest.mark.parametrize("features", [(), ("dwell",)])
def test_a_stored_network_answers_where_nothing_is_left_of_the_history(features):
    options = RecommendationOptions(hidden=8, epochs=1, features=features)
    rows = [("c", f"s{number}", item, START + number * DAY) for number in range(20) for item in "abc"]
    sources = {"interactions": interactions_table(rows, dwell=pa.array(np.arange(60.0)))}
    network = fit_network(assemble(sources, options), START + 99 * DAY, options)
    returned = orders_tables([("o", "c", START, [("a", -1.0, 1.0)])], dwell=pa.array([1.0]))
    empty = assemble({**returned, "customers": pa.table({"customer_id": ids("c")})}, options)
    assert not len(empty.events.occurred_at)
    asked = cases_at(empty, options, START + DAY)
    assert len(asked) == 1
    assert network.logits(empty, asked).shape == (1, len(empty.catalogue))

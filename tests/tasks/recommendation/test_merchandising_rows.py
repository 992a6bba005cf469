"""What goes out for the merchandisers' page: items once a run, a stable sample, nothing from beyond the cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_journals import DAY, START, cases, catalogue, counts, journal

from forecasting.contract import ARROW_TYPES
from forecasting.task import Cases
from tasks.recommendation.assortment import withheld
from tasks.recommendation.folds import cases_at
from tasks.recommendation.journal import CART, VIEW, Journal
from tasks.recommendation.merchandising import merchandising_rows
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import OUTPUTS
from tasks.recommendation.sample import KNOWN, LAST, NEW, SESSIONS

OPTIONS = RecommendationOptions()


def published(made: Journal, day: float, shard: int | None = None, options: Any = OPTIONS) -> dict[str, list[Any]]:
    """All rows of a publication in shards, without `case`."""
    every = cases_at(made, options, START + np.timedelta64(round(day * 86400), "s"))
    found: dict[str, list[Any]] = {}
    for start in range(0, max(len(every), 1), shard or max(len(every), 1)):
        part = every.take(np.arange(start, min(start + (shard or len(every)), len(every))))
        for name, table in merchandising_rows(made, options, part).items():
            found.setdefault(name, []).extend(table.drop_columns(["case"]).to_pylist())
    return found


def shop(customers: Sequence[int], sessions: int = 0, new: int = 0) -> Journal:
    """Customers with so many orders each, one a day, and sessions of one view each on day 3."""
    events = [(f"c{number:04d}", float(day), (number + day) % 7) for number, orders in enumerate(customers)
              for day in range(orders)]  # fmt: skip
    events += [(f"s{number:04d}", 3.0, number % 7, VIEW) for number in range(sessions)]
    names = [f"d{number:04d}" for number in range(new)]
    return journal(catalogue(7), events, entities=names, regions=dict.fromkeys(names, "Kent"))


def test_tables_have_the_declared_columns_even_without_rows() -> None:
    made = shop([1, 2])
    for part in (cases_at(made, OPTIONS, START + DAY), cases(made), cases(made, ("c0000", 1.0), ("c0001", 2.0))):
        tables = merchandising_rows(made, OPTIONS, part)
        for output in OUTPUTS[1:]:
            fields = [(column.name, ARROW_TYPES[column.kind]) for column in output.columns]
            assert tables[output.name].schema == pa.schema([("case", pa.int64()), *fields])


def test_items_count_recent_events_seen_by_the_cutoff() -> None:
    items = catalogue(4, category=["A", None, "B", "B"], title=np.array(["One", None, "Three", "Four"], object),
                      price=np.array([1.5, np.nan, 2.0, 3.0]),
                      known_from=START + np.array([-1, -1, -1, 90], "m8[D]"))  # fmt: skip
    events = [("c1", 1.0, 0), ("c1", 40.0, 0), ("c1", 41.0, 1, VIEW), ("s1", 50.0, 1, CART), ("c1", 51.0, 1),
              ("c1", 60.0, 2)]  # fmt: skip
    rows = published(journal(items, events), 55)["recommendation_items"]
    assert [row["item_id"] for row in rows] == ["i000", "i001", "i002"]
    assert [row["events_recent"] for row in rows] == [1, 3, 0]
    assert [row["purchases_recent"] for row in rows] == [1, 1, 0]
    assert [row["share_recent"] for row in rows] == [0.25, 0.75, 0.0]
    assert [(row["title"], row["category"], row["price"]) for row in rows][:2] == [
        ("One", "A", 1.5),
        (None, None, None),
    ]
    assert {row["since"] for row in rows} == {datetime(2024, 1, 24, tzinfo=UTC)}  # four weeks before day 51


def test_why_items_are_withheld() -> None:
    items = catalogue(6, category=["A", "A", "B", "B", None, None], listed=np.array([True] * 5 + [False]))
    made = journal(items, [("c1", 1.0, 0)])
    stock = [(0, 0, 1, 1, 5.0), (0, 0, 2, 2, 0.0), (1, 0, 1, 1, 0.0), (1, 1, 1, 1, 2.0), (4, 0, 9, 9, 0.0)]
    object.__setattr__(made, "stock", counts(stock))
    options = RecommendationOptions(deny=("i001",), deny_categories=("B",))
    said = ["out of stock", "denied", "denied", "denied", None, "not in items"]
    assert list(withheld(made, options, START + 5 * DAY)) == said
    none = RecommendationOptions(exclude_out_of_stock=False)
    assert list(withheld(made, none, START + 5 * DAY)) == [None] * 5 + ["not in items"]


@pytest.mark.parametrize("shard", [1, 7, 20, None])
def test_shards_make_the_same_rows_once(shard: int | None) -> None:
    made = shop([1 + number % 12 for number in range(60)], sessions=20, new=9)
    rows, whole = published(made, 14, shard), published(made, 14)
    assert rows == whole
    for output in OUTPUTS[1:]:
        keys = [tuple(row[name] for name in output.key) for row in rows[output.name]]
        assert len(keys) == len(set(keys)) > 0
    assert len(rows["recommendation_items"]) == 7


def test_the_sample_holds_people_of_all_lengths_and_stays_itself() -> None:
    made = shop([1] * 300 + [3] * 40 + [7] * 30 + [12] * 2, sessions=20, new=9)
    rows = sorted(published(made, 14)["recommendation_samples"], key=lambda row: row["place"])
    assert [row["place"] for row in rows] == list(range(1, KNOWN + NEW + SESSIONS + 1))
    known, new, sessions = rows[:KNOWN], rows[KNOWN : KNOWN + NEW], rows[KNOWN + NEW :]
    lengths = [row["steps"] for row in known]
    assert lengths[:9] == [12, 7, 3, 1, 12, 7, 3, 1, 7]
    assert [lengths.count(length) for length in (12, 7, 3, 1)] == [2, 8, 7, 7]
    assert all(row["steps"] == row["events"] == 0 and row["region"] == "Kent" for row in new)
    assert {row["entity_kind"] for row in sessions} == {"session"} and all(row["steps"] == 1 for row in sessions)
    later = {row["entity_id"] for row in published(made, 15)["recommendation_samples"]}
    assert later == {row["entity_id"] for row in rows}


def test_a_small_shop_is_shown_whole() -> None:
    rows = published(shop([1, 2], sessions=1, new=1), 9)["recommendation_samples"]
    assert sorted(row["entity_id"] for row in rows) == ["c0000", "c0001", "d0000", "s0000"]


def test_histories_are_the_last_events_newest_first() -> None:
    made = shop([LAST + 5])
    rows = published(made, LAST + 3)["recommendation_histories"]
    assert [row["position"] for row in rows] == list(range(1, LAST + 1))
    moment = datetime(2024, 1, LAST + 3, tzinfo=UTC)
    assert rows[0]["occurred_at"] == moment and rows[0]["kind"] == "purchase"
    assert [row["item_id"] for row in rows[:2]] == [f"i00{(LAST + 2) % 7}", f"i00{(LAST + 1) % 7}"]
    facts = published(made, LAST + 3)["recommendation_samples"][0]
    assert facts["steps"] == facts["events"] == LAST + 3


def test_rows_carry_the_case_that_made_them() -> None:
    made = shop([1, 2, 3])
    every = cases_at(made, OPTIONS, START + 9 * DAY)
    tables = merchandising_rows(made, OPTIONS, every.take(np.array([2, 0])))
    assert set(tables["recommendation_items"]["case"].to_pylist()) == {1}
    samples = tables["recommendation_samples"]
    assert dict(zip(samples["case"].to_pylist(), samples["entity_id"].to_pylist(), strict=True)) == {
        0: "c0002", 1: "c0000",
    }  # fmt: skip
    assert tables["recommendation_histories"]["case"].to_pylist() == [0, 0, 0, 1]
    backtest = Cases(every.entity, every.cutoff + np.arange(len(every)) * DAY)
    assert all(not len(table) for table in merchandising_rows(made, OPTIONS, backtest).values())


def test_nobody_and_nothing() -> None:
    empty = journal(catalogue(0), [])
    assert all(not rows for rows in published(empty, 1).values())
    idle = published(journal(catalogue(2), [], entities=["c1"]), 1)
    assert [row["share_recent"] for row in idle["recommendation_items"]] == [0.0, 0.0]
    assert [row["events"] for row in idle["recommendation_samples"]] == [0]


def test_nothing_beyond_the_cutoff_moves_a_row() -> None:
    events = [("c1", 1.0, 0), ("c1", 2.0, 1), ("c2", 3.0, 2), ("s1", 3.5, 3, VIEW)]
    beyond = [("c1", 5.0, 3), ("s1", 6.0, 0), ("c2", 4.0, 0)]
    stock = [(0, 0, 1.0, 1.0, 3.0)]
    before = journal(catalogue(4), events, stock=stock)
    after = journal(catalogue(4), events + beyond, stock=[*stock, (0, 0, 2.0, 5.0, 0.0), (1, 0, 4.0, 4.0, 0.0)])
    assert published(before, 4) == published(after, 4)

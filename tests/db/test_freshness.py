"""How new a source is, whatever its times are stored as, on real databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from db.engines import Warehouse, open_warehouse
from db.extract import locate
from db.freshness import Newest, TooSlow, count, newest
from db.mapping import SourceMapping
from forecasting.schema import SOURCES, DataError, SourceNeed

NOW = datetime(2024, 5, 3, 9, tzinfo=UTC)
PATIENCE = timedelta(hours=72)


@pytest.fixture
def shop(warehouse_url: str) -> Iterator[Warehouse]:
    opened = open_warehouse(warehouse_url, name="shop")
    with opened.writing() as connection:
        if opened.dialect == "postgresql":
            connection.execute(sa.schema.CreateSchema("forecasting"))
    yield opened
    opened.close()


def look(
    shop: Warehouse, columns: str, rows: list[str], *, source: str = "orders", timezone: str = "UTC", seconds: float = 5
) -> Newest | None:
    """The newest row of a table with these columns and rows, as of NOW."""
    with shop.writing() as connection:
        connection.exec_driver_sql(f"create table t ({columns})")
        for row in rows:
            connection.exec_driver_sql(f"insert into t values ({row})")  # noqa: S608
    mapping = SourceMapping(source, table="t", timezone=timezone)
    resolved = locate(SourceNeed(source), shop, mappings={source: mapping})
    assert resolved is not None and resolved.source is SOURCES[source]
    return newest(resolved, NOW, seconds, patience=PATIENCE)


def orders(*times: str) -> list[str]:
    return [f"'o{number}', {time}" for number, time in enumerate(times)]


@pytest.mark.parametrize(
    ("kind", "times", "timezone", "at"),
    [
        ("text", ["'2024-05-02 10:00:00'", "'2024-05-01 10:00:00'", "null"], "UTC", "2024-05-02T10:00"),
        ("text", ["'2024-05-02T10:00:00Z'", "'2024-05-03T10:00:00Z'"], "UTC", "2024-05-02T10:00"),
        ("text", ["'2024-05-02T10:00:00'", "'2024-05-03T10:59:00'"], "Europe/Berlin", "2024-05-03T08:59"),
        ("text", ["'2024-05-02'", "'2024-05-09'", "'n/a'"], "UTC", "2024-05-02T00:00"),
        ("text", ["'20240502'", "'20240509'"], "UTC", "2024-05-02T00:00"),
        ("integer", ["20240502", "20240501", "20991231"], "UTC", "2024-05-02T00:00"),
        ("timestamp", ["'2024-05-02 10:00:00'", "'2024-05-03 12:00:00'"], "UTC", "2024-05-02T10:00"),
        ("timestamp", ["'2024-05-03 10:30:00'", "'2024-05-03 11:30:00'"], "Europe/Berlin", "2024-05-03T08:30"),
        ("date", ["'2024-05-03'", "'2024-05-04'"], "UTC", "2024-05-03T00:00"),
    ],
)
def test_times_are_read_as_they_are_stored_and_none_after_now(
    shop: Warehouse, kind: str, times: list[str], timezone: str, at: str
) -> None:
    found = look(shop, f"order_id text, placed_at {kind}", orders(*times), timezone=timezone)
    assert found is not None and found.at == found.until == datetime.fromisoformat(at).replace(tzinfo=UTC)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_what_never_happens_is_not_the_newest(shop: Warehouse, kind: str) -> None:
    if shop.dialect != "postgresql":
        pytest.skip("SQLite has no infinity")
    found = look(shop, f"order_id text, placed_at {kind}", orders("'infinity'", "'2024-05-02 00:00'", "'2024-06-01'"))
    assert found is not None and found.at == datetime(2024, 5, 2, tzinfo=UTC)


def test_rows_known_ahead_are_no_news(shop: Warehouse) -> None:
    """Prices of the days to come are there, sales are not: the last sale was on the 1st, and its day ended on the
    2nd. Where the column of prices alone is filled, nothing was ever sold."""
    rows = ["'a', 'x', '2024-05-01', 3.0, 9.5", "'a', 'x', '2024-05-02', null, 9.5", "'a', 'x', '2024-05-20', null, 8"]
    columns = "item_id text, location_id text, date text, quantity real, price real"
    assert look(shop, columns, rows, source="sales") == Newest(
        datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("days", "until"),
    [
        (["2024-04-15", "2024-04-22"], "2024-04-29"),  # weeks
        (["2024-02-01", "2024-03-01"], "2024-03-30"),  # months, nearly: the step before
        (["2023-01-01", "2024-04-22"], "2024-05-03"),  # a gap is no grid: 31 days, and never beyond now
        (["2024-04-22"], "2024-04-23"),
        (["2024-04-21", "2024-04-22"], "2024-04-23"),
    ],
)
def test_a_row_of_a_coarser_grid_covers_more_than_its_day(shop: Warehouse, days: list[str], until: str) -> None:
    rows = [f"'a', 'x', '{day}', 3.0" for day in days]
    found = look(shop, "item_id text, location_id text, date date, quantity real", rows, source="sales")
    assert found is not None and min(found.until, NOW).date().isoformat() == until


def test_a_source_without_rows_or_with_no_times_is_told_apart(shop: Warehouse) -> None:
    assert look(shop, "order_id text, placed_at text", orders("null")) is None
    with shop.writing() as connection:
        connection.exec_driver_sql("drop table t")
    with pytest.raises(DataError, match="is no time"):
        look(shop, "order_id text, placed_at text", orders("'1/2/2024'", "'3/4/2024'"))


def test_a_database_that_takes_long_is_stopped(shop: Warehouse) -> None:
    slow = "select '1' as order_id, cast('2024-05-01' as timestamp) as placed_at from pg_sleep(20)"
    if shop.dialect == "sqlite":
        slow = (
            "with recursive n(i) as (select 1 union all select i + 1 from n) "
            "select i as order_id, i as placed_at from n"
        )
    resolved = locate(SourceNeed("orders"), shop, mappings={"orders": SourceMapping("orders", query=slow)})
    assert resolved is not None
    began = time.monotonic()
    with pytest.raises(TooSlow, match=r"within 0\.3 s"):
        newest(resolved, NOW, 0.3, patience=PATIENCE)
    assert time.monotonic() - began < 10
    assert count(shop, sa.select(sa.func.count()).select_from(resolved.relation), 0.2) is None
    assert count(shop, sa.select(sa.literal(7)), 5) == 7, "the connection is as good as before"

"""Mapped sources in real databases: foreign names and types, both roads of reading, and errors that name the remedy."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
from contextlib import closing

import pyarrow as pa
import pytest
import sqlalchemy as sa

from db.bulk import ingest
from db.engines import Warehouse, open_warehouse
from db.extract import extract, locate, read_source
from db.mapping import SourceMapping
from db.quarantine import TooManyBadRows
from forecasting.schema import SOURCES, ConfigurationError, DataError, SourceNeed

HOSTILE = 'Or"der; drop table x --'
ORDERS = SourceNeed("orders")


@pytest.fixture
def shop(warehouse_url):
    """A shop's own database: `create(name, columns, rows)` makes a table in it, `read` opens it as a source."""
    return Shop(warehouse_url)


class Shop:
    def __init__(self, url: str):
        self.url = url
        self.results = open_warehouse(url)
        with self.results.writing():
            pass  # a SQLite file exists from here on

    def create(
        self, name: str, columns: dict[str, sa.types.TypeEngine], rows: list[tuple], schema: str | None = None
    ) -> None:
        table = sa.Table(
            sa.quoted_name(name, quote=True),
            sa.MetaData(),
            *(
                sa.Column(sa.quoted_name(column, quote=True), type_, key=f"k{at}")
                for at, (column, type_) in enumerate(columns.items())
            ),
            schema=schema or ("public" if self.results.dialect == "postgresql" else None),
        )
        with self.results.writing() as connection:
            if schema and self.results.dialect == "postgresql":
                connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            table.create(connection)
            for row in rows:
                connection.execute(sa.insert(table).values({f"k{at}": value for at, value in enumerate(row)}))

    def source(self) -> Warehouse:
        return open_warehouse(self.url, name="shop", role="source")

    def extract(self, need: SourceNeed, mapping: SourceMapping | None = None, **options):
        found = extract([need], self.source(), mappings={need.source: mapping} if mapping else {}, **options)
        return found.tables.get(need.source)

    def both_roads(self, need: SourceNeed, mapping: SourceMapping) -> pa.Table:
        """The table as ADBC reads it, after making sure that the streaming cursor reads the same."""
        resolved = locate(need, self.source(), mappings={need.source: mapping})
        fast, slow = read_source(resolved), read_source(resolved, adbc=False)
        assert fast.table.to_pylist() == slow.table.to_pylist()
        assert fast.table.schema == slow.table.schema
        assert fast.problems == slow.problems
        return fast.table


def test_hostile_names(shop):
    columns = {"select": sa.Integer(), "Placed At %s:x": sa.DateTime(), 'va"lue': sa.Numeric(10, 2), "ünï": sa.Text()}
    shop.create(HOSTILE, columns, [(7, dt.datetime(2020, 1, 1, 12), 12.5, "blue")])
    mapping = SourceMapping(
        "orders",
        table=HOSTILE,
        columns={"order_id": "select", "placed_at": "Placed At %s:x", "value": 'va"lue', "colour": "ünï"},
        timezone="America/Sao_Paulo",
    )
    table = shop.both_roads(SourceNeed("orders", extra=("colour",)), mapping)
    assert table.to_pylist() == [
        {"order_id": "7", "placed_at": dt.datetime(2020, 1, 1, 15, tzinfo=dt.UTC), "value": 12.5, "colour": "blue"}
    ]


def test_foreign_types(shop):
    """Text dates as dbt leaves them, decimals, flags of every kind, ids of every type."""
    columns = {
        "ITEM_ID": sa.Float(),
        "location_id": sa.Numeric(10, 2),
        "date": sa.Text(),
        "quantity": sa.Numeric(12, 3),
        "price": sa.Text(),
        "in_stock": sa.Text(),
        "promotion": sa.Boolean(),
        "deal": sa.Integer(),
        "code": sa.Text(),
    }
    rows = [
        (7.0, 1, "2020-01-01", 2, "9.90", "t", True, 1, "007"),
        (8.5, 2, "2020-01-02 00:00:00", 3.25, "", "false", None, None, None),
    ]
    shop.create("Sales", columns, rows)
    need = SourceNeed("sales", extra=("deal", "code"))
    table = shop.both_roads(need, SourceMapping("sales", table="Sales"))
    assert table.to_pylist() == [
        {"item_id": "7", "location_id": "1", "date": dt.date(2020, 1, 1), "quantity": 2.0, "price": 9.9,
         "promotion": True, "in_stock": True, "deal": 1.0, "code": "007"},
        {"item_id": "8.5", "location_id": "2", "date": dt.date(2020, 1, 2), "quantity": 3.25, "price": None,
         "promotion": None, "in_stock": False, "deal": None, "code": None},
    ]  # fmt: skip


def test_a_query_with_colons_percents_and_a_comment(shop):
    shop.create("cents", {"id": sa.Integer(), "amount": sa.Integer()}, [(1, 1999), (2, 5)])
    query = """
        select id as order_id, '2020-01-01 10:30:00' as placed_at, amount / 100.0 as value, ' :a %s' as note
        from cents -- all;"""
    table = shop.both_roads(SourceNeed("orders", extra=("note",)), SourceMapping("orders", query=query))
    assert sorted(table["value"].to_pylist()) == [0.05, 19.99]
    assert table["note"].to_pylist() == [" :a %s"] * 2
    assert table["placed_at"][0].as_py() == dt.datetime(2020, 1, 1, 10, 30, tzinfo=dt.UTC)


def test_more_rows_than_a_batch(shop, monkeypatch):
    monkeypatch.setattr("db.reads.BATCH_ROWS", 7)
    day = dt.datetime(2020, 1, 1)
    shop.create("orders", {"order_id": sa.Integer(), "placed_at": sa.DateTime()}, [(n, day) for n in range(50)])
    table = shop.both_roads(ORDERS, SourceMapping("orders"))
    assert sorted(table["order_id"].to_pylist(), key=int) == [str(n) for n in range(50)]


def test_sqlite_values_of_any_type_cost_their_row_alone(tmp_path):
    results = open_warehouse(f"sqlite:///{tmp_path / 'a.db'}")
    rows = [(n, "2020-01-01", n / 2) for n in range(5)] + [
        ("A1", "2020-01-01", "dear"),
        (2.0, "never", None),
        ("x", "2020-01-02", "7.5"),
    ]
    with results.writing() as connection:
        connection.exec_driver_sql("create table orders (order_id, placed_at, value)")
        connection.exec_driver_sql("insert into orders values (?, ?, ?)", rows)
    checked = extract([ORDERS], results, limit_share=1).sources["orders"]
    assert dict(checked.problems) == {
        ("value", "is not a finite number"): 1,
        ("placed_at", "is not a time (ISO 8601)"): 1,
    }
    assert checked.table["order_id"].to_pylist() == ["0", "1", "2", "3", "4", "x"]
    assert checked.table["value"].to_pylist() == [0, 0.5, 1, 1.5, 2, 7.5]


def test_reading_waits_for_whoever_holds_the_file(tmp_path):
    """Such as a process that recovers it after another one's crash."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table orders (order_id text, placed_at text)")
        connection.execute("insert into orders values ('1', '2024-05-01')")
        connection.commit()
    resolved = locate(ORDERS, open_warehouse(f"sqlite:///{path}", name="shop", role="source"))
    hold = "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('begin exclusive'); print('held')"
    command = [sys.executable, "-u", "-c", f"{hold}; time.sleep(0.5); c.rollback()", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert read_source(resolved).table.num_rows == 1
        assert holder.wait() == 0


def test_postgresql_types_of_its_own(postgres_database):
    results = open_warehouse(postgres_database)
    with results.writing() as connection:
        for statement in (
            "create type public.mood as enum ('view', 'cart')",
            "create domain public.code as text",
            "create table public.events"
            " (s uuid, i public.code, kind public.mood, occurred_at timestamptz, c char(5), m money, n numeric)",
            "insert into public.events values"
            " ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A', 'cart', '2020-01-01 10:00+02', 'ab', 12.5, 'NaN')",
            "insert into public.events values (null, 'B', 'view', 'infinity', 'ab', null, 1.50)",
        ):
            connection.exec_driver_sql(statement)
    mapping = SourceMapping("interactions", table="public.events", columns={"session_id": "s", "item_id": "i"})
    found = extract(
        [SourceNeed("interactions", extra=("c", "m", "n"))], results, mappings={"interactions": mapping}, limit_share=1
    )
    assert found.tables["interactions"].to_pylist() == [
        {"session_id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "item_id": "A", "kind": "cart",
         "occurred_at": dt.datetime(2020, 1, 1, 8, tzinfo=dt.UTC), "c": "ab", "m": 12.5, "n": None}
    ]  # fmt: skip
    assert dict(found.sources["interactions"].problems) == {("occurred_at", "is missing"): 1}


def test_a_table_in_another_schema_and_a_view(postgres_database):
    shop = Shop(postgres_database)
    shop.create(
        "o.x", {"order_id": sa.Text(), "placed_at": sa.DateTime()}, [("1", dt.datetime(2020, 1, 1))], schema="shop"
    )
    with shop.results.writing() as connection:
        connection.exec_driver_sql('create view public.orders as select * from shop."o.x"')
    assert shop.extract(ORDERS, SourceMapping("orders", table="orders")).num_rows == 1
    shop.create(
        "plain", {"order_id": sa.Text(), "placed_at": sa.DateTime()}, [("2", dt.datetime(2020, 1, 1))], schema="shop"
    )
    assert shop.extract(ORDERS, SourceMapping("orders", table="shop.plain"))["order_id"].to_pylist() == ["2"]


def test_a_table_whose_case_nobody_remembers(postgres_database):
    shop = Shop(postgres_database)
    columns = {"ORDER_ID": sa.Integer(), "PLACED_AT": sa.Text()}
    shop.create("ORDER", columns, [(1, "2020-01-01")], schema="MARTS")
    for name in ("MARTS.ORDER", "marts.order", "Marts.Order"):
        assert shop.extract(ORDERS, SourceMapping("orders", table=name)).num_rows == 1
    shop.create("Order", columns, [(2, "2020-01-01")], schema="MARTS")
    assert shop.extract(ORDERS, SourceMapping("orders", table="MARTS.Order"))["order_id"].to_pylist() == ["2"]
    with pytest.raises(DataError, match=r"no table 'marts.order'.*Did you mean 'MARTS.[oO]"):
        shop.extract(ORDERS, SourceMapping("orders", table="marts.order"))
    with pytest.raises(DataError, match=r"no table 'ordr'"):
        shop.extract(ORDERS, SourceMapping("orders", table="ordr"))


def test_a_table_of_another_schema_is_offered(postgres_database):
    shop = Shop(postgres_database)
    shop.create("orders", {"order_id": sa.Integer()}, [], schema="marts")
    for name in ("orders", "Orders", "other.orders"):
        with pytest.raises(DataError, match=r"Did you mean 'marts.orders'"):
            shop.extract(ORDERS, SourceMapping("orders", table=name))
    with pytest.raises(DataError, match=r"Did you mean 'marts.orders'"):
        shop.extract(ORDERS, SourceMapping("orders", table="marts.order"))


def test_times_as_text_do_not_depend_on_the_server(postgres_database):
    """Whatever time zone and style of dates the database is set to, on both roads."""
    shop = Shop(postgres_database)
    name = sa.engine.make_url(postgres_database).database
    with shop.results.writing() as connection:
        for setting in ("timezone to 'Asia/Kathmandu'", "datestyle to 'German, DMY'"):
            connection.exec_driver_sql(f'alter database "{name}" set {setting}')
    shop.results.close()
    query = """
        select 1 as order_id, cast(timestamptz '2020-01-31 12:00+00' as text) as placed_at,
          cast(date '31/01/2020' as text) as promised_at"""
    table = shop.both_roads(ORDERS, SourceMapping("orders", query=query))
    assert table["placed_at"].to_pylist() == [dt.datetime(2020, 1, 31, 12, tzinfo=dt.UTC)]
    assert table["promised_at"].to_pylist() == [dt.datetime(2020, 1, 31, tzinfo=dt.UTC)]


def test_a_change_of_clocks_is_read_alike_everywhere(shop):
    """A local time that comes twice is the first of the two, one that is skipped is the first moment after the gap:
    columns of times and of text, on both databases and both roads, keep the order of the local times."""
    gap = [dt.datetime(2017, 10, 14, 23, 59, 59), dt.datetime(2017, 10, 15), dt.datetime(2017, 10, 15, 0, 30)]
    twice = [dt.datetime(2018, 2, 17, 23), dt.datetime(2018, 2, 17, 23, 59), dt.datetime(2018, 2, 18)]
    rows = [(n, time, time.isoformat(" ")) for n, time in enumerate([*gap, *twice])]
    shop.create("o", {"order_id": sa.Integer(), "at": sa.DateTime(), "text": sa.Text()}, rows)
    columns = {"placed_at": "at", "completed_at": "text"}
    table = shop.both_roads(ORDERS, SourceMapping("orders", table="o", columns=columns, timezone="America/Sao_Paulo"))
    assert table["placed_at"].to_pylist() == [
        dt.datetime(2017, 10, 15, 2, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2017, 10, 15, 3, tzinfo=dt.UTC),
        dt.datetime(2017, 10, 15, 3, tzinfo=dt.UTC),
        dt.datetime(2018, 2, 18, 1, tzinfo=dt.UTC),
        dt.datetime(2018, 2, 18, 1, 59, tzinfo=dt.UTC),
        dt.datetime(2018, 2, 18, 3, tzinfo=dt.UTC),
    ]
    assert table["completed_at"].equals(table["placed_at"])


def test_date_keys(shop):
    """Whole numbers such as 20111231, as star schemas have them."""
    shop.create("o", {"order_id": sa.Integer(), "placed_at": sa.Integer()}, [(1, 20111231), (2, None)])
    query = "select order_id, placed_at from o where placed_at is not null"
    table = shop.both_roads(ORDERS, SourceMapping("orders", query=query))
    assert table["placed_at"].to_pylist() == [dt.datetime(2011, 12, 31, tzinfo=dt.UTC)]


def test_absent_sources(shop):
    optional = SourceNeed("items", required=False)
    assert shop.extract(optional) is None
    shop.create("items", {"item_id": sa.Text()}, [])
    assert shop.extract(optional) is None  # without rows
    with pytest.raises(DataError, match=r"source 'orders'.*no rows.*load orders FILE"):
        shop.extract(ORDERS)
    with pytest.raises(DataError, match="nor orders and order_lines to derive it from"):
        shop.extract(SourceNeed("sales", instead=("orders", "order_lines")))


def test_what_says_something_beside_orders_alone_is_read_with_them_alone(shop):
    shop.create("locations", {"location_id": sa.Text()}, [("store",)])
    needs = [SourceNeed("orders", required=False), SourceNeed("locations", required=False, only_with="orders")]
    assert not extract(needs, shop.source()).tables
    shop.create("orders", {"order_id": sa.Integer(), "placed_at": sa.DateTime()}, [(1, dt.datetime(2020, 1, 1))])
    assert set(extract(needs, shop.source()).tables) == {"orders", "locations"}


def test_sales_derived_where_absent(shop):
    day = dt.datetime(2020, 1, 1)
    shop.create("orders", {"order_id": sa.Text(), "placed_at": sa.DateTime()}, [("1", day)])
    shop.create(
        "order_lines", {"order_id": sa.Text(), "item_id": sa.Text(), "quantity": sa.Integer()}, [("1", "a", 2)] * 2
    )
    need = SourceNeed("sales", instead=("orders", "order_lines"))
    tables = extract([need], shop.source()).tables
    assert {name: table.num_rows for name, table in tables.items()} == {"orders": 1, "order_lines": 2}
    shop.create("sales", {"item_id": sa.Text(), "location_id": sa.Text(), "date": sa.Date()}, [("a", "x", day.date())])
    assert set(extract([need], shop.source()).tables) == {"sales"}


@pytest.mark.parametrize(
    ("mapping", "error", "said"),
    [
        (
            SourceMapping("orders", table="Olist_order"),
            DataError,
            "no table 'Olist_order'.*Did you mean 'olist_orders'",
        ),
        (
            SourceMapping("orders", table="olist_orders"),
            DataError,
            "lacks the required column 'placed_at'.*sources.orders",
        ),
        (
            SourceMapping("orders", table="olist_orders", columns={"placed_at": "purchased_att"}),
            DataError,
            "column 'placed_at'.*no column 'purchased_att'.*Did you mean 'purchased_at'",
        ),
        (
            SourceMapping("orders", table="olist_orders", columns={"placed": "purchased_at"}),
            DataError,
            "lacks the required column 'placed_at'.*Did you mean 'placed'",
        ),
        (
            SourceMapping("orders", query="select nonsense from nowhere"),
            ConfigurationError,
            "its query cannot be read.*nowhere",
        ),
        (SourceMapping("orders", warehouse="shopp"), ConfigurationError, "'shopp', which is not configured.*'shop'"),
    ],
)
def test_errors_name_place_and_remedy(shop, mapping, error, said):
    shop.create("olist_orders", {"order_id": sa.Text(), "purchased_at": sa.Text()}, [("1", "2020-01-01")])
    with pytest.raises(error, match=f"(?s){said}"):
        shop.extract(ORDERS, mapping)


def test_a_query_that_names_a_column_twice(postgres_database):
    with pytest.raises(ConfigurationError, match="two columns named 'a'"):
        Shop(postgres_database).extract(ORDERS, SourceMapping("orders", query="select 1 as a, 2 as a"))


def test_mappings_that_contradict_themselves():
    with pytest.raises(ConfigurationError, match="both a table and a query"):
        SourceMapping("orders", table="a", query="select 1")
    with pytest.raises(ConfigurationError, match="'Berlin' is no time zone"):
        SourceMapping("orders", timezone="Berlin")
    with pytest.raises(ConfigurationError, match="Did you mean 'orders'"):
        locate(SourceNeed("ordres"), None)


def test_one_percent_goes_aside_twenty_stops(shop):
    rows = [(str(n), "2020-01-01" if n else "?") for n in range(100)]
    shop.create("orders", {"order_id": sa.Text(), "placed_at": sa.Text()}, rows)
    found = extract([ORDERS], shop.source())
    assert found.tables["orders"].num_rows == 99
    assert found.warnings == ("source 'orders': 1 of 100 rows set aside: placed_at is not a time (ISO 8601).",)
    shop.create(
        "bad_orders", {"order_id": sa.Text(), "placed_at": sa.Text()}, [(i, "?" if int(i) < 20 else p) for i, p in rows]
    )
    with pytest.raises(TooManyBadRows) as caught:
        shop.extract(ORDERS, SourceMapping("orders", table="bad_orders"))
    assert caught.value.exit_code == 4 and caught.value.checked.bad == 20
    assert 'as in {"placed_at": "?", "order_id": "0"}' in str(caught.value)
    assert "a query there can write it as YYYY-MM-DD HH:MM:SS" in str(caught.value.remedy)


def test_a_source_of_another_database_streams(tmp_path, monkeypatch):
    """Any dialect that is neither takes the SQLAlchemy cursor: here SQLite under another name."""
    results = open_warehouse(f"sqlite:///{tmp_path / 'a.db'}")
    table = sa.Table("orders", sa.MetaData(), sa.Column("order_id", sa.Text), sa.Column("placed_at", sa.Text))
    with results.writing() as connection:
        table.create(connection)
        ingest(connection, table, pa.table({"order_id": ["1", "2"], "placed_at": ["2020-01-01", "2020-01-02"]}))
    monkeypatch.setattr("db.reads._sqlite", None)
    monkeypatch.setattr("db.reads._postgresql", None)
    monkeypatch.setattr(type(results), "dialect", property(lambda self: "duckdb"))
    assert extract([ORDERS], results).tables["orders"]["order_id"].to_pylist() == ["1", "2"]


def test_every_canonical_source_can_be_located_empty(shop):
    assert all(locate(SourceNeed(name), shop.source()) is None for name in SOURCES)

"""What `init` makes of warehouses that nobody described: shops under their own names, and tables of no shop at all."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from foreign_shops import tuned
from foreign_shops.found import found
from foreign_shops.held_out import HELD_OUT, click_log
from foreign_shops.shop import Shop
from foreign_shops.tuned import TUNED
from foreign_shops.unrelated import unrelated
from foreign_shops.unseen import UNSEEN, retail_rocket, spree

from db.catalogue import tables
from db.engines import Warehouse, open_warehouse
from forecasting.app.console import Console
from forecasting.app.looking.findings import ours
from forecasting.app.looking.look import look
from forecasting.app.looking.names import common_prefixes, words_of
from forecasting.app.workspace import Configuration, Workspace

MISSED = {
    "shopify": {("locations", "location_id"), ("locations", "region")},  # nothing refers to them: no more than a guess
    "odoo": {("orders", "customer_id"), ("customers", "customer_id")},  # partners may be anybody
}
"""What a person finds and `init` does not."""


@pytest.mark.parametrize("make", [*TUNED, *HELD_OUT, *UNSEEN], ids=lambda make: make.__name__)
def test_what_is_in_force_is_what_a_person_would_map(make: Callable[[], Shop], tmp_path: Path) -> None:
    shop, url = make(), f"sqlite:///{tmp_path / 'shop.db'}"
    shop.create(url)
    one = found(shop, url)
    assert not one.wrong
    assert one.missed == MISSED.get(shop.name, set())


@pytest.mark.parametrize("make", [tuned.olist, tuned.online_retail, tuned.german, click_log, retail_rocket])
def test_postgresql_is_read_alike(make: Callable[[], Shop], postgres_database: str) -> None:
    shop = make()
    shop.create(postgres_database)
    one = found(shop, postgres_database)
    assert not one.wrong
    assert one.missed == MISSED.get(shop.name, set())


@pytest.mark.parametrize("make", [tuned.canonical, tuned.olist, tuned.online_retail, tuned.german])
def test_copies_without_keys_or_proper_types_are_read_alike(make: Callable[[], Shop], tmp_path: Path) -> None:
    """`create table ... as select` in SQLite: times are declared as numbers, numbers as floats."""
    shop, url = make(), f"sqlite:///{tmp_path / 'copy.db'}"
    shop.create(f"sqlite:///{tmp_path / 'shop.db'}")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.execute("attach ? as shop", (str(tmp_path / "shop.db"),))
        for table in shop.tables:
            copy.execute(f'create table "{table}" as select * from shop."{table}"')  # noqa: S608  # names of our own
        copy.commit()
    one = found(shop, url)
    assert not one.wrong
    assert one.missed == set()


@pytest.mark.parametrize("declared", ["real", "double precision", "float", "numeric(12, 3)", "int"])
def test_numbers_of_every_type_are_numbers(declared: str, postgres_database: str) -> None:
    engine = sa.create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(sa.text("create table orders (order_id int primary key, customer_id int, placed_at date)"))
        connection.execute(sa.text("insert into orders select n, n % 7, now() from generate_series(1, 60) n"))
        columns = f"order_id int, item_id int, quantity {declared}, unit_price {declared}"
        connection.execute(sa.text(f"create table order_lines ({columns})"))
        connection.execute(
            sa.text("insert into order_lines select n, n % 9, n % 3 + 1, n from generate_series(1, 60) n")
        )
    engine.dispose()
    source = open_warehouse(postgres_database, name="shop", role="source")
    proposal = look(source).proposals["order_lines"]
    source.close()
    assert {name for name, guess in proposal.columns.items() if guess.sure} >= {"quantity", "unit_price"}


def test_hundreds_of_tables_of_no_shop_put_nothing_in_force(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    shop = unrelated(copies=3)
    shop.create(url)
    one = found(shop, url)
    assert one.look.tables > 200 and not one.right | one.wrong
    assert len(one.look.proposals) <= 4, "guesses are few, too"


def test_a_shop_is_found_among_tables_of_no_shop(postgres_database: str) -> None:
    shop, others = tuned.german(), unrelated(copies=1)
    Shop("both", {**others.tables, **shop.tables}, {}, shop.keys, shop.refers).create(postgres_database)
    one = found(shop, postgres_database)
    assert not one.wrong and not one.missed


def test_tables_of_the_suite_are_no_shop(warehouse: Warehouse) -> None:
    workspace = Workspace(Configuration(), Console(quiet=True))
    source = open_warehouse(warehouse.url, role="source")
    assert tables(source, ours(workspace)) == []
    source.close()


def test_other_schemas_views_and_dotted_names_are_read(postgres_database: str) -> None:
    engine = sa.create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(sa.text("create schema sales"))
        connection.execute(sa.text("create schema forecasting"))
        connection.execute(sa.text("create table forecasting.orders (order_id int, customer_id int, placed_at date)"))
        connection.execute(
            sa.text("create table sales.base (order_id int primary key, customer_id int, order_date timestamptz)")
        )
        connection.execute(sa.text('create view sales."shop.orders" as select * from sales.base'))
        connection.execute(sa.text("insert into sales.base select n, n % 7, now() from generate_series(1, 60) n"))
    engine.dispose()
    source = open_warehouse(postgres_database, name="shop", role="source")
    orders = look(source).proposals["orders"]
    source.close()
    assert orders.sure and orders.studied.label == "sales.shop.orders" and not orders.timed
    assert orders.query is not None and 'FROM sales."shop.orders"' in orders.query


def test_a_table_that_nothing_joins_is_no_more_than_a_guess(tmp_path: Path) -> None:
    german = tuned.german()
    strangers = german.tables["Kunden"].assign(KundenNr=lambda table: table["KundenNr"] + 10**6)
    shop = Shop("other", {**german.tables, "Kunden": strangers}, {}, german.keys)
    shop.create(f"sqlite:///{tmp_path / 'shop.db'}")
    customers = found(shop, f"sqlite:///{tmp_path / 'shop.db'}").look.proposals["customers"]
    assert not customers.sure and "0% of the customer_id" in customers.why[-1]


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("Bestellungen", "Bestelldatum", ["03.05.2024", "17.12.2024"]),
        ("Bestellungen", "BestellNr", [1, 2, 3]),
        ("Bestellpositionen", "Menge", ["viel", "wenig"]),
    ],
)
def test_values_speak_against_names(table: str, column: str, values: list[object], tmp_path: Path) -> None:
    german, url = tuned.german(), f"sqlite:///{tmp_path / 'shop.db'}"
    spoilt = german.tables[table].assign(**{column: lambda rows: (values * len(rows))[: len(rows)]})
    shop = Shop("spoilt", {**german.tables, table: spoilt}, german.expected)
    shop.create(url)
    assert not any(theirs == f"{table}.{column}" for _, _, theirs in found(shop, url).right)


def test_a_key_that_repeats_beyond_the_first_rows_is_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    number = np.arange(2400) % 1200
    orders = pd.DataFrame({"order_id": number, "customer_id": number % 9, "placed_at": pd.Timestamp("2024-05-01")})
    shop = Shop("twice", {"orders": orders}, {})
    shop.create(url)
    proposal = found(shop, url).look.proposals["orders"]
    assert not proposal.sure and "order_id is no key: 50%" in proposal.why[-1]


def test_an_order_that_is_complete_at_once_was_bought_then(tmp_path: Path) -> None:
    shop, url = spree(), f"sqlite:///{tmp_path / 'shop.db'}"
    shop.create(url)
    orders = found(shop, url).look.proposals["orders"]
    assert not orders.columns["completed_at"].sure and "20 minutes" in orders.columns["completed_at"].why
    assert orders.query is not None and "completed_at" not in orders.query, "its name alone must not bring it back"


def test_an_empty_table_is_no_more_than_a_guess(tmp_path: Path) -> None:
    german = tuned.german()
    shop = Shop("empty", {name: table[:0] for name, table in german.tables.items()}, {}, german.keys)
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    shop.create(url)
    one = found(shop, url)
    assert not one.right | one.wrong
    assert one.look.proposals["orders"].why[0] == "it holds no rows"


@pytest.mark.parametrize(
    ("name", "concepts"),
    [
        ("KundenNr", ["CUSTOMER", "ID"]),
        ("salesOrderDetail", ["ORDER", "ORDER", "LINE"]),
        ("data_entrega_prevista", ["TIME", "DELIVERY", "PROMISED"]),
        ("createdat", ["CREATED", "TIME"]),
        ("date_expédition", ["TIME", "SHIPPED"]),
        ("order_item_id", ["ORDER", "LINE", "ID"]),
        ("lead_time", ["LEAD"]),
        ("customs", [None]),
        ("заказ", [None]),
    ],
)
def test_names_are_taken_apart(name: str, concepts: list[str | None]) -> None:
    words = words_of(name)
    assert len(words) == len(concepts)
    for word, concept in zip(words, concepts, strict=True):
        assert word.means(concept) > 0 if concept else not word.meanings


def test_a_prefix_of_most_tables_says_nothing() -> None:
    assert common_prefixes(["acme_orders", "acme_items", "acme_users", "log"]) == {"acme"}
    assert common_prefixes(["order_lines", "order_tax", "order_notes"]) == set(), "but a word that is known does"


def test_a_warehouse_is_only_read(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    tuned.canonical().create(f"sqlite:///{file}")
    before = file.read_bytes()
    found(tuned.canonical(), f"sqlite:///{file}")
    assert file.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["shop.db"]


def test_a_view_that_fails_spoils_nothing(tmp_path: Path) -> None:
    shop, url = tuned.german(), f"sqlite:///{tmp_path / 'shop.db'}"
    shop.create(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create table gone (order_id int)"))
        connection.execute(sa.text("create view orders as select order_id, 1 as customer_id from gone"))
        connection.execute(sa.text("drop table gone"))
    engine.dispose()
    one = found(shop, url)
    assert not one.wrong and not one.missed

"""`load`: what comes out of the canonical tables is what stood in the files."""

from __future__ import annotations

import datetime as dt
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from db.evolution import wider
from db.extract import extract
from db.load import AlreadyLoaded, load_file, load_rows
from db.quarantine import TooManyBadRows
from db.tables import LOADS, QUARANTINE
from forecasting.schema import SOURCES, ConfigurationError, DataError, Kind, SourceNeed


@pytest.fixture
def load(warehouse, tmp_path):
    """Writes text to a file and loads it."""

    def load(source: str, text: str, name: str = "rows.csv", **options):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return load_file(warehouse, SOURCES[source], path, **options)

    return load


def rows(warehouse, source: str, *extra: str) -> list[dict]:
    table = extract([SourceNeed(source, extra=extra)], warehouse).tables[source]
    return sorted(table.to_pylist(), key=str)


def ledger(warehouse, table: sa.Table) -> list:
    with warehouse.reading() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def test_a_file_without_a_key_is_appended_once(warehouse, load):
    text = "order_id,item_id,quantity\n1,a,2\n1,a,2\n2,007,-1\n"
    loaded = load("order_lines", text)
    assert (loaded.rows, loaded.inserted, loaded.replaced, loaded.quarantined) == (3, 3, 0, 0)
    with pytest.raises(AlreadyLoaded, match="not loaded twice") as caught:
        load("order_lines", text, name="renamed.csv")
    assert caught.value.exit_code == 1
    load("order_lines", "order_id,item_id,quantity\n3,a,1\n", name="other.csv.gz")
    assert [(r["order_id"], r["item_id"], r["quantity"]) for r in rows(warehouse, "order_lines")] == [
        ("1", "a", 2),
        ("1", "a", 2),
        ("2", "007", -1),
        ("3", "a", 1),
    ]


def test_rows_with_a_key_replace_and_corrections_stand_beside(warehouse, load):
    head = "item_id,location_id,date,quantity"
    load("sales", f"{head}\na,x,2020-01-01,1\na,x,2020-01-02,2\n")
    loaded = load("sales", f"{head},price\na,x,2020-01-02,5,9.5\na,x,2020-01-03,7,\n")
    assert (loaded.inserted, loaded.replaced) == (2, 1)
    assert [(r["quantity"], r["price"]) for r in rows(warehouse, "sales")] == [(1, None), (5, 9.5), (7, None)]
    correction = f"{head},known_at\na,x,2020-01-01,3,2020-01-09\n"
    assert load("sales", correction).replaced == 0
    assert load("sales", correction).replaced == 1
    assert [r["quantity"] for r in rows(warehouse, "sales") if r["date"] == dt.date(2020, 1, 1)] in ([1, 3], [3, 1])


def test_a_key_with_an_absent_part(warehouse, load):
    load("supply", "item_id,lead_time_days\na,3\n")
    load("supply", "item_id,location_id,lead_time_days\na,x,4\nb,,5\n")
    assert load("supply", "item_id,location_id,lead_time_days\na,,7\nb,,6\n").replaced == 2
    found = [(r["item_id"], r["location_id"], r["lead_time_days"]) for r in rows(warehouse, "supply")]
    assert sorted(found, key=str) == [("a", "x", 4), ("a", None, 7), ("b", None, 6)]


def test_columns_are_added_and_types_widened(warehouse, load):
    load("items", "item_id,size,fragile,note\n1,10,true,\n2,7.5,false,\n")
    assert rows(warehouse, "items", "size", "fragile") == [
        {"item_id": "1", "size": 10, "fragile": True},
        {"item_id": "2", "size": 7.5, "fragile": False},
    ]
    load("items", "item_id,size,fragile,Code\n3,XL,maybe,007\n", name="b.csv")
    load("items", "item_id,size,code\n4,8,8\n", name="c.csv")
    assert rows(warehouse, "items", "size", "fragile", "Code") == [
        {"item_id": "1", "size": "10", "fragile": "true", "Code": None},
        {"item_id": "2", "size": "7.5", "fragile": "false", "Code": None},
        {"item_id": "3", "size": "XL", "fragile": "maybe", "Code": "007"},
        {"item_id": "4", "size": "8", "fragile": None, "Code": "8"},
    ]


def test_a_column_mapping_separators_and_hostile_names(warehouse, load):
    text = '\ufeffInvoice;SKU;Qty;wann;se"lect %s:x\n7;A;"2";01;b\n'
    columns = {"order_id": "Invoice", "item_id": "SKU", "quantity": "qty", "odd": 'se"lect %s:x'}
    load("order_lines", text, columns=columns)
    assert rows(warehouse, "order_lines", "odd", "wann") == [
        {"order_id": "7", "item_id": "A", "quantity": 2, "odd": "b", "wann": "01"}
    ]
    with pytest.raises(DataError, match=r"'rows\.csv' lacks the required column 'order_id'"):
        load("order_lines", text + "8;B;1;02;c\n")


def test_parquet_keeps_its_types(warehouse, tmp_path):
    moment = dt.datetime(2020, 1, 1, 12)
    table = pa.table({"order_id": [1, 2], "placed_at": [moment, moment], "vip": [True, None], "tier": ["a", "b"]})
    pq.write_table(table, tmp_path / "orders.parquet")
    load_file(warehouse, SOURCES["orders"], tmp_path / "orders.parquet", timezone="America/Sao_Paulo")
    assert rows(warehouse, "orders", "vip", "tier")[0] == {
        "order_id": "1",
        "placed_at": dt.datetime(2020, 1, 1, 15, tzinfo=dt.UTC),
        "vip": True,
        "tier": "a",
    }


@pytest.mark.parametrize("bad", [1, 20])
def test_bad_rows_go_aside_and_too_many_change_nothing(warehouse, load, bad):
    lines = [f"{n},2020-01-01,{'x' if n < bad else n}" for n in range(99)] + [
        "1,2,3,4" if bad == 1 else "99,2020-01-01,1"
    ]
    text = "order_id,placed_at,value\n" + "\n".join(lines) + "\n"
    if bad == 1:
        assert load("orders", text).quarantined == 2
        assert load("orders", text).replaced == 98  # and the ledger does not grow
        found = ledger(warehouse, QUARANTINE)
        assert [(row["source"], row["reason"]) for row in found] == [
            ("orders", "value is not a finite number"),
            ("orders", "line does not have 3 fields"),
        ]
        assert found[0]["row"] == {"order_id": "0", "placed_at": "2020-01-01", "value": "x"}
        return
    with pytest.raises(TooManyBadRows, match=r"20 of 100 rows"):
        load("orders", text)
    assert ledger(warehouse, QUARANTINE) == ledger(warehouse, LOADS) == []
    assert not sa.inspect(warehouse.engine).has_table("orders", schema=warehouse.schema)


def test_a_load_that_dies_leaves_nothing(warehouse, load, monkeypatch):
    load("items", "item_id\n1\n")

    def die(*args, **options):
        raise RuntimeError

    monkeypatch.setattr("db.load.quarantine.write", die)
    with pytest.raises(RuntimeError):
        load("items", "item_id,size\n1,2\n9,9\n", name="b.csv")
    assert rows(warehouse, "items") == [{"item_id": "1"}]
    columns = sa.inspect(warehouse.engine).get_columns("items", schema=warehouse.schema)
    assert [column["name"] for column in columns] == ["item_id"]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.csv", "", DataError),
        ("a.csv", "item_id,Item_ID\n1,2\n", ConfigurationError),
        ("a.csv.gz", None, DataError),
        ("a.parquet", "no parquet", DataError),
    ],
)
def test_files_that_are_none(warehouse, tmp_path, name, text, error):
    path = tmp_path / name
    path.write_bytes(b"no gzip" if text is None else text.encode())
    with pytest.raises(error, match=str(path)):
        load_file(warehouse, SOURCES["items"], path)


def test_latin_1_is_told_and_can_be_read(warehouse, tmp_path):
    path = tmp_path / "items.csv"
    path.write_bytes("item_id,title\n1,Blüte\n".encode("latin-1"))
    with pytest.raises(TooManyBadRows, match=r"title.*is not valid text"):
        load_file(warehouse, SOURCES["items"], path)
    load_file(warehouse, SOURCES["items"], path, encoding="latin-1")
    assert rows(warehouse, "items") == [{"item_id": "1", "title": "Blüte"}]


def test_rows_from_arrow(warehouse):
    table = pa.table({"order_id": ["1", "1"], "item_id": ["a", "b"], "quantity": [1, 2]})
    assert load_rows(warehouse, SOURCES["order_lines"], table, label="demo").inserted == 2
    with pytest.raises(AlreadyLoaded):
        load_rows(warehouse, SOURCES["order_lines"], table, label="demo")


@pytest.mark.parametrize("first", [Kind.FLAG, Kind.INTEGER, Kind.NUMBER, Kind.DATE, Kind.TIMESTAMP, Kind.TEXT])
@pytest.mark.parametrize("second", [Kind.FLAG, Kind.INTEGER, Kind.NUMBER, Kind.DATE, Kind.TIMESTAMP, Kind.TEXT])
def test_widening_never_narrows(first, second):
    join = wider(first, second)
    assert join is wider(second, first)
    assert wider(join, first) is wider(join, second) is join

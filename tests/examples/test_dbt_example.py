"""examples/dbt: upper case, reserved words, times as text, cents and flags, with a schema and without."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from foreign_warehouse import EXAMPLES, Foreign, source_url, text_of
from made_up_orders import instants, made_up

ZONE = "Europe/Vienna"
END = pd.Timestamp("2024-04-20")
EUROPEAN = "%d/%m/%Y %H:%M"


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    """From November to April: the clock is changed in March. Times are those of whole minutes."""
    made = made_up(420, END)
    for stamp in ("placed", "accepted", "sent", "arrived"):
        made[stamp] = made[stamp].dt.floor("min")
    return made


def tables(orders: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The warehouse. A third of the orders is not express, the others are; `DUE` is some hour of the promised day."""
    number = orders["number"]
    users = pd.DataFrame({"ID": np.arange(60)})
    statuses = {"PACKED": orders["accepted"], "HANDED_OVER": orders["sent"], "DONE": orders["arrived"]}
    events = pd.concat([pd.DataFrame({"ORDER": number, "TO": to, "at": at}) for to, at in statuses.items()]).dropna()
    return {
        "ORDER": pd.DataFrame(
            {
                "ID": number,
                "USER": orders["customer"],
                "CREATED": text_of(orders["placed"], "%Y-%m-%dT%H:%M:%S"),
                "DUE": text_of(orders["promised"] + pd.Timedelta("18h"), EUROPEAN, missing=""),
                "DONE": text_of(orders["arrived"], EUROPEAN, missing=""),
                "CANCELLED": np.where(orders["cancelled"], text_of(orders["accepted"], missing=""), ""),
                "FROM": orders["origin"],
                "TOTAL_CENTS": (orders["price"] * orders["units"] * 100).round().astype(int),
                "EXPRESS": np.where(number % 3 == 0, "N", "Y"),
                "CARRIER": np.where(orders["region"] % 2, "Post", "DHL, or so"),
            }
        ),
        "USER": users.assign(GROUP="region " + (users["ID"] % 4).astype(str), SINCE="2020-02-29"),
        "ORDER_STATUS": events.assign(WHEN=text_of(events.pop("at"), "%Y-%m-%dT%H:%M")),
        "ORDER_LINE": pd.DataFrame(
            {
                "ORDER": number,
                "ITEM": number % 8,
                "UNITS": orders["units"],
                "CENTS": (orders["price"] * 100).round().astype(int),
            }
        ),
        "ITEM": pd.DataFrame({"ID": np.arange(8), "NAME": "Thing", "GROUP": "things", "KG": 0.25}),
        "DIM_DAY": pd.DataFrame({"SK_DAY": [20240101, 20240401], "NAME": ["New Year", "Easter Monday"]}),
    }


@pytest.fixture
def marts(warehouse_url: str, tmp_path: Path, orders: pd.DataFrame) -> Foreign:
    url = source_url(warehouse_url, tmp_path)
    engine = sa.create_engine(url)
    schema = "MARTS" if engine.dialect.name == "postgresql" else None
    with engine.begin() as connection:
        if schema:
            connection.execute(sa.schema.CreateSchema(schema))
        for name, table in tables(orders).items():
            table.to_sql(name, connection, schema=schema, index=False)
    engine.dispose()
    file = EXAMPLES / "dbt" / f"{make(url)}.toml"
    return Foreign(file, "MARTS_URL", url, warehouse_url, tmp_path)


def make(url: str) -> str:
    """postgresql or sqlite."""
    return sa.engine.make_url(url).get_backend_name()


def test_the_two_files_differ_by_the_schema_alone() -> None:
    directory = EXAMPLES / "dbt"
    with_schema = (directory / "postgresql.toml").read_text()
    without = (directory / "sqlite.toml").read_text()
    assert tomllib.loads(with_schema.replace('"MARTS".', "").replace("MARTS.", "")) == tomllib.loads(without)


def test_names_and_types_are_read_as_they_were_meant(marts: Foreign, orders: pd.DataFrame) -> None:
    expected = orders.set_index(orders["number"].astype(str))
    read = marts.read("orders", "express", "carrier").set_index("order_id").loc[expected.index]
    for column, local in (("placed_at", expected["placed"]), ("completed_at", expected["arrived"])):
        pd.testing.assert_series_equal(read[column], instants(local, ZONE), check_names=False)
    due = instants(expected["promised"] + pd.Timedelta("18h"), ZONE)
    pd.testing.assert_series_equal(read["promised_at"], due, check_names=False)
    assert list(read["cancelled_at"].notna()) == list(expected["cancelled"] & expected["accepted"].notna())
    np.testing.assert_allclose(read["value"], expected["price"] * expected["units"])
    assert list(read["origin_id"]) == list(expected["origin"].astype(str))
    assert set(read["express"]) == {"Y", "N"} and set(read["carrier"]) == {"Post", "DHL, or so"}
    assert list(read["destination_region"]) == list("region " + (expected["customer"] % 4).astype(str))

    events = marts.read("order_events").set_index(["status", "order_id"])["occurred_at"].sort_index()
    there = expected["sent"].dropna().sort_index()
    pd.testing.assert_series_equal(events["HANDED_OVER"], instants(there, ZONE), check_names=False)
    lines = marts.read("order_lines").set_index("order_id").loc[expected.index]
    np.testing.assert_allclose(lines["unit_price"], expected["price"])
    assert list(map(str, marts.read("calendar")["date"])) == ["2024-01-01", "2024-04-01"]
    assert marts.read("customers")["signed_up_at"][0] == pd.Timestamp("2020-02-28 23:00", tz="UTC")


def test_check_and_a_night(marts: Foreign, orders: pd.DataFrame) -> None:
    found = marts.document("check")
    assert {task["task"]: task["ready"] for task in found["tasks"]} == {"completion": True, "churn": True}
    assert {one["source"]: one["timezone"] for one in found["sources"] if one["timezone"] == ZONE}.keys() == {
        "orders",
        "order_events",
        "customers",
    }
    said = " ".join(next(task["notes"] for task in found["tasks"] if task["task"] == "completion"))
    assert "runs without origin_latitude and origin_longitude of orders" in said and "distances" in said
    run = marts.document("run", "completion", "--as-of", str(END.date()), code=(0, 3))["runs"][0]
    assert run["published"]
    rows = marts.view("current_order_completions")
    alive = orders[orders["arrived"].isna() & ~orders["cancelled"]]
    assert len(rows) > 0 and set(rows["order_id"]) <= set(alive["number"].astype(str))
    assert set(rows["stage"]) <= {"placed", "PACKED", "HANDED_OVER"} and rows["late_probability"].between(0, 1).all()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("TABLE", '"marts_order"', "has no table 'marts_order'"),
        ("COLUMNS", '{ item_id = "ID", title = "NAMEE" }', "no column 'NAMEE', to which.*Did you mean 'NAME'"),
    ],
)
def test_a_slip_is_answered_with_what_there_is(
    marts: Foreign, monkeypatch: pytest.MonkeyPatch, key: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"FORECASTING_SOURCES__ITEMS__{key}", value)
    found = marts.document("check", code=4)
    assert re.search(said, " ".join(str(error) for error in found["errors"]))


def test_times_written_another_way_are_answered_with_a_row_and_a_way_out(
    marts: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As though nobody had turned them round."""
    owner = "MARTS." if make(marts.source) == "postgresql" else ""
    file = marts.directory / "straight.toml"
    file.write_text(
        f"""
        [warehouses.marts]
        url_env = "MARTS_URL"
        [sources.orders]
        warehouse = "marts"
        table = "{owner}order"
        columns = {{ order_id = "id", placed_at = "created", completed_at = "done" }}
        [tasks.completion]
        """
    )
    straight = Foreign(file, marts.variable, marts.source, marts.results, marts.directory)
    (error,) = straight.document("check", code=4)["errors"]
    assert '"completed_at": "' in error["message"] and "is not a time" in error["message"]
    assert "a query there can write it as YYYY-MM-DD HH:MM:SS" in error["remedy"]

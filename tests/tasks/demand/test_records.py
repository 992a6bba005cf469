"""Sales derived from orders by rule, and days added up to weeks and months."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from demand_shops import ids, sales_table, stamps

from forecasting.schema import ConfigurationError, DataError
from tasks.demand.assemble import assemble
from tasks.demand.options import DemandOptions

EVER = np.datetime64("2100-01-01", "us")


def orders_of(*rows):
    """(order, placed, cancelled) each."""
    return pa.table(
        {
            "order_id": ids(row[0] for row in rows),
            "placed_at": stamps([row[1] for row in rows]),
            "cancelled_at": stamps([row[2] or "NaT" for row in rows]),
        }
    )


def lines_of(*rows):
    """(order, item, quantity, price) each."""
    return pa.table(
        {
            "order_id": ids(row[0] for row in rows),
            "item_id": ids(row[1] for row in rows),
            "quantity": [float(row[2]) for row in rows],
            "unit_price": [row[3] for row in rows],
        }
    )


ORDERS = orders_of(
    ("a", "2024-01-01T10:00", None),
    ("b", "2024-01-01T23:59", None),
    ("c", "2024-01-02T08:00", "2024-01-05T12:00"),
    ("d", "2024-01-03T08:00", None),
)
LINES = lines_of(
    ("a", "apple", 3, 1.0),
    ("a", "postage", 1, 9.0),
    ("b", "apple", 1, 3.0),
    ("b", "apple", -2, 3.0),
    ("c", "apple", 5, 2.0),
    ("d", "pear", 2, 0.0),
    ("lost", "apple", 70, 1.0),
)
ITEMS = pa.table({"item_id": ids(["apple", "pear", "plum"])})


def sold(grid, item, day, length, known_by):
    series = np.flatnonzero(grid.items[grid.item] == item)
    stop = grid.period_of(np.array([np.datetime64(day, "us")]))
    return grid.window(series, stop, length, np.array([np.datetime64(known_by, "us")]))


def test_orders_become_sales_by_the_documented_rules():
    grid = assemble({"orders": ORDERS, "order_lines": LINES, "items": ITEMS}, DemandOptions())
    assert grid.items.tolist() == ["apple", "pear"]
    assert grid.locations.tolist() == ["all"]
    assert sold(grid, "apple", "2024-01-04", 3, "2024-01-04")[0].tolist() == [[4, 5, 0]]
    assert sold(grid, "apple", "2024-01-04", 3, "2024-01-05T12:00")[0].tolist() == [[4, 0, 0]]
    assert sold(grid, "apple", "2024-01-04", 3, "2024-01-05T11:59")[0].tolist() == [[4, 5, 0]]
    price = grid.history(np.array([0]), grid.period_of(np.array([np.datetime64("2024-01-02")])), 1)
    assert price[0, 0].tolist() == [1.5]
    assert grid.window(np.array([0]), grid.period_of(np.array([np.datetime64("2024-01-04")])), 3)[1].all()


def test_without_a_catalogue_every_item_counts():
    grid = assemble({"orders": ORDERS, "order_lines": LINES}, DemandOptions())
    assert grid.items.tolist() == ["apple", "pear", "postage"]


def test_the_location_is_the_lines_then_the_orders_origin():
    orders = pa.table(
        {
            "order_id": ids("ab"),
            "placed_at": stamps(["2024-01-01"] * 2),
            "origin_id": pa.array(["x", None]).dictionary_encode(),
        }
    )
    lines = pa.table(
        {
            "order_id": ids("aab"),
            "item_id": ids("iii"),
            "quantity": [1.0, 2.0, 4.0],
            "location_id": pa.array(["y", None, None]).dictionary_encode(),
        }
    )
    grid = assemble({"orders": orders, "order_lines": lines}, DemandOptions())
    assert grid.locations[grid.location].tolist() == ["all", "x", "y"]


def test_a_late_order_counts_once_it_is_known():
    orders = pa.table(
        {
            "order_id": ids("ab"),
            "placed_at": stamps(["2024-01-01", "2024-01-01"]),
            "known_at": stamps(["2024-01-01", "2024-01-09"]),
        }
    )
    lines = pa.table({"order_id": ids("ab"), "item_id": ids("ii"), "quantity": [1.0, 2.0]})
    grid = assemble({"orders": orders, "order_lines": lines}, DemandOptions())
    assert sold(grid, "i", "2024-01-02", 1, "2024-01-08")[0].tolist() == [[1]]
    assert sold(grid, "i", "2024-01-02", 1, "2024-01-09")[0].tolist() == [[3]]


@pytest.mark.parametrize(("frequency", "expected"), [("W", [[7, 7]]), ("M", [[31, 29]])])
def test_days_add_up_to_weeks_and_months(frequency, expected):
    day = np.arange(91)  # 2024-01-01, a Monday, to 2024-03-31
    rows = {"item": np.ones(91), "location": np.ones(91), "day": day, "quantity": np.ones(91), "promo": day % 2.0}
    grid = assemble({"sales": sales_table(rows)}, DemandOptions(frequency, known_ahead=("promo",)))
    stop = grid.period_of(np.array([np.datetime64({"W": "2024-01-15", "M": "2024-03-01"}[frequency])]))
    assert grid.window(np.array([0]), stop, 2)[0].tolist() == expected
    assert grid.known_ahead(np.array([0]), stop, 1)[0, 0, 0] == pytest.approx({"W": 3 / 7, "M": 15 / 31}[frequency])


def test_a_late_day_adds_to_its_week_and_a_correction_replaces_it():
    known = np.datetime64("2024-01-01", "us") + np.array([1, 2, 3, 20, 30]) * np.timedelta64(1, "D")
    rows = {
        "item": np.ones(5),
        "location": np.ones(5),
        "day": np.array([0, 1, 2, 2, 1]),
        "quantity": np.array([1.0, 2, 4, 10, 0]),
        "known_at": known,
    }
    rows["day"][4] = 5  # a late row of a day of its own
    rows["quantity"][4] = 100
    grid = assemble({"sales": sales_table(rows)}, DemandOptions("W"))

    def week(known_by):
        return sold(grid, "1.0", "2024-01-08", 1, known_by)[0][0, 0]

    assert [week(day) for day in ("2024-01-08", "2024-01-21", "2024-01-31")] == [7, 13, 113]


def test_weeks_keep_the_weekday_of_the_data():
    rows = {
        "item": np.ones(4),
        "location": np.ones(4),
        "day": np.array([3, 10, 17, 24]),
        "quantity": np.arange(4.0) + 1,
    }
    grid = assemble({"sales": sales_table(rows)}, DemandOptions("W"))
    assert str(grid.periods) == "weeks that begin on Thursdays"


def test_a_date_off_the_grid_is_named():
    day = np.append(np.arange(0, 140, 7), 5)
    rows = {"item": np.ones(21), "location": np.ones(21), "day": day, "quantity": np.ones(21)}
    with pytest.raises(DataError, match=r"source 'sales', column 'date'.*row 20 \(2024-01-06\)"):
        assemble({"sales": sales_table(rows)}, DemandOptions("W"))


def test_a_feature_that_the_source_lacks_is_named():
    rows = {"item": np.ones(1), "location": np.ones(1), "day": np.zeros(1), "quantity": np.ones(1)}
    with pytest.raises(ConfigurationError, match="'rain'"):
        assemble({"sales": sales_table(rows)}, DemandOptions(features=("rain",)))


def test_without_sales_and_orders_the_remedy_says_what_to_map():
    with pytest.raises(DataError, match="order_lines"):
        assemble({}, DemandOptions())


def test_texts_are_features_too():
    rows = {"item": np.ones(3), "location": np.ones(3), "day": np.arange(3), "quantity": np.ones(3)}
    table = sales_table(rows).append_column("weather", pa.array(["sun", "rain", "sun"]).dictionary_encode())
    grid = assemble({"sales": table}, DemandOptions(features=("weather",)))
    assert grid.categorical == {"weather"}
    values = grid.history(np.array([0]), grid.period_of(np.array([np.datetime64("2024-01-04")])), 3)[0, :, 0]
    assert values[0] == values[2] != values[1]

"""Calendar and weather as each series sees them, and rows written for the warehouse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from demand_shops import START, ids, sales_table, stamps

from tasks.demand import DemandTask
from tasks.demand.assemble import assemble
from tasks.demand.baselines import baselines
from tasks.demand.example import example
from tasks.demand.options import DemandOptions

REGIONS = pa.table({"location_id": ids("xy"), "region": pa.array(["north", "south"]).dictionary_encode()})


@pytest.fixture
def sales():
    rows = {"item": np.ones(20), "location": np.repeat(["x", "y"], 10), "day": np.tile(np.arange(10), 2)}
    return sales_table({**rows, "quantity": np.ones(20)})


def test_a_calendar_entry_holds_in_its_region_once_it_is_known(sales):
    calendar = pa.table(
        {
            "date": pa.array(START + np.array([12, 12, 14]), pa.date32()),
            "event": ids(["Fair", "New Year", "Strike"]),
            "region": pa.array(["south", None, None]).dictionary_encode(),
            "known_at": stamps([np.datetime64("NaT"), np.datetime64("NaT"), START + 9]),
        }
    )
    grid = assemble({"sales": sales, "locations": REGIONS, "calendar": calendar}, DemandOptions())
    first = grid.period_of(START)
    entries = grid.ahead_names.index("calendar")
    fair = grid.ahead_names.index("calendar:event:Fair")
    seen = grid.known_ahead(
        np.array([0, 1]), np.array([first + 10] * 2), 6, np.array([START + 10] * 2, "datetime64[us]")
    )
    np.testing.assert_array_equal(seen[:, :, entries], [[0, 0, 1, 0, 1, 0], [0, 0, 2, 0, 1, 0]])
    np.testing.assert_array_equal(seen[:, :, fair], [[0] * 6, [0, 0, 1, 0, 0, 0]])
    before = grid.known_ahead(
        np.array([0, 1]), np.array([first + 10] * 2), 6, np.array([START + 8] * 2, "datetime64[us]")
    )
    np.testing.assert_array_equal(before[:, 4, entries], [0, 0])


def test_weather_is_by_location_else_by_region_and_never_ahead(sales):
    weather = pa.table(
        {
            "date": pa.array(START + np.array([3, 3, 4]), pa.date32()),
            "location_id": pa.array(["x", None, None]).dictionary_encode(),
            "region": pa.array([None, "south", "south"]).dictionary_encode(),
            "temperature": [1.0, 2.0, 3.0],
            "condition": ids(["Light rain", "Sunny", "Sunny"]),
        }
    )
    grid = assemble({"sales": sales, "locations": REGIONS, "weather": weather}, DemandOptions())
    at = np.array([grid.period_of(START) + 5] * 2)
    warmth, rain = (grid.history_names.index(name) for name in ("temperature", "weather:rain"))
    seen = grid.history(np.array([0, 1]), at, 2)
    np.testing.assert_array_equal(seen[:, :, warmth], [[1, np.nan], [2, 3]])
    np.testing.assert_array_equal(seen[:, :, rain], [[1, np.nan], [0, 0]])
    then = grid.history(np.array([0, 1]), at, 2, np.array([START + 4] * 2, "datetime64[us]"))
    np.testing.assert_array_equal(then[:, :, warmth], [[1, np.nan], [2, np.nan]])


def test_rows_cover_every_case_and_history_stops_at_the_cutoff():
    shop = example()
    task = DemandTask(shop.options)
    grid = task.assemble(shop.sources)
    cases = task.cases(grid, shop.as_of)
    assert {"item-new"} < set(grid.items[grid.item[cases.entity]])
    forecast = baselines(grid, shop.options, shop.as_of)["empirical_quantiles"].predict(grid, cases)
    tables = task.rows(grid, cases, forecast)
    assert tables["demand_forecasts"].num_rows == len(cases) * shop.options.steps
    first = tables["demand_forecasts"]["date"].to_numpy().min()
    assert first == shop.as_of.astype("datetime64[D]")
    assert tables["demand_history"]["date"].to_numpy().max() < shop.as_of.astype("datetime64[D]")
    plan = tables["reorder_plan"].to_pandas().set_index(["item_id", "location_id"])
    assert plan.loc[("item-new", "north"), "on_hand"] == 50
    assert np.isnan(plan.loc[("item-1", "south"), "order_quantity"])
    assert plan.loc[("item-3", "south"), "lead_time_days"] == 14


def test_options_say_what_is_wrong():
    from forecasting.schema import ConfigurationError

    for wrong in (
        {"frequency": "Q"},
        {"service_level": 1.0},
        {"missing": "no"},
        {"known_ahead": ("a",), "features": ("a",)},
    ):
        with pytest.raises(ConfigurationError, match=r"tasks\.demand"):
            DemandOptions(**wrong)

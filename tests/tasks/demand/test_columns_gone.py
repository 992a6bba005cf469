"""A stored demand model meets a shop whose columns are no longer those it was fitted on: it serves, as if nothing were
the matter with them, and goes on learning."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from demand_shops import START, ids, sales_table

from forecasting.task import Cases, Fit
from tasks.demand import model as demand_model
from tasks.demand.assemble import assemble
from tasks.demand.model import Effort, fit_demand, restore_demand
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

DAYS, FITTED = 90, 80
OPTIONS = DemandOptions("D", 5, known_ahead=("open", "rate", "kind"), features=("rain",), members=1)
BARE = DemandOptions("D", 5, members=1)
USUAL = {"open": 1.0, "rate": 40.0}


@pytest.fixture(scope="module", autouse=True)
def little_effort():
    short = Effort(epochs=2, steps=10, size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Effort, "for_windows", staticmethod(lambda windows, members: short))
        patch.setattr(demand_model, "_SAMPLE", 64)
        yield


def instant(day: int) -> np.datetime64:
    return (START + day).astype("datetime64[us]")


def every_case(grid: SalesGrid) -> Cases:
    return Cases(np.arange(grid.series), np.full(grid.series, instant(FITTED)))


def sales(usual: bool = False, **kept: bool) -> pa.Table:
    """Sales of a shop that is open but for every seventh day, whose rate is about 40: `usual` says that it is open all
    the time and the rate 40. Only columns that are `kept` are there, by default all."""
    random = np.random.default_rng(1)
    item, day = (axis.ravel() for axis in np.meshgrid(np.arange(4), np.arange(DAYS), indexing="ij"))
    rows = {"item": item, "location": item % 2, "day": day, "quantity": random.poisson(2.0, len(day))}
    rows["rain"] = random.random(len(day))
    ours = {"open": (day % 7 > 0) + 0.0, "rate": 40.0 + 9 * (day % 3 - 1)}
    rows |= {name: day * 0 + USUAL[name] for name in ours} if usual else ours
    table = sales_table(rows)
    table = table.append_column("kind", ids(np.array(["sale", "fair", "none"])[day % 3]))
    return table.drop_columns([name for name in ("open", "rate", "kind", "rain") if not kept.get(name, True)])


def calendar(counts: dict[str, int]) -> pa.Table:
    """So many entries of each event, one on each of the last days."""
    events = [(event, DAYS + 5 - number) for event, count in counts.items() for number in range(count)]
    days = START + np.array([day for _, day in events])
    return pa.table({"date": pa.array(days, pa.date32()), "event": ids([event for event, _ in events])})


def test_columns_that_are_gone_read_as_they_usually_were():
    model = fit_demand(assemble({"sales": sales()}, OPTIONS), Fit(instant(FITTED)), OPTIONS)
    stored = restore_demand(model.tensors(), json.loads(json.dumps(model.document())), OPTIONS)
    gone = assemble({"sales": sales(open=False, rate=False, kind=False, rain=False)}, BARE)
    some = DemandOptions("D", 5, known_ahead=("open", "rate"), members=1)
    usual = assemble({"sales": sales(usual=True)}, some)
    ahead = {column.name: column.absent for column in model.features.ahead}
    assert ahead == {"open": 1.0, "rate": 40.0, "kind": None}
    lacking, whole = (stored.averaged(grid, every_case(grid)).mean for grid in (gone, usual))
    assert np.isfinite(lacking).all()
    np.testing.assert_allclose(lacking, whole, rtol=5e-3)
    renewed = stored.renew(gone, Fit(instant(FITTED + 5)))
    assert np.isfinite(renewed.predict(gone, every_case(gone)).quantiles).all()


def test_texts_where_numbers_were_are_another_column():
    model = fit_demand(assemble({"sales": sales()}, OPTIONS), Fit(instant(FITTED)), OPTIONS)
    table = sales()
    at = table.column_names.index("rate")
    worded = table.set_column(at, "rate", ids([f"{rate.as_py():.0f} pct" for rate in table["rate"]]))
    without = DemandOptions("D", 5, known_ahead=("open", "kind"), features=("rain",), members=1)
    changed, lacking = assemble({"sales": worded}, OPTIONS), assemble({"sales": table}, without)
    one, other = (model.averaged(grid, every_case(grid)).mean for grid in (changed, lacking))
    np.testing.assert_array_equal(one, other)


def test_other_events_have_become_the_most_frequent():
    some = {f"event {number:02d}": 20 - number for number in range(13)}
    before, after = ({"sales": sales(), "calendar": calendar(counts)} for counts in (some, some | {"event 12": 30}))
    grid, other = assemble(before, OPTIONS), assemble(after, OPTIONS)
    assert "calendar:event:event 11" in set(grid.ahead_names) - set(other.ahead_names)
    model = fit_demand(grid, Fit(instant(FITTED)), OPTIONS)
    stored = restore_demand(model.tensors(), json.loads(json.dumps(model.document())), OPTIONS)
    for now in (other, assemble({"sales": sales()}, OPTIONS)):
        assert np.isfinite(stored.predict(now, every_case(now)).quantiles).all()
        renewed = stored.renew(now, Fit(instant(FITTED + 5)))
        assert np.isfinite(renewed.predict(now, every_case(now)).quantiles).all()

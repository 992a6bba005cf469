"""A demand model brought up to a later instant: the same each time, blind to what comes after, of the same layout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from demand_shops import START, altered, random_rows, sales_table

from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Fit, Renewable
from tasks.demand import model as demand_model
from tasks.demand import renewal
from tasks.demand.assemble import assemble
from tasks.demand.model import Effort, fit_demand, restore_demand
from tasks.demand.options import DemandOptions

OPTIONS = DemandOptions("D", 5, known_ahead=("promo",), features=("rain",), members=2)


@pytest.fixture(scope="module", autouse=True)
def little_effort():
    short = Effort(epochs=2, steps=10, size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Effort, "for_windows", staticmethod(lambda windows, members: short))
        patch.setattr(demand_model, "_SAMPLE", 64)
        yield


def instant(day: int) -> np.datetime64:
    return (START + day).astype("datetime64[us]")


def grid_of(rows):
    return assemble({"sales": sales_table(rows)}, OPTIONS)


def every_case(grid, day: int) -> Cases:
    return Cases(np.arange(grid.series), np.full(grid.series, instant(day)))


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def rows():
    return random_rows(np.random.default_rng(1), days=90, series=5)


@pytest.fixture(scope="module")
def champion(rows, little_effort):
    return fit_demand(grid_of(rows), Fit(instant(60), seed=3), OPTIONS)


def test_the_same_bytes_each_time_and_the_champion_stays_as_it_is(rows, champion):
    grid, before = grid_of(rows), {name: value.copy() for name, value in champion.tensors().items()}
    first, again = (champion.renew(grid, Fit(instant(70), seed=3)) for _ in range(2))
    other = champion.renew(grid, Fit(instant(70), seed=4))
    assert isinstance(champion, Renewable)
    assert same(first.tensors(), again.tensors())
    assert first.document() == again.document()
    assert not same(first.tensors(), other.tensors())
    assert not same(first.tensors(), before)
    assert same(champion.tensors(), before)


def test_it_says_until_when_it_has_seen_the_world_and_keeps_its_recipe_and_layout(rows, champion):
    renewed = champion.renew(grid_of(rows), Fit(instant(70)))
    assert renewed.trained_until == instant(70)
    assert renewed.recipe == champion.recipe
    assert renewed.document()["features"] == champion.document()["features"]
    assert {name: value.shape for name, value in renewed.tensors().items()} == {
        name: value.shape for name, value in champion.tensors().items()
    }


def test_nothing_past_its_instant_moves_a_weight(rows, champion):
    until = instant(70)
    others = altered(rows, until, np.random.default_rng(2))
    assert same(
        champion.renew(grid_of(rows), Fit(until)).tensors(), champion.renew(grid_of(others), Fit(until)).tensors()
    )


def test_what_came_since_the_last_training_moves_weights(rows, champion):
    sold = dict(rows, quantity=np.where(rows["day"] >= 60, rows["quantity"] + 9, rows["quantity"]))
    one, other = (champion.renew(grid_of(some), Fit(instant(70))).tensors() for some in (rows, sold))
    assert not same(one, other)


def test_a_stored_champion_is_renewed_alike_and_so_is_what_is_stored_of_it(rows, champion):
    grid, cases = grid_of(rows), every_case(grid_of(rows), 70)
    stored = json.loads(json.dumps(champion.document()))
    renewed, again = (
        one.renew(grid, Fit(instant(70))) for one in (champion, restore_demand(champion.tensors(), stored, OPTIONS))
    )
    restored = restore_demand(again.tensors(), json.loads(json.dumps(again.document())), OPTIONS)
    assert same(renewed.tensors(), restored.tensors())
    np.testing.assert_array_equal(renewed.predict(grid, cases).quantiles, restored.predict(grid, cases).quantiles)


def test_a_renewal_that_was_killed_goes_on_where_it_was(rows, champion, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done == 2 and not killed:  # the first network is done
            killed.append(note)
            raise Killed

    killed: list[str] = []
    grid = grid_of(rows)
    whole = champion.renew(grid, Fit(instant(70)))
    with pytest.raises(Killed):
        champion.renew(grid, Fit(instant(70), checkpoint=tmp_path, progress=kill))
    monkeypatch.setattr(renewal, "train", counted := Counted(renewal.train))
    assert same(champion.renew(grid, Fit(instant(70), checkpoint=tmp_path)).tensors(), whole.tensors())
    assert counted.calls == 2
    moved = {name: value * np.float32(1.01) for name, value in champion.tensors().items()}
    other = restore_demand(moved, champion.document(), OPTIONS)
    assert same(
        other.renew(grid, Fit(instant(70), checkpoint=tmp_path)).tensors(),
        other.renew(grid, Fit(instant(70))).tensors(),
    ), "what is left of another champion's renewal is not taken for this one's"


class Counted:
    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments, **named):
        self.calls += 1
        return self.function(*arguments, **named)


def test_without_a_new_period_the_champion_stays(rows, champion):
    assert champion.renew(grid_of(rows), Fit(instant(60) + np.timedelta64(9, "h"))) is champion


def test_a_series_that_began_since_is_forecast_near_what_it_sells(rows, champion):
    """An item that sells 40 a day, where all others sell one or two."""
    day = np.arange(62, 90)
    new = {name: np.repeat(values[:1], len(day)) for name, values in rows.items()}
    new |= {"item": new["item"] * 0 + 99, "day": day, "quantity": day * 0 + 40.0, "in_stock": day > 0}
    new["known_at"] = (START + day + 1).astype("datetime64[us]")
    grid = grid_of({name: np.concatenate([values, new[name]]) for name, values in rows.items()})
    renewed = champion.renew(grid, Fit(instant(85)))
    forecast = renewed.predict(grid, every_case(grid, 85))
    newcomer = grid.items[grid.item] == "99"
    assert 5 * forecast.mean[~newcomer].mean() < forecast.mean[newcomer].mean() < 80


def test_what_is_sold_by_weight_since_is_no_longer_rounded(rows, champion):
    assert champion.features.counted
    weighed = dict(rows, quantity=np.where(rows["day"] == 65, rows["quantity"] + 0.5, rows["quantity"]))
    grid = grid_of(weighed)
    renewed = champion.renew(grid, Fit(instant(70)))
    assert not renewed.features.counted
    assert (renewed.predict(grid, every_case(grid, 70)).quantiles % 1).any()
    assert champion.renew(grid, Fit(instant(64))).features.counted


def test_a_history_that_is_gone_is_said_so(rows, champion):
    late = {name: values[rows["day"] > 85] for name, values in rows.items()}
    with pytest.raises(NotEnoughData):
        champion.renew(grid_of(late), Fit(instant(88)))

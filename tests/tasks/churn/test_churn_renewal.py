"""A churn model brought up to a later night: the same each time, blind to what comes after, on the same layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_customers import BEGIN, DAY, customers_at, steady_shop

from forecasting.schema import NotEnoughData
from forecasting.task import Fit, Renewable
from tasks.churn import training
from tasks.churn.customers import Customers
from tasks.churn.folds import cases_at
from tasks.churn.model import ChurnModel, fit_churn, restore_churn
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes

UNTIL, LATER = BEGIN + 140 * DAY, BEGIN + 200 * DAY
OPTIONS = ChurnOptions(horizon_days=30, active_days=60, hidden=8, epochs=2)


@pytest.fixture(scope="module")
def customers() -> Customers:
    """A shop that is half as busy from its twentieth week on."""
    return steady_shop(1500, 240, activity=np.where(np.arange(35) < 20, 1.0, 0.5))


@pytest.fixture(scope="module")
def champion(customers: Customers) -> ChurnModel:
    return fit_churn(customers, Fit(UNTIL, seed=3), OPTIONS)


@pytest.fixture(scope="module")
def renewed(customers: Customers, champion: ChurnModel) -> ChurnModel:
    return champion.renew(customers, Fit(LATER, seed=3))


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def up_to(customers: Customers, until: np.datetime64, thinned: float = 1.0) -> Customers:
    """The same customers, as if nothing came after; `thinned`: with this share of what came since UNTIL."""
    entity, at = np.repeat(np.arange(len(customers)), customers.purchases.lengths), customers.purchases.occurred_at
    kept = (at < until) & ((at < UNTIL) | (np.random.default_rng(0).random(len(at)) < thinned))
    return customers_at(entity[kept], (at[kept] - BEGIN) / DAY, len(customers))


def test_it_has_seen_the_world_until_then_and_keeps_recipe_and_layout(
    champion: ChurnModel, renewed: ChurnModel
) -> None:
    assert isinstance(champion, Renewable)
    assert champion.trained_until == UNTIL and renewed.trained_until == LATER
    assert renewed.recipe == champion.recipe
    for part in ("network", "regression"):
        assert renewed.document()[part] == champion.document()[part]
    assert not same(renewed.tensors(), champion.tensors())
    basis = [name for name in champion.tensors() if name in ("regression.centre", "regression.knots")]
    assert basis and all(np.array_equal(renewed.tensors()[name], champion.tensors()[name]) for name in basis)


def test_the_same_bytes_each_time_also_of_a_stored_champion(
    customers: Customers, champion: ChurnModel, renewed: ChurnModel
) -> None:
    stored = restore_churn(champion.tensors(), json.loads(json.dumps(champion.document())), OPTIONS)
    again = stored.renew(customers, Fit(LATER, seed=3))
    assert same(again.tensors(), renewed.tensors()) and again.document() == renewed.document()
    assert not same(champion.renew(customers, Fit(LATER, seed=4)).tensors(), renewed.tensors())


def test_nothing_to_come_is_seen_and_what_came_since_is(
    customers: Customers, champion: ChurnModel, renewed: ChurnModel
) -> None:
    blind = champion.renew(up_to(customers, LATER), Fit(LATER, seed=3))
    assert same(blind.tensors(), renewed.tensors()) and blind.document() == renewed.document()
    fewer = champion.renew(up_to(customers, LATER, thinned=0.8), Fit(LATER, seed=3))
    assert not same(fewer.tensors(), renewed.tensors())


def test_it_follows_the_shop_as_a_fit_from_scratch_does(
    customers: Customers, champion: ChurnModel, renewed: ChurnModel
) -> None:
    cases = cases_at(customers, OPTIONS, LATER)
    churned = outcomes(customers, cases).churned(30.0)
    loss, fresh = {}, fit_churn(customers, Fit(LATER), OPTIONS)
    for name, model in {"champion": champion, "renewed": renewed, "fresh": fresh}.items():
        p = np.clip(model.predict(customers, cases).at(30.0), 1e-4, 1 - 1e-4)
        loss[name] = -np.mean(np.where(churned, np.log(p), np.log(1 - p)))
    assert loss["renewed"] < loss["champion"]
    assert loss["renewed"] < loss["fresh"] + 0.01


def test_where_no_purchase_came_the_champion_stays(customers: Customers, champion: ChurnModel) -> None:
    assert champion.renew(up_to(customers, UNTIL), Fit(LATER)) is champion


def test_a_region_that_is_new_is_unknown_to_the_network(customers: Customers, champion: ChurnModel) -> None:
    moved = replace(customers, region=np.zeros(len(customers), np.int32), regions=np.array(["atlantis"], object))
    renewed = champion.renew(moved, Fit(LATER, seed=3))
    assert np.isfinite(renewed.predict(moved, cases_at(moved, OPTIONS, LATER)).survival).all()


def test_a_history_that_is_gone_is_said_so(customers: Customers, champion: ChurnModel) -> None:
    at = customers.purchases.occurred_at
    late = at > LATER - 20 * DAY
    entity = np.repeat(np.arange(len(customers)), customers.purchases.lengths)
    short = customers_at(entity[late], (at[late] - BEGIN) / DAY, len(customers))
    with pytest.raises(NotEnoughData):
        champion.renew(short, Fit(LATER))


def test_a_renewal_that_was_killed_goes_on_where_it_was(
    customers: Customers, champion: ChurnModel, renewed: ChurnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = champion.renew(customers, Fit(LATER, seed=3, checkpoint=tmp_path))
    assert same(done.tensors(), renewed.tensors())
    with monkeypatch.context() as patch:
        patch.setattr(training, "hazard_loss", None)  # no step is to be done again
        again = champion.renew(customers, Fit(LATER, seed=3, checkpoint=tmp_path))
    assert same(again.tensors(), renewed.tensors())
    tensors = {name: value * np.float32(1.01) for name, value in champion.tensors().items() if "network" in name}
    other = restore_churn({**champion.tensors(), **tensors}, champion.document(), OPTIONS)
    fresh = other.renew(customers, Fit(LATER, seed=3))
    assert same(other.renew(customers, Fit(LATER, seed=3, checkpoint=tmp_path)).tensors(), fresh.tensors()), (
        "what is left of another champion's renewal is not taken for this one's"
    )

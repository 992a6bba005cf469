"""A completion model brought up to a later night: the same each time, blind to what comes after, on the same layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forecasting.schema import NotEnoughData
from forecasting.task import Fit, Instant, Renewable
from tasks.completion import CompletionTask, training
from tasks.completion.model import CompletionModel, restore_completion
from tasks.completion.orders import Orders

EXAMPLE = CompletionTask.example()
TASK = CompletionTask(EXAMPLE.options)
UNTIL, LATER = EXAMPLE.as_of - np.timedelta64(14, "D"), EXAMPLE.as_of


@pytest.fixture(scope="module")
def orders() -> Orders:
    return TASK.assemble(EXAMPLE.sources)


@pytest.fixture(scope="module")
def champion(orders: Orders) -> CompletionModel:
    fitted = TASK.fit(orders, Fit(UNTIL, seed=3))
    assert isinstance(fitted, CompletionModel)
    return fitted


@pytest.fixture(scope="module")
def renewed(orders: Orders, champion: CompletionModel) -> CompletionModel:
    return champion.renew(orders, Fit(LATER, seed=3))


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def up_to(until: Instant) -> Orders:
    """The example as if nothing of it had been heard after an instant."""
    end = pa.scalar(until.astype("datetime64[us]").item(), pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    sources = dict(EXAMPLE.sources)
    orders = sources["orders"].filter(pc.less(sources["orders"]["placed_at"], end))
    for name in ("completed_at", "cancelled_at"):
        if name in orders.column_names:
            values = orders[name]
            told = pc.if_else(pc.less(values, end), values, pa.scalar(None, values.type))
            orders = orders.set_column(orders.column_names.index(name), name, told)
    events = sources["order_events"]
    sources["orders"] = orders
    sources["order_events"] = events.filter(pc.less(events["occurred_at"], end))
    return TASK.assemble(sources)


def test_it_has_seen_the_world_until_then_and_keeps_recipe_and_layout(
    champion: CompletionModel, renewed: CompletionModel
) -> None:
    assert isinstance(champion, Renewable)
    assert champion.trained_until == UNTIL and renewed.trained_until == LATER
    assert renewed.recipe == champion.recipe
    for name in ("network", "view", "width"):
        assert renewed.document()[name] == champion.document()[name]
    assert not same(renewed.tensors(), champion.tensors())


def test_the_same_bytes_each_time_also_of_a_stored_champion(
    orders: Orders, champion: CompletionModel, renewed: CompletionModel
) -> None:
    stored = restore_completion(champion.tensors(), json.loads(json.dumps(champion.document())), EXAMPLE.options)
    again = stored.renew(orders, Fit(LATER, seed=3))
    assert same(again.tensors(), renewed.tensors()) and again.document() == renewed.document()
    assert not same(champion.renew(orders, Fit(LATER, seed=4)).tensors(), renewed.tensors())
    kept = restore_completion(renewed.tensors(), json.loads(json.dumps(renewed.document())), EXAMPLE.options)
    cases = TASK.cases(orders, LATER)
    np.testing.assert_array_equal(kept.predict(orders, cases).remaining, renewed.predict(orders, cases).remaining)


def test_what_came_since_is_seen(orders: Orders, champion: CompletionModel, renewed: CompletionModel) -> None:
    midway = up_to(UNTIL + np.timedelta64(5, "D"))
    assert not same(champion.renew(midway, Fit(LATER, seed=3)).tensors(), renewed.tensors())


def test_where_nothing_was_heard_the_champion_stays(champion: CompletionModel) -> None:
    assert champion.renew(up_to(UNTIL), Fit(LATER)) is champion


def test_a_history_that_is_gone_is_said_so(champion: CompletionModel) -> None:
    orders = EXAMPLE.sources["orders"]
    edge = pa.scalar((LATER - np.timedelta64(2, "D")).item(), pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    never = pa.nulls(len(orders), orders["completed_at"].type)
    orders = orders.set_column(orders.column_names.index("completed_at"), "completed_at", never)
    short = TASK.assemble({**EXAMPLE.sources, "orders": orders.filter(pc.greater(orders["placed_at"], edge))})
    with pytest.raises(NotEnoughData):
        champion.renew(short, Fit(LATER))


def test_a_renewal_that_was_killed_goes_on_where_it_was(
    orders: Orders,
    champion: CompletionModel,
    renewed: CompletionModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = champion.renew(orders, Fit(LATER, seed=3, checkpoint=tmp_path))
    assert same(done.tensors(), renewed.tensors())
    with monkeypatch.context() as patch:
        patch.setattr(training, "completion_loss", None)  # no step is to be done again
        again = champion.renew(orders, Fit(LATER, seed=3, checkpoint=tmp_path))
    assert same(again.tensors(), renewed.tensors())
    other = restore_completion(
        {name: value * np.float32(1.01) for name, value in champion.tensors().items()},
        champion.document(),
        EXAMPLE.options,
    )
    fresh = other.renew(orders, Fit(LATER, seed=3))
    assert same(other.renew(orders, Fit(LATER, seed=3, checkpoint=tmp_path)).tensors(), fresh.tensors()), (
        "what is left of another champion's renewal is not taken for this one's"
    )

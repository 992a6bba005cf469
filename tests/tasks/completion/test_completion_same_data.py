"""The same shop from another database: rows in another order, numbers of other types, and the same forecasts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tasks.completion import CompletionTask
from tasks.completion.example import example
from tasks.completion.features import snapshot_of
from tasks.completion.orders import Orders

EXAMPLE = example()
TASK = CompletionTask(EXAMPLE.options)


def retold(name: str, table: pa.Table, seed: int) -> pa.Table:
    """As another database has it: rows shuffled, in chunks, numbers as decimals, or off in their last bit as sums are,
    or whole; texts without a dictionary, and empty where they are missing."""
    random = np.random.default_rng(seed)
    table = table.take(pa.array(random.permutation(len(table))))
    for position, column in enumerate(table.column_names):
        values = table[column]
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if pa.types.is_string(kind):
            values = values.cast(pa.string())
            values = values if column.endswith("_id") else values.fill_null("")
        elif pa.types.is_floating(kind):
            numbers = values.combine_chunks().to_numpy(zero_copy_only=False)
            if position % 2:
                texts = [None if np.isnan(one) else Decimal(repr(float(one))) for one in numbers]
                values = pa.array(texts, pa.decimal256(60, 30))
            else:
                values = pa.array(np.nextafter(numbers, np.inf), mask=np.isnan(numbers))
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            values = values.cast(pa.float64())
        table = table.set_column(position, column, values)
    half = len(table) // 2
    return pa.concat_tables([table[:half], table[half:]]).select(sorted(table.column_names))


def plain(thing: Any) -> Any:
    """Everything that a structure holds, comparable bit by bit."""
    if isinstance(thing, np.ndarray):
        return str(thing.dtype), thing.shape, thing.tolist() if thing.dtype == object else thing.tobytes()
    if isinstance(thing, pa.Table):
        return thing.to_pydict()
    if dataclasses.is_dataclass(thing):
        return {field.name: plain(getattr(thing, field.name)) for field in dataclasses.fields(thing) if field.init}
    if isinstance(thing, Mapping):
        return {str(name): plain(value) for name, value in thing.items()}
    return thing


@pytest.fixture(scope="module")
def shops() -> list[Orders]:
    sources = dict(EXAMPLE.sources)
    events = sources["order_events"]
    days = pc.floor_temporal(events["occurred_at"], unit="day")  # so that many are of one instant
    sources["order_events"] = events.set_column(events.column_names.index("occurred_at"), "occurred_at", days)
    told = [sources] + [{name: retold(name, table, seed) for name, table in sources.items()} for seed in (1, 2)]
    return [TASK.assemble(tables) for tables in told]


def test_the_same_dataset(shops: list[Orders]) -> None:
    first = plain(shops[0])
    assert len(shops[0]) > 300 and len(shops[0].events.occurred_at) > 1000
    for other in shops[1:]:
        again = plain(other)
        assert [name for name in first if first[name] != again[name]] == []


def test_the_same_forecasts(shops: list[Orders]) -> None:
    said = []
    for orders in shops[:2]:
        cases = TASK.cases(orders, EXAMPLE.as_of)
        found = {"inputs of the network": plain(snapshot_of(orders, cases, EXAMPLE.options))}
        for name, one in TASK.baselines(orders, EXAMPLE.as_of).items():
            found[name] = plain(TASK.rows(orders, cases, one.predict(orders, cases)))
        said.append(found)
    assert len(said[0]) > 3 and [name for name in said[0] if said[0][name] != said[1][name]] == []

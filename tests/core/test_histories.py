"""Ragged histories, and that a cutoff sees exactly what it may."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.histories import Histories, ragged_ranges
from forecasting.schema import DataError

EPOCH = np.datetime64("2020-01-01", "us")


def table(entity, occurred, known=None, value=None) -> pa.Table:
    """A source table with times in whole microseconds after EPOCH."""
    occurred = EPOCH + np.asarray(occurred, np.int64)
    known = occurred if known is None else EPOCH + np.asarray(known, np.int64)
    value = np.arange(len(entity), dtype=float) if value is None else np.asarray(value, float)
    ids = pa.array([f"e{e}" for e in entity], pa.string()).dictionary_encode()
    return pa.table({"id": ids, "at": pa.array(occurred), "known": pa.array(known), "value": pa.array(value)})


def histories(*args, **kwargs) -> Histories:
    return Histories.from_arrow(table(*args, **kwargs), "id", "at", "known", ["value"])


def seen_values(histories: Histories, entity: np.ndarray, cutoff: np.ndarray, length: int) -> np.ndarray:
    index, mask = histories.window(entity, cutoff, length)
    return np.where(mask, np.append(histories.columns["value"], 0.0)[index], np.nan)


def test_rows_are_sorted_by_entity_and_time_and_equal_ones_keep_their_order():
    found = histories(entity=[2, 1, 2, 1, 2], occurred=[5, 9, 5, 3, 1], known=[7, 9, 5, 3, 1])
    assert found.entities.tolist() == ["e1", "e2"]
    assert found.offsets.tolist() == [0, 2, 5]
    assert found.columns["value"].tolist() == [3, 1, 4, 2, 0]
    tied = histories(entity=[1] * 50, occurred=[4] * 50)
    assert tied.columns["value"].tolist() == list(range(50))


def test_columns_arrive_as_numbers_instants_and_codes():
    chunks = [
        {"id": pa.array(["b", "a"]).dictionary_encode(), "label": pa.array(["x", None]).dictionary_encode()},
        {"id": pa.array(["a", "c"]).dictionary_encode(), "label": pa.array(["w", "x"]).dictionary_encode()},
    ]
    tables = []
    for position, chunk in enumerate(chunks):
        at = pa.array([EPOCH + 2 * position, EPOCH + 2 * position + 1]).cast(pa.timestamp("us", "UTC"))
        rest = {
            "at": at,
            "known": pa.array([None, None], pa.timestamp("us", "UTC")),
            "flag": pa.array([True, None]),
            "count": pa.array([None, 3], pa.int64()),
            "day": pa.array([dt.date(2020, 1, 2), None]),
        }
        tables.append(pa.table(chunk | rest))
    found = Histories.from_arrow(pa.concat_tables(tables), "id", "at", "known", ["label", "flag", "count", "day"])
    assert found.entities.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(found.columns["flag"], [np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(found.columns["count"], [3, np.nan, np.nan, 3])
    assert np.isnat(found.columns["day"]).tolist() == [True, False, False, True]
    labels = np.append(found.categories["label"], None)[found.columns["label"]]
    assert labels.tolist() == [None, "w", "x", "x"]
    assert found.columns["label"].dtype == np.int32
    assert found.on_time  # a missing known_at means known when it occurred


def test_the_order_of_source_rows_and_unused_dictionary_entries_change_nothing():
    rng = np.random.default_rng(3)
    source = table(rng.integers(0, 9, 200), rng.permutation(200))
    unused = pa.DictionaryArray.from_arrays(
        source["id"].combine_chunks().indices, pa.concat_arrays([source["id"].chunk(0).dictionary, pa.array(["zz"])])
    )
    shuffled = source.set_column(0, "id", unused).take(rng.permutation(200))
    one, other = (Histories.from_arrow(rows, "id", "at", "known", ["value"]) for rows in (source, shuffled))
    np.testing.assert_array_equal(one.entities, other.entities)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.columns["value"], other.columns["value"])


def test_missing_ids_and_instants_are_named():
    ids = pa.array(["a", None]).dictionary_encode()
    with pytest.raises(DataError, match="column 'id', row 1"):
        Histories.from_arrow(pa.table({"id": ids, "at": pa.array([EPOCH, EPOCH])}), "id", "at")
    times = pa.array([EPOCH, np.datetime64("NaT", "us")])
    with pytest.raises(DataError, match="column 'at', row 1"):
        Histories.from_arrow(pa.table({"id": pa.array(["a", "b"]), "at": times}), "id", "at")


def test_inconsistent_arrays_are_refused():
    at = EPOCH + np.array([1, 0])
    one, two = np.array(["a"], object), np.array(["a", "b"], object)
    with pytest.raises(ValueError, match="sorted"):
        Histories(one, np.array([0, 2]), at, at)
    Histories(two, np.array([0, 1, 2]), at, at)
    with pytest.raises(ValueError, match="offsets"):
        Histories(one, np.array([0, 1]), at, at)
    with pytest.raises(ValueError, match="offsets must not fall"):
        Histories(two, np.array([0, 3, 2]), at, at)
    with pytest.raises(ValueError, match="'x' has 1 values for 2 rows"):
        Histories(two, np.array([0, 1, 2]), at, at, {"x": np.zeros(1)})


def test_no_rows_make_empty_histories():
    found = histories(entity=[], occurred=[])
    assert len(found) == 0 and found.offsets.tolist() == [0]
    index, mask = found.window(np.empty(0, np.int64), np.empty(0, "datetime64[us]"), 3)
    assert index.shape == mask.shape == (0, 3)
    nobody = Histories(np.array(["a"], object), np.array([0, 0]), found.occurred_at, found.known_at)
    assert nobody.stop(np.array([0]), np.array([EPOCH])).tolist() == [0]
    assert not nobody.window(np.array([0]), np.array([EPOCH]), 2)[1].any()


def test_entities_are_found_by_id():
    found = histories(entity=[3, 1], occurred=[0, 0])
    assert found.find(["e3", "e2", "e1", "e3"]).tolist() == [1, -1, 0, 1]


def test_ragged_ranges_follow_one_another():
    assert ragged_ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ragged_ranges(np.array([], np.int64), np.array([], np.int64)).tolist() == []


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.sampled_from([0, 0, 1, 5, 20])), max_size=40)
cases = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 35)), min_size=1, max_size=20)


@given(rows, cases, st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_windows_agree_with_reading_the_rows_one_by_one(rows, cases, length):
    entity, occurred, late = (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else [[]] * 3
    known = np.add(occurred, late)
    found = histories(entity, occurred, known)
    position = {name: i for i, name in enumerate(found.entities)}
    cases = [(position[f"e{e}"], e, cutoff) for e, cutoff in cases if f"e{e}" in position]
    if not cases:
        return
    at = EPOCH + np.array([cutoff for _, _, cutoff in cases])
    got = seen_values(found, np.array([p for p, _, _ in cases]), at, length)
    stop = found.stop(np.array([p for p, _, _ in cases]), at)
    for row, (p, e, cutoff) in enumerate(cases):
        mine = [i for i in range(len(entity)) if entity[i] == e and occurred[i] < cutoff and known[i] <= cutoff]
        mine = sorted(mine, key=lambda i: (occurred[i], known[i]))[-length:]
        np.testing.assert_array_equal(got[row], [np.nan] * (length - len(mine)) + mine)
        assert stop[row] - found.offsets[p] == sum(occurred[i] < cutoff for i in range(len(entity)) if entity[i] == e)


@pytest.mark.parametrize("seed", range(100))
def test_what_a_cutoff_must_not_see_changes_nothing(seed):
    """Invisible rows are altered, dropped and added: every window stays bit-identical."""
    rng = np.random.default_rng(seed)
    count, cutoff = 300, int(rng.integers(200, 800))
    entity, occurred = rng.integers(0, 8, count), rng.integers(0, 1000, count)
    entity[:8] = np.arange(8)  # every entity keeps a row that all can see
    occurred[:8] = 0
    known = occurred + rng.choice([0, 0, 3, 400], count) * (occurred > 0)
    value = rng.normal(size=count)
    before = histories(entity, occurred, known, value)

    hidden = ~((occurred < cutoff) & (known <= cutoff))
    value[hidden] = rng.choice([np.nan, np.inf, 1e300, 0.0], hidden.sum())
    kept = ~hidden | (rng.random(count) < 0.5)
    extra = 50
    entity = np.concatenate([entity[kept], rng.integers(0, 9, extra)])
    occurred = np.concatenate([occurred[kept], rng.integers(0, 1000, extra)])
    known = np.concatenate([known[kept], np.full(extra, 2000)])
    value = np.concatenate([value[kept], np.full(extra, 7.0)])
    after = histories(entity, occurred, known, value)

    at = EPOCH + rng.integers(0, cutoff + 1, 64)
    who = rng.integers(0, 8, 64)
    for length in (1, 7, 40):
        one = seen_values(before, who, at, length)
        other = seen_values(after, after.find(before.entities)[who], at, length)
        assert one.tobytes() == other.tobytes()


def test_a_shard_answers_like_the_whole():
    rng = np.random.default_rng(5)
    occurred = rng.integers(0, 100, 400)
    whole = histories(rng.integers(0, 10, 400), occurred, occurred + rng.choice([0, 30], 400))
    at = EPOCH + rng.integers(0, 100, 50)
    for chosen in (slice(2, 7), np.array([0, 3, 9]), np.arange(10) % 3 == 1, slice(4, 4), slice(None, None, 4)):
        shard = whole.take(chosen)
        positions = np.arange(10)[chosen]
        assert shard.entities.tolist() == whole.entities[positions].tolist()
        if len(shard):
            local = rng.integers(0, len(shard), 50)
            np.testing.assert_array_equal(seen_values(shard, local, at, 5), seen_values(whole, positions[local], at, 5))
    assert np.shares_memory(whole.take(slice(2, 7)).occurred_at, whole.occurred_at)
    with pytest.raises(ValueError, match="ascending"):
        whole.take(np.array([3, 1]))

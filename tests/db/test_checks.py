"""The contract as arrays: reasons, duplicates, unknown ids."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db import checks
from db.canonical import columns_to_read
from db.checks import check, repeated_rows, unknown_ids
from db.quarantine import TooManyBadRows, listed, refuse_too_many
from forecasting.schema import SOURCES

NOW = dt.datetime(2020, 6, 1, tzinfo=dt.UTC)


def checked(source: str, rows: list[dict], batch: int = 2, **options):
    """The rows through `check`, in small batches."""
    table = pa.Table.from_pylist(rows)
    columns = [c for name in table.column_names for c in columns_to_read(SOURCES[source], [name]) if c.name == name]
    return check(SOURCES[source], columns, table.to_batches(batch), now=NOW, **options)


def problems(result) -> dict[str, int]:
    return {f"{column} {reason}": count for (column, reason), count in result.problems.items()}


def sale(**changes) -> dict:
    return {"item_id": "a", "location_id": "x", "date": "2020-01-01", "quantity": "1", "price": "2"} | changes


def test_each_kind_of_dirt_is_named():
    rows = [
        sale(date="2020-01-01"),
        sale(item_id=None, date="2020-01-02"),
        sale(quantity="many", date="2020-01-03"),
        sale(price="-1", date="2020-01-04"),
        sale(date="soon"),
        sale(quantity=None, date="2031-01-01"),  # known ahead: no dirt
        sale(quantity="-3", date="2020-01-05"),  # a return: no dirt
    ]
    result = checked("sales", rows)
    assert problems(result) == {
        "item_id is missing": 1,
        "quantity is not a finite number": 1,
        "price is below 0": 1,
        "date is not a date (YYYY-MM-DD)": 1,
    }
    assert result.table["quantity"].to_pylist() == [1, None, -3]
    assert (result.read, result.bad) == (7, 4)
    kept = [(position, row["quantity"]) for bad in result.bad_rows for _, _, position, row in listed(bad)]
    assert (3, "many") in kept  # as read, and where


def test_times_after_the_wall_clock_unless_promised():
    row = {"order_id": "1", "placed_at": "2020-05-31 23:59:59", "promised_at": "2020-07-01"}
    result = checked("orders", [row, row | {"order_id": "2", "placed_at": "2020-06-01 00:00:01"}])
    assert problems(result) == {"placed_at lies in the future": 1}


def test_choices():
    row = {"item_id": "1", "kind": "view", "occurred_at": "2020-01-01"}
    assert problems(checked("interactions", [row, row | {"kind": "glance"}, row | {"kind": "cart"}])) == {
        "kind is none of view, cart, purchase": 1
    }


def test_of_equal_keys_the_last_stays_and_corrections_are_no_duplicates():
    rows = [sale(quantity="1"), sale(quantity="2"), sale(quantity="3")]
    result = checked("sales", rows)
    assert result.table["quantity"].to_pylist() == [3]
    assert result.bad == 2
    known = [sale(known_at="2020-01-02"), sale(known_at="2020-01-09"), sale(known_at=None)]
    assert checked("sales", known).bad == 0


def test_lines_without_a_key_may_repeat():
    line = {"order_id": "1", "item_id": "a", "quantity": 1}
    assert checked("order_lines", [line, line]).table.num_rows == 2


def test_unknown_ids_are_told_and_kept():
    lines = checked("order_lines", [{"order_id": "1", "item_id": i, "quantity": 1} for i in ("a", "b", "b")])
    items = checked("items", [{"item_id": "a"}])
    assert unknown_ids({"order_lines": lines.table, "items": items.table}) == [("order_lines", "item_id", 2, "b")]
    assert unknown_ids({"order_lines": lines.table}) == []
    assert lines.bad == 0


@pytest.mark.parametrize(("bad", "refused"), [(1, False), (20, True)])
def test_share_of_bad_rows(bad, refused):
    start = dt.date(2020, 1, 1)
    rows = [sale(date=str(start + dt.timedelta(n)), quantity="x" if n < bad else "1") for n in range(100)]
    result = checked("sales", rows, batch=7)
    assert result.table.num_rows == 100 - bad
    if not refused:
        refuse_too_many(result, 0.05)
        return
    with pytest.raises(TooManyBadRows) as caught:
        refuse_too_many(result, 0.05)
    assert (caught.value.source, caught.value.column, caught.value.row) == ("sales", "quantity", 1)
    assert caught.value.exit_code == 4
    assert "20 of 100 rows (20.0%)" in str(caught.value) and '"quantity": "x"' in str(caught.value)


def test_only_the_first_bad_rows_keep_their_values(monkeypatch):
    monkeypatch.setattr(checks, "KEPT_BAD_ROWS", 3)
    result = checked("sales", [sale(quantity="x")] * 10)
    assert (result.bad, sum(map(len, result.bad_rows))) == (10, 3)


def test_a_good_batch_is_not_kept_alive_by_its_columns():
    """A buffer shared with a batch from a driver would hold all of that batch's memory."""
    batch = pa.record_batch({"item_id": [str(n) for n in range(999)], "price": pa.array([1.0] * 998 + [None])})
    columns = [SOURCES["items"].column(name) for name in batch.schema.names]
    table = check(SOURCES["items"], columns, [batch.slice(997)]).table
    raw = {buffer.address for values in batch.columns for buffer in values.buffers() if buffer}
    kept = {buffer.address for values in table.columns for buffer in values.chunk(0).buffers() if buffer}
    assert not raw & kept
    assert table.get_total_buffer_size() < 500  # nor copied whole for a slice of it


def test_types_are_settled_over_the_whole_of_an_extra_column():
    rows = [
        pa.record_batch({"item_id": ["a"], "colour": pa.array([7.0])}),
        pa.record_batch({"item_id": ["b"], "colour": ["red"]}),
    ]
    result = check(
        SOURCES["items"],
        [c for c in columns_to_read(SOURCES["items"], ["colour"]) if c.name in ("item_id", "colour")],
        rows,
    )
    assert result.table["colour"].to_pylist() == ["7", "red"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([0, 3, 2**61, None]), st.integers(0, 2)),
        max_size=30,
    )
)
def test_repeated_rows_against_a_loop(rows):
    first, second, third = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [
        pa.array(first, pa.string()).dictionary_encode(),
        pa.array(second, pa.timestamp("us")),
        pa.array(third, pa.int64()),
    ]
    expected = [row in rows[at + 1 :] for at, row in enumerate(rows)]
    found = repeated_rows(columns)
    assert (np.zeros(len(rows), bool) if found is None else found).tolist() == expected

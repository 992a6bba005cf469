"""One form for rows that mean the same, whichever database they come from.

A query has no order of rows of its own; a sum of `numeric` ends in other digits than one of floats; what is NULL in one
database is empty text in another. What is computed from a table must depend on none of these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.clock import arrow_instants
from forecasting.columns import is_text, labels, numbers, recode, sorted_union, used
from forecasting.schema import SOURCES, DataError

DIGITS = 9
"""Significant decimal digits that a number keeps: sums of prices and means of coordinates agree in so many, whatever
added them up."""

NOTHING = 1e-12
"""What is smaller is what a sum leaves of terms that cancel, and stands for 0."""


def canonical(table: pa.Table, source: str, required: Sequence[str] = (), later: Sequence[str] = ()) -> pa.Table:
    """The rows of a source (types as in `forecasting.schema`) in an order that they alone decide: ascending by their
    columns, the key first and the others by name, what is missing last. `later`: columns that are filled in after the
    row is known; they decide between rows that are otherwise the same, so that nothing to come changes which of two
    stands first.

    Numbers and flags become float64 of DIGITS digits. Texts become dictionaries of those that occur, ascending; empty
    ones are missing. Raises DataError where a value of the `required` columns is, with the row that it has in `table`.
    """
    columns = {name: _one_form(table[name]) for name in sorted(table.column_names)}
    for name in required:
        missing = columns[name].is_null().to_numpy(zero_copy_only=False)
        if missing.any():
            raise DataError("a value is missing.", source=source, column=name, row=int(missing.argmax()))
    order = sorted(columns, key=lambda name: (name in later, name not in SOURCES[source].key, name))
    place = _place([_rank(columns[name]) for name in order])
    return pa.table(columns).take(pa.array(place)).select(table.column_names)


def _place(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Where the rows stand in ascending order of the `keys` (numbers [R] each), the first of them before all, int64."""
    first = np.argsort(keys[0], kind="stable")
    if (keys[0][first[1:]] != keys[0][first[:-1]]).all():  # as ids are, in nearly every table that has a key
        return first
    return np.lexsort(keys[::-1])


def rounded(values: np.ndarray) -> np.ndarray:
    """Numbers of DIGITS significant digits, each the float64 next to that decimal, and 0 for those below NOTHING; NaN
    and infinity stay."""
    values = np.where(np.abs(values) < NOTHING, 0.0, values)
    with np.errstate(all="ignore"):
        size = np.floor(np.log10(np.abs(values)))
        known = np.isfinite(size)  # neither 0 nor missing
        more = np.where(known, DIGITS - 1 - size, 0.0)
        up, down = 10.0 ** np.maximum(more, 0.0), 10.0 ** np.maximum(-more, 0.0)
        found = np.rint(values * up / down) / up * down
    return np.where(known & np.isfinite(found), found, values)


def _one_form(column: pa.ChunkedArray) -> pa.Array:
    kind = column.type
    if is_text(kind):
        codes, names = labels(column)
        occurring = sorted_union(used(codes, names))
        occurring = occurring.filter(pc.not_equal(occurring, ""))
        codes = recode(codes, names, occurring)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), occurring)
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        values = rounded(numbers(column))
        return pa.array(values, pa.float64(), mask=np.isnan(values))
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _rank(column: pa.Array) -> np.ndarray:
    """Numbers [R] in whose ascending order the values of a column come, what is missing last."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        codes = column.indices.fill_null(len(column.dictionary))
        return codes.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        values = numbers(pa.chunked_array([column]))
        return np.where(np.isnan(values), np.inf, values)  # one nothing is like another
    if pa.types.is_null(kind):
        return np.zeros(len(column), np.int8)
    at = arrow_instants(column)
    return np.where(np.isnat(at), np.iinfo(np.int64).max, at.astype(np.int64))

"""From whatever a warehouse or a file holds to the canonical Arrow types, row by row failures told apart.

Each converter takes an array and gives `(values, bad)`: canonical values, null where missing or unreadable, and a
boolean mask [n] of the rows that could not be read (None where all could). Nothing here raises for dirty data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.canonical import ARROW_TYPES, INSTANT_TYPE, TEXT_TYPE
from db.instants import days_of, instants_of, parse_instants
from forecasting.schema import Kind

Converted = tuple[pa.Array, np.ndarray | None]

_WHOLE_LIMIT = 2.0**53
_FLAGS = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "off"), False),
}
PROBLEMS = {
    Kind.ID: "is not valid text",
    Kind.TEXT: "is not valid text",
    Kind.JSON: "is not valid text",
    Kind.ANY: "is not valid text",
    Kind.NUMBER: "is not a finite number",
    Kind.INTEGER: "is not a whole number",
    Kind.FLAG: "is not a flag (0, 1, true, false, t, f)",
    Kind.TIMESTAMP: "is not a time (ISO 8601)",
    Kind.DATE: "is not a date (YYYY-MM-DD)",
}
"""What to say of a value that a kind cannot hold."""


def convert(values: pa.Array, kind: Kind, timezone: str = "UTC") -> Converted:
    """Values of any Arrow type as the canonical type of `kind`; `timezone` is that of naive times.

    ANY becomes float64, bool or dictionary text by the type that arrives. Missing stays missing: null, NaN, and
    empty text where the kind is not TEXT."""
    if pa.types.is_null(values.type):
        return _nothing(len(values), kind), None
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if kind is Kind.ANY:
        return _any(values)
    if kind is Kind.FLAG:
        return _flag(values)
    if kind is Kind.NUMBER:
        return _number(values)
    if kind is Kind.INTEGER:
        return _integer(values)
    if kind in (Kind.TIMESTAMP, Kind.DATE):
        return _time(values, kind, timezone)
    text, bad = _text(values)
    if kind is Kind.ID:
        text = _map_dictionary(text, lambda unique: _blank_as_null(unique))
    return (text.cast(pa.string()) if kind is Kind.JSON else text), bad


def as_text(values: pa.Array) -> pa.Array:
    """Any array as strings: whole floats and decimals as integers, so that an id 7.0 reads as "7"."""
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return as_text(values.dictionary_decode())
    if pa.types.is_floating(type_):
        return _float_text(values.cast(pa.float64()))
    if pa.types.is_decimal(type_):
        text = values.cast(pa.string())
        fraction = pc.match_substring(text, ".")
        return pc.if_else(fraction, pc.replace_substring_regex(text, r"\.?0+$", ""), text)
    if pa.types.is_nested(type_):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string(), safe=False)


def _nothing(length: int, kind: Kind) -> pa.Array:
    return pa.nulls(length, pa.null() if kind is Kind.ANY else ARROW_TYPES[kind])


def _float_text(values: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(pc.round(values), values), pc.less(pc.abs(values), _WHOLE_LIMIT))
    whole = pc.fill_null(whole, False)
    integers = pc.if_else(whole, values, pa.scalar(0.0)).cast(pa.int64(), safe=False).cast(pa.string())
    missing = pc.fill_null(pc.is_nan(values), True)
    text = pc.if_else(whole, integers, values.cast(pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _text(values: pa.Array) -> Converted:
    """Dictionary<int32, string>, encoded before anything else is done so that work is per distinct value."""
    type_ = values.type
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        values = values.cast(pa.binary()).view(pa.string())
    elif not (pa.types.is_dictionary(type_) or pa.types.is_string(type_)):
        values = as_text(values)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    if values.type != TEXT_TYPE:
        values = pa.DictionaryArray.from_arrays(values.indices.cast(pa.int32()), as_text(values.dictionary))
    try:
        values.dictionary.validate(full=True)
    except pa.ArrowInvalid:
        return _without_broken_text(values)
    if pc.any(pc.match_substring(values.dictionary, "\0")).as_py():
        return _without_broken_text(values)
    return values, None


def _without_broken_text(values: pa.DictionaryArray) -> Converted:
    """SQLite and CSV files keep any bytes as text: rows whose bytes are not UTF-8, or hold a NUL, which PostgreSQL
    stores nowhere, are bad, the others stay."""
    readable = [_decoded(value) for value in values.dictionary.view(pa.binary()).to_pylist()]
    unique = pa.array(readable, pa.string())
    bad = _taken(np.array([value is None for value in readable], bool), values)
    return _map_dictionary(values, lambda _: unique), bad


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None or b"\0" in value else value.decode()
    except UnicodeDecodeError:
        return None


def _map_dictionary(values: pa.DictionaryArray, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The array with another dictionary; rows whose new value is null become null."""
    unique = change(values.dictionary)
    if unique.null_count:
        return unique.take(values.indices).dictionary_encode()
    if unique is values.dictionary:
        return values
    return pa.DictionaryArray.from_arrays(values.indices, unique)


def _blank_as_null(unique: pa.Array) -> pa.Array:
    blank = pc.equal(unique, "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), unique) if pc.any(blank).as_py() else unique


def _taken(mask: np.ndarray, values: pa.DictionaryArray) -> np.ndarray | None:
    """A mask over the dictionary as a mask over rows; None where no row is marked."""
    if not mask.any():
        return None
    codes = values.indices
    rows = mask[codes.fill_null(0).to_numpy(zero_copy_only=False)] & codes.is_valid().to_numpy(zero_copy_only=False)
    return rows if rows.any() else None


def _is_text(type_: pa.DataType) -> bool:
    return (
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_dictionary(type_)
        or pa.types.is_string_view(type_)
        or pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
    )


def _by_distinct(values: pa.Array, parse: Callable[[pa.Array], Converted]) -> Converted:
    """Parse text once per distinct value. Text that is no valid UTF-8 is bad."""
    encoded, broken = _text(values)
    unique, bad = parse(pc.utf8_trim_whitespace(encoded.dictionary))
    rows = None if bad is None else _taken(bad, encoded)
    return unique.take(encoded.indices), _either(broken, rows)


def _either(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return second if first is None else first
    return first | second


def _number(values: pa.Array) -> Converted:
    if _is_text(values.type):
        numbers, bad = _by_distinct(values, _parse_numbers)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type):
        numbers, bad = values.cast(pa.float64(), safe=False), None
    elif pa.types.is_decimal(values.type):
        numbers, bad = values.cast(pa.string()).cast(pa.float64()), None  # by text: Arrow's own cast does not round
    else:
        return _all_bad(values, pa.float64())
    finite = pc.is_finite(numbers)
    if pc.min(finite).as_py() is not False:
        return numbers, bad
    infinite = pc.fill_null(pc.is_inf(numbers), False).to_numpy(zero_copy_only=False)
    numbers = pc.if_else(pc.fill_null(finite, False), numbers, pa.scalar(None, pa.float64()))
    return numbers, _either(bad, infinite if infinite.any() else None)


def _parse_numbers(text: pa.Array) -> Converted:
    try:
        return text.cast(pa.float64()), None
    except pa.ArrowInvalid:
        pass
    blank = pc.equal(text, "")
    written = pc.match_substring_regex(
        text, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$|^(?i)[+-]?(nan|inf|infinity)$"
    )
    plain = pc.if_else(written, pc.replace_substring_regex(text, r"^\+", ""), pa.scalar(None, pa.string()))
    bad = pc.and_not(pc.is_valid(text), pc.or_(pc.fill_null(written, False), pc.fill_null(blank, False)))
    return plain.cast(pa.float64()), bad.to_numpy(zero_copy_only=False)


def _integer(values: pa.Array) -> Converted:
    if pa.types.is_integer(values.type):
        return values.cast(pa.int64(), safe=False), None
    numbers, bad = _number(values)
    broken = pc.fill_null(
        pc.or_(pc.not_equal(pc.round(numbers), numbers), pc.greater(pc.abs(numbers), _WHOLE_LIMIT)), False
    )
    if not pc.any(broken).as_py():
        return numbers.cast(pa.int64()), bad
    whole = pc.if_else(broken, pa.scalar(None, pa.float64()), numbers).cast(pa.int64())
    return whole, _either(bad, broken.to_numpy(zero_copy_only=False))


def _flag(values: pa.Array) -> Converted:
    if pa.types.is_boolean(values.type):
        return values, None
    if _is_text(values.type):
        return _by_distinct(values, _parse_flags)
    if pa.types.is_decimal(values.type) or pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers, bad = _number(values)
        known = pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0))
        other = pc.fill_null(pc.invert(known), False)
        flags = pc.if_else(other, pa.scalar(None, pa.bool_()), pc.equal(numbers, 1.0))
        return flags, _either(bad, other.to_numpy(zero_copy_only=False) if pc.any(other).as_py() else None)
    return _all_bad(values, pa.bool_())


def _parse_flags(text: pa.Array) -> Converted:
    lower = pc.utf8_lower(text).to_pylist()
    bad = np.array([bool(value) and value not in _FLAGS for value in lower], bool)
    return pa.array([_FLAGS.get(value) for value in lower], pa.bool_()), bad


def _time(values: pa.Array, kind: Kind, timezone: str) -> Converted:
    type_ = values.type
    if pa.types.is_integer(type_):  # a date key such as 20111231
        values = values.cast(pa.string())
    if _is_text(values.type):
        return _by_distinct(values, lambda text: parse_instants(text, kind, timezone))
    if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
        return _all_bad(values, INSTANT_TYPE if kind is Kind.TIMESTAMP else pa.date32())
    return (instants_of(values, timezone) if kind is Kind.TIMESTAMP else days_of(values, timezone)), None


def _any(values: pa.Array) -> Converted:
    type_ = values.type
    if pa.types.is_boolean(type_):
        return values, None
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return _number(values)
    return _text(values)


def _all_bad(values: pa.Array, type_: pa.DataType) -> Converted:
    bad = values.is_valid().to_numpy(zero_copy_only=False)
    return pa.nulls(len(values), type_), bad if bad.any() else None

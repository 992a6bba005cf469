"""Canonical types: what each kind of column is in Arrow, and which columns of a source are looked for."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from forecasting.schema import KNOWN_AT, Column, Kind, Source

TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())
INSTANT_TYPE = pa.timestamp("us", tz="UTC")

ARROW_TYPES = {
    Kind.ID: TEXT_TYPE,
    Kind.TEXT: TEXT_TYPE,
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.FLAG: pa.bool_(),
    Kind.TIMESTAMP: INSTANT_TYPE,
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
}
"""Arrow type of each kind, as the table in `forecasting.schema` lists it; ANY is absent: the data decides."""


def kind_of(type_: pa.DataType) -> Kind:
    """The kind that a canonical Arrow type stands for. Text for dictionaries (whether one is an id it cannot say),
    and for a column without any value."""
    if pa.types.is_dictionary(type_):
        return Kind.TEXT
    return next((kind for kind, arrow in ARROW_TYPES.items() if arrow == type_), Kind.TEXT)


def columns_to_read(source: Source, extra: Iterable[str] = ()) -> tuple[Column, ...]:
    """Declared columns of a source, `known_at`, and the extra ones as optional columns of kind ANY."""
    declared = (*source.columns, KNOWN_AT)
    names = {column.name for column in declared}
    wanted = [name for name in dict.fromkeys(extra) if name not in names]
    return (*declared, *(Column(name, Kind.ANY, required=False) for name in wanted))

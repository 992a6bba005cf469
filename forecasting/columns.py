"""What an Arrow column of the types of `forecasting.schema` holds."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts or ids."""
    return pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def present(table: pa.Table | None, names: Sequence[str]) -> list[str]:
    """Those of `names` that the table has with at least one value; none where there is no table."""
    if table is None:
        return []
    return [name for name in names if name in table.column_names and table[name].null_count < len(table)]

"""Columns of output tables from arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.completion.orders import Orders


def instants(at: np.ndarray) -> pa.Array:
    """Timestamps in UTC, null for NaT."""
    return pa.array(at.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def nullable(values: np.ndarray) -> pa.Array:
    """Numbers, null for NaN."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def named(codes: np.ndarray, names: np.ndarray) -> pa.Array:
    """Texts by codes, int [n] into `names` (object of str); null for -1."""
    index = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(names, pa.string())).cast(pa.string())


def labels(orders: Orders, name: str, order: np.ndarray) -> pa.Array:
    """A label of orders (int64 [n]) as text; null where unknown."""
    if name not in orders.labels:
        return pa.nulls(len(order), pa.string())
    return named(orders.labels[name][order], orders.label_names[name])

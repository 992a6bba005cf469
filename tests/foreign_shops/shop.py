"""A shop of somebody else: its tables, its keys, and what a person would map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import sqlalchemy as sa

Expected = Mapping[str, Mapping[str, str]]
"""Source -> canonical column -> "table.column". "a.x|a.y": either is right. "?a.x": right, but nobody misses it.
Statuses of `order_events` that are columns of their own stand as "status=shipped"; "=1" is the number one."""


@dataclass(frozen=True)
class Shop:
    """`keys`: primary keys. `refers`: foreign keys, "table.column" -> "table.column"."""

    name: str
    tables: Mapping[str, pd.DataFrame]
    expected: Expected
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refers: Mapping[str, str] = field(default_factory=dict)

    def create(self, url: str) -> None:
        """Make the tables and fill them."""
        metadata = sa.MetaData()
        for name, frame in self.tables.items():
            columns = [
                sa.Column(
                    sa.quoted_name(column, True),
                    _type(frame[column]),
                    *(
                        [sa.ForeignKey(metadata.tables[there.split(".")[0]].c[there.split(".")[1]])]
                        if (there := self.refers.get(f"{name}.{column}"))
                        else []
                    ),
                    primary_key=column in self.keys.get(name, ()),
                    autoincrement=False,
                )
                for column in frame.columns
            ]
            sa.Table(sa.quoted_name(name, True), metadata, *columns)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            metadata.create_all(connection)
            for name, frame in self.tables.items():
                if len(frame):
                    connection.execute(metadata.tables[name].insert(), _rows(frame))
        engine.dispose()


def columns_of(expected: Expected) -> Iterable[tuple[str, str, str]]:
    """(source, canonical column, what it may be) of everything expected."""
    for source, columns in expected.items():
        for canonical, theirs in columns.items():
            yield source, canonical, theirs


def _type(values: pd.Series) -> sa.types.TypeEngine:
    if pd.api.types.is_datetime64_any_dtype(values):
        return sa.DateTime(timezone=getattr(values.dt, "tz", None) is not None)
    if pd.api.types.is_bool_dtype(values):
        return sa.Boolean()
    if pd.api.types.is_integer_dtype(values):
        return sa.BigInteger()
    if pd.api.types.is_float_dtype(values):
        return sa.Numeric(14, 4, asdecimal=False)
    first = values.dropna().iloc[0] if values.notna().any() else ""
    return sa.Date() if type(first).__name__ == "date" else sa.Text()


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    plain = frame.astype(object).where(frame.notna(), None)
    names = list(plain.columns)
    return [
        {
            name: (
                value.to_pydatetime()
                if isinstance(value, pd.Timestamp)
                else value.item()
                if isinstance(value, np.generic)
                else value
            )
            for name, value in zip(names, row, strict=True)
        }
        for row in plain.itertuples(index=False, name=None)
    ]

"""SQL types of the suite's own columns, alike on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

from forecasting.schema import Kind


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in and out, UTC in the database.

    PostgreSQL keeps `timestamptz`; SQLite keeps the text `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts as time does.
    Naive datetimes are refused: whose midnight would they mean?
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored as an instant")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def document() -> sa.JSON:
    """A JSON document; None is SQL NULL."""
    return sa.JSON(none_as_null=True)


_OF_KIND: dict[Kind, Any] = {
    Kind.ID: sa.Text,
    Kind.TEXT: sa.Text,
    Kind.NUMBER: sa.Double,
    Kind.INTEGER: sa.BigInteger,
    Kind.FLAG: sa.Boolean,
    Kind.TIMESTAMP: UtcDateTime,
    Kind.DATE: sa.Date,
    Kind.JSON: document,
}


def sql_type(kind: Kind) -> TypeEngine[Any]:
    """The SQL type of an output column's kind. `Kind.ANY` has none: what the suite writes has a type."""
    if kind not in _OF_KIND:
        raise ValueError(f"a column of kind {kind!r} cannot be written: give it a type")
    return _OF_KIND[kind]()


_KIND_OF = {
    sa.Boolean: Kind.FLAG,
    sa.Integer: Kind.INTEGER,
    sa.Numeric: Kind.NUMBER,
    sa.Float: Kind.NUMBER,  # a cousin of Numeric since SQLAlchemy 2.1
    sa.DateTime: Kind.TIMESTAMP,
    sa.Date: Kind.DATE,
}


def kind_of_sql(type_: TypeEngine[Any]) -> Kind | None:
    """The kind of flags, numbers and times as a table declares them; None for all else."""
    if isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return next((kind for sql, kind in _KIND_OF.items() if isinstance(type_, sql)), None)

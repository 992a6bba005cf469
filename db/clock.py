"""The database's clock, which alone decides leases: hosts' clocks differ."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from db.types import UtcDateTime


class database_now(FunctionElement[datetime]):
    """The wall clock of the database at this statement, not at the start of its transaction (UTC)."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _postgresql(element: database_now, compiler: sa.sql.compiler.SQLCompiler, **options: object) -> str:
    return "clock_timestamp()"


@compiles(database_now, "sqlite")
def _sqlite(element: database_now, compiler: sa.sql.compiler.SQLCompiler, **options: object) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def now(connection: sa.Connection) -> datetime:
    """The database's time, aware, UTC."""
    moment = connection.scalar(sa.select(database_now()))
    assert moment is not None
    return moment

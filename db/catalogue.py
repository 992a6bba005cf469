"""What stands in a warehouse: its tables and views with columns and keys, and a few rows of each. Reads, never writes.

Every statement is bounded in rows and in time, so that a warehouse of any size can be looked at while others use it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SQLAlchemyError

from db.engines import SCHEMA, Warehouse
from db.mapping import quoted_table
from db.types import kind_of_sql

SAMPLE_ROWS = 1000
COUNTED_ROWS = 100_000
"""Rows are counted up to here."""

SECONDS = 10
"""A statement that takes longer is given up."""

_SYSTEM = {"information_schema", "pg_catalog", "sys", "mysql", "performance_schema", "guest", "pg_toast", SCHEMA}
_SCHEMAS = {"postgresql", "mssql", "oracle", "snowflake", "redshift", "duckdb", "trino", "databricks"}
"""Dialects whose schemas divide one database; elsewhere a schema is another database."""


@dataclass(frozen=True)
class SeenColumn:
    """A column as declared. `family`: what its type amounts to (integer, number, text, timestamp, date, flag, uuid,
    other); `zoned`: a timestamp that knows its offset."""

    name: str
    family: str
    nullable: bool = True
    zoned: bool = False


@dataclass(frozen=True)
class SeenTable:
    """A table or view. `schema`: None for the database's default one. `key`: columns of its primary key. `unique`:
    columns that are unique by themselves, by key or index. `refers`: column -> (schema, table, column) of foreign keys
    of one column."""

    schema: str | None
    name: str
    columns: tuple[SeenColumn, ...]
    view: bool = False
    key: tuple[str, ...] = ()
    unique: frozenset[str] = frozenset()
    refers: Mapping[str, tuple[str | None, str, str]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.refers is None:
            object.__setattr__(self, "refers", {})

    @property
    def label(self) -> str:
        """As a mapping calls it: "orders", "shop.orders"."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def clause(self) -> sa.TableClause:
        """To select from, every name quoted."""
        return quoted_table(self.name, [column.name for column in self.columns], self.schema)


def tables(warehouse: Warehouse, ours: Collection[str] = ()) -> list[SeenTable]:
    """All tables and views of a warehouse but those of the database itself and of the suite, in the order of their
    names. `ours`: names that are the suite's where the default schema holds its ledgers (SQLite)."""
    with warehouse.reading() as connection:
        inspector = sa.inspect(connection)
        found = [table for schema in _schemas(inspector, warehouse.dialect) for table in _tables(inspector, schema)]
    default = {table.name for table in found if table.schema is None}
    skip = set(ours) if {"alembic_version", "publications"} <= default else {"alembic_version"}
    return sorted(
        (table for table in found if table.schema is not None or table.name not in skip),
        key=lambda table: (table.schema or "", table.name),
    )


def bound(warehouse: Warehouse, seconds: float = SECONDS) -> None:
    """Give up every statement of this warehouse that takes longer, where its database can be told to."""
    engine, dialect = warehouse.engine, warehouse.dialect
    milliseconds = int(seconds * 1000)

    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, record: Any) -> None:
        if dialect == "postgresql":
            before, connection.autocommit = connection.autocommit, True
            connection.execute("select set_config('statement_timeout', %s, false)", (str(milliseconds),))
            connection.autocommit = before
        elif dialect in ("mysql", "mariadb"):
            with connection.cursor() as cursor:
                name, value = (
                    ("max_statement_time", seconds) if dialect == "mariadb" else ("max_execution_time", milliseconds)
                )
                cursor.execute(f"set session {name} = {value:g}")

    if dialect == "sqlite":
        deadline = 0.0

        @sa.event.listens_for(engine, "before_cursor_execute")
        def begin(connection: Any, cursor: Any, *rest: Any) -> None:
            nonlocal deadline
            deadline = time.monotonic() + seconds
            cursor.connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)


def sample(warehouse: Warehouse, table: SeenTable, rows: int = SAMPLE_ROWS) -> dict[str, list[Any]] | None:
    """The first rows as they come, by column; None where they cannot be read in time."""
    clause = table.clause()
    columns = [clause.c[column.name].label(f"c{n}") for n, column in enumerate(table.columns)]
    try:
        with warehouse.reading() as connection:
            found = connection.execute(sa.select(*columns).select_from(clause).limit(rows)).all()
    except (SQLAlchemyError, ValueError, OverflowError):  # a view that is broken, a time that Python has no words for
        return None
    values = zip(*found, strict=True) if found else ([] for _ in table.columns)
    return {column.name: list(one) for column, one in zip(table.columns, values, strict=True)}


def as_held(table: SeenTable, rows: Mapping[str, Sequence[Any]]) -> SeenTable:
    """The table with the columns of numbers that hold nothing but text called text. SQLite holds nobody to a declared
    type, and `create table ... as select` makes numbers of times."""
    held = tuple(
        replace(column, family="text")
        if column.family == "number"
        and (there := [value for value in rows[column.name] if value is not None])
        and all(isinstance(value, str) for value in there)
        else column
        for column in table.columns
    )
    return replace(table, columns=held)


def count(warehouse: Warehouse, table: SeenTable) -> int | None:
    """Rows, up to `COUNTED_ROWS` + 1; None where they cannot be counted in time."""
    some = sa.select(sa.literal(1).label("one")).select_from(table.clause()).limit(COUNTED_ROWS + 1).subquery("some")
    return _number(warehouse, sa.select(sa.func.count()).select_from(some))


def distinct_share(warehouse: Warehouse, table: SeenTable, column: str) -> float | None:
    """Distinct values over values that are there, of the first `COUNTED_ROWS`; 1 where no value comes twice."""
    clause = table.clause()
    value = clause.c[column]
    some = sa.select(value.label("value")).where(value.is_not(None)).limit(COUNTED_ROWS).subquery("some")
    there = _number(warehouse, sa.select(sa.func.count(some.c.value)).select_from(some))
    distinct = _number(warehouse, sa.select(sa.func.count(some.c.value.distinct())).select_from(some))
    return distinct / there if there and distinct is not None else None


def joined_share(
    warehouse: Warehouse, table: SeenTable, column: str, other: SeenTable, key: str, rows: int = SAMPLE_ROWS
) -> float | None:
    """Of the distinct values in a table's first rows, the share that another table's key holds; None where it cannot
    be told: no values, other types, too slow."""
    value, keys = table.clause().c[column], other.clause().c[key]
    some = sa.select(value.label("value")).where(value.is_not(None)).limit(rows).subquery("some")
    there = _number(warehouse, sa.select(sa.func.count(some.c.value.distinct())).select_from(some))
    held = sa.select(keys.label("value")).subquery("held")
    joined = some.join(held, some.c.value == held.c.value)
    found = _number(warehouse, sa.select(sa.func.count(some.c.value.distinct())).select_from(joined))
    return found / there if there and found is not None else None


def _number(warehouse: Warehouse, statement: sa.Select[Any]) -> int | None:
    try:
        with warehouse.reading() as connection:
            return connection.execute(statement).scalar_one()
    except SQLAlchemyError:
        return None


def _schemas(inspector: sa.Inspector, dialect: str) -> list[str | None]:
    if dialect not in _SCHEMAS:
        return [None]
    default = (inspector.default_schema_name or "").lower()
    names = _quietly(inspector.get_schema_names) or []
    others = [
        name
        for name in names
        if name.lower() not in _SYSTEM | {default} and not name.lower().startswith(("pg_temp", "pg_toast", "db_"))
    ]
    return [None, *others]


def _tables(inspector: sa.Inspector, schema: str | None) -> Iterator[SeenTable]:
    listed = _quietly(lambda: inspector.get_table_names(schema)) or []
    views = _quietly(lambda: inspector.get_view_names(schema)) or []
    views += _quietly(lambda: inspector.get_materialized_view_names(schema)) or []
    every = _Details(inspector, schema)
    for name in [*dict.fromkeys(listed), *(view for view in dict.fromkeys(views) if view not in listed)]:
        declared = every.columns(name)
        if not declared or any(_unspeakable(one) for one in (name, *(column["name"] for column in declared))):
            continue
        key = tuple(every.key(name))
        unique = {columns[0] for columns in [key, *every.unique(name)] if len(columns) == 1}
        columns = tuple(
            SeenColumn(
                column["name"],
                family(column["type"]),
                bool(column.get("nullable", True)) and column["name"] not in key,
                bool(getattr(column["type"], "timezone", False)),
            )
            for column in declared
        )
        yield SeenTable(schema, name, columns, name not in listed, key, frozenset(unique), every.refers(name))


class _Details:
    """What a dialect tells of all tables at once, and where it stumbles over one of them, of each by itself."""

    def __init__(self, inspector: sa.Inspector, schema: str | None):
        self.inspector, self.schema = inspector, schema
        everything = {"schema": schema, "kind": ObjectKind.ANY}
        self.all = {
            what: {key[1]: value for key, value in (_quietly(lambda ask=ask: ask(**everything)) or {}).items()}  # type: ignore[misc]
            for what, ask in (
                ("columns", inspector.get_multi_columns),
                ("key", inspector.get_multi_pk_constraint),
                ("refers", inspector.get_multi_foreign_keys),
                ("unique", inspector.get_multi_unique_constraints),
                ("indexes", inspector.get_multi_indexes),
            )
        }

    def columns(self, name: str) -> Sequence[Any]:
        found = self.all["columns"].get(name)
        return found or _quietly(lambda: self.inspector.get_columns(name, self.schema)) or []

    def key(self, name: str) -> Sequence[str]:
        found = self.all["key"].get(name) if self.all["key"] else None
        if found is None and not self.all["key"]:
            found = _quietly(lambda: self.inspector.get_pk_constraint(name, self.schema))
        return (found or {}).get("constrained_columns") or ()

    def unique(self, name: str) -> Iterator[Sequence[str]]:
        for constraint in self.all["unique"].get(name) or ():
            yield constraint["column_names"]
        for index in self.all["indexes"].get(name) or ():
            columns = [column for column in index["column_names"] if column is not None]
            partial = any("where" in option for option in index.get("dialect_options") or {})
            if index.get("unique") and not partial and len(columns) == len(index["column_names"]):
                yield columns

    def refers(self, name: str) -> dict[str, tuple[str | None, str, str]]:
        return {
            key["constrained_columns"][0]: (key["referred_schema"], key["referred_table"], key["referred_columns"][0])
            for key in self.all["refers"].get(name) or ()
            if len(key["constrained_columns"]) == 1 and len(key["referred_columns"]) == 1
        }


def family(type_: sa.types.TypeEngine[Any]) -> str:
    """What a declared type amounts to."""
    if kind := kind_of_sql(type_):
        return kind.value
    if isinstance(type_, sa.Uuid):
        return "uuid"
    if isinstance(type_, sa.Enum | sa.String | sa.types.NullType):  # the last: SQLite without a declared type
        return "text"
    return "other"


def _unspeakable(name: str) -> bool:
    """Broken text, which no file can hold."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return "\x00" in name


def _quietly(ask: Callable[[], Any]) -> Any:
    """An answer of the inspector, None where the dialect has none; without its warnings of types it does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ask()
        except (SQLAlchemyError, NotImplementedError):
            return None

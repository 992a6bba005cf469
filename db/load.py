"""`load`: files into the canonical tables of the results warehouse, one transaction a file.

Rows of a source with a key replace those with the same key (and the same `known_at`: a correction made known later
stands beside what it corrects). Sources without one are appended to, and a file that they already hold is refused, by
its SHA-256: two equal lines of an order are two lines, but a file loaded twice is a mistake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from db import quarantine
from db.bulk import ingest
from db.checks import KEPT_BAD_ROWS, BadRows, CheckedSource, check
from db.engines import Warehouse
from db.evolution import evolve, existing_kinds, fitted
from db.files import SourceFile, open_source_file, typed_by_content
from db.locks import one_at_a_time
from db.quarantine import LIMIT_SHARE, refuse_too_many
from db.tables import LOADS, QUARANTINE
from forecasting.schema import KNOWN_AT, Column, ForecastingError, Kind, Source


@dataclass(frozen=True)
class Loaded:
    """What became of a file: `rows` read, `inserted` into the table (those that replaced others included),
    `replaced` rows of the table that gave way, `quarantined` rows set aside."""

    file: str
    rows: int
    inserted: int
    replaced: int
    quarantined: int


class AlreadyLoaded(ForecastingError):
    """The very same file was loaded before into a source whose rows have no key."""


def load_file(
    warehouse: Warehouse,
    source: Source,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    encoding: str = "utf8",
    limit_share: float = LIMIT_SHARE,
    now: datetime | None = None,
) -> Loaded:
    """Loads a CSV, CSV.GZ or Parquet file; its rows, its bad rows and the note that it was loaded commit together.

    `columns`: canonical (or extra) name -> name in the file; further columns of the file are kept under their own
    names. `timezone`: of times without an offset. Raises AlreadyLoaded, DataError where a required column is missing
    or more than `limit_share` of the rows are bad; then nothing has changed."""
    digest = _sha256(path)
    with warehouse.reading() as connection:
        _refuse_known(connection, source, digest, path)
    file = open_source_file(path, source, columns, encoding)
    checked = check(source, file.columns, file.batches(), timezone=timezone, now=now)
    checked = _with_broken_lines(checked, file)
    refuse_too_many(checked, limit_share)
    return _store(warehouse, checked, digest, path.name, path, typed=file.typed)


def load_rows(
    warehouse: Warehouse,
    source: Source,
    rows: pa.Table | Iterable[pa.RecordBatch],
    *,
    label: str,
    timezone: str = "UTC",
    limit_share: float = LIMIT_SHARE,
    now: datetime | None = None,
) -> Loaded:
    """Loads Arrow rows whose columns bear the canonical names (others are extra), as `load_file` loads a file.

    `label` names the rows in messages and in the ledger, where it takes the place of a file's digest: the same label
    is refused a second time where the source has no key. At least one batch is needed."""
    batches = rows.to_batches() if isinstance(rows, pa.Table) else list(rows)
    names = batches[0].schema.names if batches else []
    columns = [source.column(name) or Column(name, Kind.ANY, required=False) for name in names]
    digest = hashlib.sha256(label.encode()).hexdigest()
    with warehouse.reading() as connection:
        _refuse_known(connection, source, digest, label)
    checked = check(source, columns, batches, timezone=timezone, now=now)
    refuse_too_many(checked, limit_share)
    return _store(warehouse, checked, digest, label, label, typed=True)


def _store(
    warehouse: Warehouse, checked: CheckedSource, digest: str, name: str, place: Path | str, *, typed: bool
) -> Loaded:
    source, rows = checked.source, checked.table
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"load:{source.name}")
        _refuse_known(connection, source, digest, place)
        rows = _named_as_there(source, rows, existing_kinds(connection, warehouse, source), typed)
        table = evolve(connection, warehouse, source, rows)
        replaced = _replace(connection, source, table, fitted(rows, table))
        run_id = f"load:{digest[:16]}"
        connection.execute(
            sa.delete(QUARANTINE).where(QUARANTINE.c.run_id == run_id, QUARANTINE.c.source == source.name)
        )
        quarantine.write(connection, run_id, [checked])
        connection.execute(sa.delete(LOADS).where(LOADS.c.source == source.name, LOADS.c.sha256 == digest))
        connection.execute(
            sa.insert(LOADS).values(
                source=source.name, sha256=digest, file=name, rows=rows.num_rows, loaded_at=datetime.now(UTC)
            )
        )
    return Loaded(name, checked.read, rows.num_rows, replaced, checked.bad)


def _refuse_known(connection: sa.Connection, source: Source, digest: str, place: Path | str) -> None:
    if source.key:
        return
    known = sa.select(LOADS.c.loaded_at).where(LOADS.c.source == source.name, LOADS.c.sha256 == digest)
    moment = connection.scalar(known)
    if moment is not None:
        raise AlreadyLoaded(
            f"source {source.name!r} already holds {place}, loaded {moment:%Y-%m-%d %H:%M} UTC; not loaded twice.",
            remedy="Its rows have no key by which they could replace themselves.",
        )


def _named_as_there(source: Source, rows: pa.Table, there: Mapping[str, Kind], typed: bool) -> pa.Table:
    """Extra columns under the name that the table has them by (SQLite does not tell case apart), and typed by what
    a CSV file holds in them; columns without any value are left out unless the table has them."""
    by_lower = {name.lower(): name for name in there}
    columns, names = [], []
    for name in rows.column_names:
        values, known = rows[name].combine_chunks(), by_lower.get(name.lower(), name)
        if known not in there and values.null_count == len(values) and len(values):
            continue
        if not typed and _is_open(source, name) and there.get(known) is not Kind.TEXT:
            values = typed_by_content(values)
        columns.append(values)
        names.append(known)
    return pa.table(columns, names)


def _replace(connection: sa.Connection, source: Source, table: sa.Table, rows: pa.Table) -> int:
    """Adds rows in place of those with the same key; how many gave way."""
    empty = connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None
    if not source.key or empty:
        ingest(connection, table, rows)
        return 0
    incoming = sa.Table(
        f"incoming_{source.name}",
        sa.MetaData(),
        *(sa.Column(table.columns[name].name, table.columns[name].type) for name in rows.column_names),
        prefixes=["TEMPORARY"],
    )
    key = [name for name in (*source.key, KNOWN_AT.name) if name in table.columns]
    incoming.create(connection)
    ingest(connection, incoming, rows)
    present = [incoming.c[name] for name in key if name in incoming.columns]
    sa.Index(f"incoming_{source.name}_key", *present).create(connection)
    same = sa.and_(*(_equal(source, name, table, incoming) for name in key))
    gone = connection.execute(sa.delete(table).where(sa.exists(sa.select(sa.literal(1)).where(same))))
    connection.execute(sa.insert(table).from_select(rows.column_names, sa.select(incoming)))
    incoming.drop(connection)
    return int(gone.rowcount)


def _equal(source: Source, name: str, table: sa.Table, incoming: sa.Table) -> sa.ColumnElement[bool]:
    column = source.column(name)
    if name not in incoming.columns:
        return table.c[name].is_(None)
    if column is not None and column.required:
        return table.c[name] == incoming.c[name]
    return table.c[name].is_not_distinct_from(incoming.c[name])


def _with_broken_lines(checked: CheckedSource, file: SourceFile) -> CheckedSource:
    count = len(file.broken)
    if not count:
        return checked
    kept = file.broken[: max(0, KEPT_BAD_ROWS - sum(map(len, checked.bad_rows)))]
    reason = f"does not have {len(file.header)} fields"
    bad = BadRows(
        pa.table({"line": pa.array(kept, pa.string())}),
        pa.array(["line"] * len(kept), pa.string()),
        pa.array([reason] * len(kept), pa.string()),
        np.arange(1, len(kept) + 1),
    )
    problems = {**checked.problems, ("line", reason): count}
    return replace(
        checked,
        read=checked.read + count,
        bad=checked.bad + count,
        problems=problems,
        bad_rows=(*checked.bad_rows, bad),
    )


def _is_open(source: Source, name: str) -> bool:
    column = source.column(name)
    return column is None or column.kind is Kind.ANY


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""From mapped sources to checked Arrow tables: what every run begins with.

`extract` only reads. Where bad rows are to be kept, `quarantine.write` does so afterwards, so that a dry run and
`check` leave no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from db.checks import CheckedSource, check, unknown_ids
from db.engines import Warehouse
from db.failures import repeated
from db.mapping import ResolvedSource, SourceMapping, did_you_mean, resolve, unmapped
from db.quarantine import LIMIT_SHARE, refuse_too_many
from db.reads import raw_batches
from forecasting.schema import SOURCES, ConfigurationError, DataError, Source, SourceNeed


@dataclass(frozen=True)
class Extraction:
    """What was read. `tables`: checked rows by source, canonical types, only columns that are there; an absent
    source has no key. `sources`: counts and bad rows of each. `warnings`: sentences for the user."""

    tables: dict[str, pa.Table]
    sources: dict[str, CheckedSource] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def extract(
    needs: Sequence[SourceNeed],
    results: Warehouse,
    warehouses: Mapping[str, Warehouse] | None = None,
    mappings: Mapping[str, SourceMapping] | None = None,
    *,
    limit_share: float = LIMIT_SHARE,
    now: datetime | None = None,
    sources: Mapping[str, Source] = SOURCES,
) -> Extraction:
    """Reads the sources that a task needs.

    A need that is absent (unmapped and without table, or without rows) is replaced by its `instead` where it names
    any. `now` (UTC) is the wall clock that says what lies in the future. Raises DataError for a required source,
    column or mapped table that is missing and for more than `limit_share` bad rows (`TooManyBadRows`, which carries
    them), ConfigurationError for names that nothing bears."""
    reader = _Reader(results, warehouses or {}, mappings or {}, limit_share, now or datetime.now(UTC), sources)
    asked = _merged(needs)
    for need in asked:
        if need.only_with and need.only_with not in reader.found:
            continue
        if not reader.read(need) and need.instead:
            for name in need.instead:
                extra = need.extra if name == need.instead[0] else ()
                other = next((one for one in asked if one.source == name), SourceNeed(name, extra))
                if not reader.read(other) and need.required:
                    raise _absent(need)
        elif need.required and need.source not in reader.found:
            raise _absent(need)
    tables = {name: checked.table for name, checked in reader.found.items()}
    return Extraction(tables, dict(reader.found), tuple(_warnings(reader.found, tables, sources)))


@repeated
def locate(
    need: SourceNeed,
    results: Warehouse,
    warehouses: Mapping[str, Warehouse] | None = None,
    mappings: Mapping[str, SourceMapping] | None = None,
    sources: Mapping[str, Source] = SOURCES,
) -> ResolvedSource | None:
    """Where a source stands and which of its columns there are, without reading a row; None where it is absent.
    Raises as `extract` does for what is missing."""
    source = sources.get(need.source)
    if source is None:
        raise ConfigurationError(
            f"there is no source {need.source!r}.", remedy=did_you_mean(need.source, sources) or _all(sources)
        )
    mapping = (mappings or {}).get(need.source, unmapped(need.source))
    return resolve(_warehouse(mapping, results, warehouses or {}), mapping, source, need.extra)


@dataclass
class _Reader:
    """Reads each source once, however many needs name it."""

    results: Warehouse
    warehouses: Mapping[str, Warehouse]
    mappings: Mapping[str, SourceMapping]
    limit_share: float
    now: datetime
    sources: Mapping[str, Source]
    found: dict[str, CheckedSource] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)

    def read(self, need: SourceNeed) -> bool:
        """Whether the source has rows; they are in `found` then."""
        if need.source not in self.found and need.source not in self.empty:
            resolved = locate(need, self.results, self.warehouses, self.mappings, self.sources)
            checked = None if resolved is None else read_source(resolved, now=self.now)
            if checked is None or not checked.read:
                self.empty.add(need.source)
            else:
                refuse_too_many(checked, self.limit_share)
                self.found[need.source] = checked
        return need.source in self.found


@repeated
def read_source(resolved: ResolvedSource, *, now: datetime | None = None, adbc: bool = True) -> CheckedSource:
    """All rows of a resolved source, converted and checked."""
    columns = [column.column for column in resolved.columns]
    batches = raw_batches(resolved, adbc=adbc)
    return check(resolved.source, columns, batches, timezone=resolved.mapping.timezone, now=now)


def _merged(needs: Sequence[SourceNeed]) -> list[SourceNeed]:
    """One need per source, with all extra columns that are asked of it."""
    merged: dict[str, SourceNeed] = {}
    for need in needs:
        before = merged.get(need.source)
        merged[need.source] = (
            need
            if before is None
            else replace(
                before,
                extra=tuple(dict.fromkeys((*before.extra, *need.extra))),
                required=before.required or need.required,
                instead=before.instead or need.instead,
                only_with=before.only_with if need.only_with == before.only_with else "",
            )
        )
    return list(merged.values())


def _warehouse(mapping: SourceMapping, results: Warehouse, warehouses: Mapping[str, Warehouse]) -> Warehouse:
    if mapping.warehouse is None:
        return results
    if mapping.warehouse in warehouses:
        return warehouses[mapping.warehouse]
    if mapping.warehouse == results.name:
        return results
    raise ConfigurationError(
        f"source {mapping.source!r} is mapped to warehouse {mapping.warehouse!r}, which is not configured.",
        remedy=did_you_mean(mapping.warehouse, (*warehouses, results.name))
        or f"Add [warehouses.{mapping.warehouse}] to forecasting.toml.",
    )


def _absent(need: SourceNeed) -> DataError:
    instead = f", nor {' and '.join(need.instead)} to derive it from" if need.instead else ""
    return DataError(
        f"there are no rows{instead}.",
        source=need.source,
        remedy=f"`forecasting load {need.source} FILE` loads some, or map [sources.{need.source}] to your own table.",
    )


def _warnings(
    found: Mapping[str, CheckedSource], tables: Mapping[str, pa.Table], sources: Mapping[str, Source]
) -> list[str]:
    said = []
    for name, checked in found.items():
        for (column, reason), count in sorted(checked.problems.items(), key=lambda item: -item[1]):
            said.append(f"source {name!r}: {count:,} of {checked.read:,} rows set aside: {column} {reason}.")
    for name, column, rows, example in unknown_ids(tables, sources):
        known = sources[name].column(column)
        assert known is not None
        said.append(
            f"source {name!r}: in {rows:,} rows {column} is none that {known.refers_to!r} holds (such as {example!r}): "
            "new ones, or none at all."
        )
    return said


def _all(sources: Mapping[str, Source]) -> str:
    return f"The sources are {', '.join(sources)}."

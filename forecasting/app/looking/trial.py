"""A proposal tried as a run would read it, on its first rows: what cannot be read or breaks its contract is no more
than a guess."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from db.catalogue import SAMPLE_ROWS, distinct_share
from db.checks import check
from db.engines import Warehouse
from db.mapping import SourceMapping, resolve
from db.reads import raw_batches
from forecasting.app.looking.proposals import Proposal
from forecasting.schema import SOURCES, ForecastingError

_DOUBTFUL = 0.6
_FEW_BAD = 0.05
_ALL_DIFFER = 0.98


def tried(warehouse: Warehouse, proposal: Proposal) -> Proposal:
    """The proposal, doubted where its first rows are not what they should be."""
    if not proposal.sure:
        return proposal
    source = SOURCES[proposal.source]
    try:
        resolved = resolve(warehouse, mapping(proposal, warehouse.name), source)
        if resolved is None:
            return proposal.doubted(_DOUBTFUL, "it is not found under its name")
        columns = [resolved.relation.c[column.theirs] for column in resolved.columns]
        some = sa.select(*columns).select_from(resolved.relation).limit(SAMPLE_ROWS).subquery("source")
        checked = check(
            source, [c.column for c in resolved.columns], raw_batches(replace(resolved, relation=some), adbc=False)
        )
    except ForecastingError as error:
        return proposal.doubted(_DOUBTFUL, f"a trial failed: {error.message}")
    if checked.share > _FEW_BAD:
        (column, reason), rows = max(checked.problems.items(), key=lambda one: one[1])
        return proposal.doubted(_DOUBTFUL, f"in {rows:,} of the first {checked.read:,} rows {column} {reason}")
    return _with_its_end(_with_its_key(warehouse, proposal), checked.table)


def _with_its_end(proposal: Proposal, rows: pa.Table) -> Proposal:
    """An order that is "complete" within the hour it was placed was bought then, not delivered."""
    if not {"placed_at", "completed_at"} <= set(rows.column_names) or proposal.query:
        return proposal
    took = pc.subtract(rows["completed_at"].cast(pa.int64()), rows["placed_at"].cast(pa.int64()))
    median = pc.quantile(took.drop_null(), 0.5)[0].as_py()
    if median is None or median >= 3600e6:
        return proposal
    why = f"it comes {median / 60e6:.0f} minutes after the order is placed: the end of the purchase, not of the order"
    return proposal.with_column(replace(proposal.columns["completed_at"], confidence=_DOUBTFUL, why=why))


def mapping(proposal: Proposal, warehouse: str) -> SourceMapping:
    """As `[sources.NAME]` would say it."""
    if proposal.query:
        return SourceMapping(proposal.source, warehouse, query=proposal.query)
    columns = {name: guess.theirs for name, guess in proposal.columns.items() if guess.sure}
    return SourceMapping(proposal.source, warehouse, table=proposal.studied.label, columns=columns)


def _with_its_key(warehouse: Warehouse, proposal: Proposal) -> Proposal:
    """Whether the key of one column is one, beyond the first rows too."""
    key = SOURCES[proposal.source].key
    if len(key) != 1 or proposal.query:
        return proposal
    guess = proposal.columns.get(key[0])
    if guess is None or guess.theirs in proposal.studied.table.unique:
        return proposal
    share = distinct_share(warehouse, proposal.studied.table, guess.theirs)
    if share is not None and share < _ALL_DIFFER:
        return proposal.doubted(_DOUBTFUL, f"{guess.theirs} is no key: {1 - share:.0%} of its values come twice")
    return proposal

"""From a warehouse to proposals for its sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from db.catalogue import SeenTable, as_held, bound, count, sample, tables
from db.engines import Warehouse
from forecasting.app.looking.columns import Studied
from forecasting.app.looking.derived import counted_since_1970, derived, plain_query
from forecasting.app.looking.linking import linked
from forecasting.app.looking.meanings import COLUMNS, TABLES
from forecasting.app.looking.names import common_prefixes
from forecasting.app.looking.proposals import Proposal, proposed
from forecasting.app.looking.trial import tried
from forecasting.app.looking.values import facts
from forecasting.schema import SOURCES

MOST_SAMPLED = 60
"""Tables whose rows are read; the others' names say nothing of a shop, or less."""

_SAYS_SOMETHING = 0.4
_ON_LINES = ("order_id", "item_id", "quantity")


@dataclass(frozen=True)
class Look:
    """What was seen. `proposals` by source, sure ones and guesses; `tables`: how many were there; `sampled`: of how
    many rows were read."""

    proposals: dict[str, Proposal]
    tables: int
    sampled: int


def look(warehouse: Warehouse, ours: Collection[str] = (), now: dt.datetime | None = None) -> Look:
    """Looks at a warehouse (opened as a source: nothing is written). `ours`: names of the suite's own tables, for
    databases without schemas. Raises ConfigurationError where the warehouse cannot be reached."""
    bound(warehouse)
    found = tables(warehouse, ours)
    silent = common_prefixes(table.name for table in found)
    promising = _promising([Studied(table, silent) for table in found])
    now = now or dt.datetime.now(dt.UTC)
    studied = [_studied(warehouse, table.table, silent, now) for table in promising]
    dialect = warehouse.engine.dialect
    proposals = linked(warehouse, proposed(studied))
    proposals = derived(proposals, studied, warehouse)
    tests = {name: tried(warehouse, _nameable(one, dialect)) for name, one in proposals.items()}
    return Look({name: _nameable(one, dialect) for name, one in tests.items()}, len(found), len(studied))


def _promising(studied: Sequence[Studied]) -> list[Studied]:
    """Tables whose names speak of a source, and those whose columns speak of invoice lines; the clearest first."""
    clear = [(max(table.named(source) for source in TABLES), n) for n, table in enumerate(studied)]
    clear = [(max(score, 0.9 * _like_lines(studied[n])), n) for score, n in clear]
    best = sorted((-score, n) for score, n in clear if score >= _SAYS_SOMETHING)[:MOST_SAMPLED]
    return [studied[n] for n in sorted(n for _, n in best)]


def _like_lines(table: Studied) -> float:
    return min(
        max((COLUMNS["order_lines"][name].fits(words) for words in table.columns.values()), default=0.0)
        for name in _ON_LINES
    )


def _studied(warehouse: Warehouse, table: SeenTable, silent: frozenset[str], now: dt.datetime) -> Studied:
    rows = sample(warehouse, table)
    if rows is not None:
        table = as_held(table, rows)
    held = facts(table, rows, now)
    empty = rows is not None and not any(rows.values())
    return Studied(table, silent, held, 0 if empty else count(warehouse, table))


def _nameable(proposal: Proposal, dialect: sa.Dialect) -> Proposal:
    """With a query where `table` and `columns` could not say it: a dot in the name of a table in a schema, times
    that are numbers, and a column that has a canonical name but is not to be read, as a mapping would."""
    table = proposal.studied.table
    read = {name for name, guess in proposal.columns.items() if guess.sure}
    theirs = {column.name.lower() for column in table.columns}
    unwanted = {column.name for column in SOURCES[proposal.source].columns if column.name in theirs} - read
    dotted = table.schema is not None and "." in table.name
    if proposal.query or not proposal.sure or not (dotted or unwanted or counted_since_1970(proposal)):
        return proposal
    return replace(proposal, query=plain_query(proposal, dialect))

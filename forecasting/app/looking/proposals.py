"""Which table is which source: candidates by name and columns, one table for one source, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from forecasting.app.looking.columns import SURE, WORTH, Guess, Studied, columns_of
from forecasting.app.looking.meanings import OWN_ID
from forecasting.schema import SOURCES, Kind

LINES_WITHOUT_QUANTITY = "no column holds a quantity: every row counts as one unit"


@dataclass(frozen=True)
class Proposal:
    """A source as it could be read.

    `columns`: guesses by canonical name; with a `query`, those that it names. `fixed`: canonical columns that the query
    sets itself, and to what. `why`: sentences for people. `rivals`: other tables that might be it, the best first.
    `confidence` in [0, 1].
    """

    source: str
    studied: Studied
    columns: Mapping[str, Guess]
    confidence: float
    why: tuple[str, ...] = ()
    rivals: tuple[Proposal, ...] = ()
    query: str | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)

    @property
    def sure(self) -> bool:
        """Whether it is written as one that holds."""
        return self.confidence >= SURE

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the tables that came close."""
        return tuple(rival.studied.label for rival in self.rivals)

    @property
    def timed(self) -> list[str]:
        """Their columns of times without a zone, among those that are read."""
        times = {column.name for column in SOURCES[self.source].columns if column.kind is Kind.TIMESTAMP}
        return [
            guess.theirs
            for name, guess in self.columns.items()
            if (name in times or name.startswith("status=")) and self.studied.naive(guess.theirs)
        ]

    @property
    def missing(self) -> list[str]:
        """Optional canonical columns that nothing was found for."""
        there = {*self.columns, *self.fixed}
        return [
            column.name for column in SOURCES[self.source].columns if column.name not in there and not column.required
        ]

    def doubted(self, confidence: float, why: str) -> Proposal:
        """The same, less sure, and why."""
        return replace(self, confidence=min(self.confidence, confidence), why=(*self.why, why))

    def with_column(self, guess: Guess) -> Proposal:
        """The same with one column another."""
        return replace(self, columns={**self.columns, guess.canonical: guess})


def proposed(studied: Sequence[Studied]) -> dict[str, Proposal]:
    """The best table for each source, worth a comment or more; a table serves one source."""
    sources = list(SOURCES)
    found = {
        (source, place): proposal
        for place, table in enumerate(studied)
        for source in sources
        if (proposal := candidate(source, table)) is not None and proposal.confidence >= WORTH
    }
    score = np.zeros((len(sources), len(studied)))
    for (source, place), proposal in found.items():
        score[sources.index(source), place] = _rank(proposal)
    chosen: dict[str, Proposal] = {}
    if not score.size:
        return chosen
    for row, place in zip(*linear_sum_assignment(-score), strict=True):
        source = sources[row]
        if (source, place) in found:
            rivals = [other for (name, n), other in found.items() if name == source and n != place]
            best = sorted(rivals, key=_rank, reverse=True)[:3]
            chosen[source] = replace(found[source, place], rivals=tuple(best))
    return chosen


def candidate(source: str, table: Studied) -> Proposal | None:
    """A table as a source: None where its name speaks of something else, or a required column is not there."""
    named = table.named(source)
    if named < 0.4:
        return None
    columns = columns_of(table, source)
    fixed: dict[str, str] = {}
    why: tuple[str, ...] = ()
    confidence = named
    for column in SOURCES[source].columns:
        if not column.required or column.name in columns:
            continue
        if (source, column.name) == ("order_lines", "quantity") and named >= SURE:
            fixed["quantity"], why = "1", (LINES_WITHOUT_QUANTITY,)
        elif (source, column.name) == ("interactions", "kind") and _views(table):
            fixed["kind"], why = "'view'", ("its name says that its rows are views",)
        else:
            return None
    if not _holds_enough(source, columns):
        return None
    required = [columns[c.name].confidence for c in SOURCES[source].columns if c.required and c.name in columns]
    confidence = min(confidence, *required)
    if source in OWN_ID and source != "orders" and min(required) >= SURE:
        confidence = max(confidence, WORTH)  # what refers to it may yet confirm it
    if table.rows == 0:
        return Proposal(source, table, columns, min(confidence, 0.6), (*why, "it holds no rows"), fixed=fixed)
    return Proposal(source, table, columns, confidence, why, fixed=fixed)


def _holds_enough(source: str, columns: Mapping[str, Guess]) -> bool:
    """Whether a table says what its source is read for."""
    one_of: Mapping[str, Iterable[str]] = {
        "interactions": ("customer_id", "session_id"),
        "weather": ("temperature", "precipitation", "condition"),
        "orders": tuple(c.name for c in SOURCES["orders"].columns if not c.required),
    }
    return source not in one_of or any(name in columns for name in one_of[source])


def _views(table: Studied) -> bool:
    return any(word.text in ("view", "views", "pageview", "pageviews", "viewed") for word in table.words)


def _rank(proposal: Proposal) -> float:
    """Among tables of one source: the surer, the fuller, tables before views of as much."""
    optional = [column for column in SOURCES[proposal.source].columns if not column.required]
    share = sum(c.name in proposal.columns and proposal.columns[c.name].sure for c in optional) / max(1, len(optional))
    return proposal.confidence + 0.2 * share + 0.05 * bool(proposal.studied.rows) - 0.01 * proposal.studied.table.view


def links(proposals: Mapping[str, Proposal]) -> list[tuple[str, str, str]]:
    """(source, column, other source) of the references between what is proposed, facts before what they refer to."""
    found = []
    for source, proposal in proposals.items():
        for column in SOURCES[source].columns:
            other = column.refers_to
            if other is not None and other in proposals and column.name in proposal.columns:
                found.append((source, column.name, other))
    return sorted(found, key=lambda one: (one[0] != "order_lines", one[0], one[1]))

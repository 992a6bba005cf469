"""Which column of a table is which canonical column: names, types, values and keys weighed, and one assignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from db.catalogue import SeenColumn, SeenTable
from forecasting.app.looking.meanings import COLUMNS, OWN_ID, TABLES
from forecasting.app.looking.names import Words, words_of
from forecasting.app.looking.values import Held, clicks_in, facts, suits
from forecasting.schema import SOURCES, Column, Kind

SURE = 0.7
"""Confidence from which a mapping is written as one that holds."""

WORTH = 0.5
"""Confidence from which it is worth a comment."""

_KEYS = {"id", "uid", "uuid", "guid", "pk", "rowid", "entityid", "key"}


@dataclass(frozen=True)
class Guess:
    """That a canonical column is one of theirs. `why` and `others` are for people: reasons, and what came close.
    `table`: where it stands, if not in the table of the proposal."""

    canonical: str
    theirs: str
    confidence: float
    why: str = ""
    others: tuple[str, ...] = ()
    table: str = ""

    @property
    def sure(self) -> bool:
        """Whether it is written as one that holds."""
        return self.confidence >= SURE


@dataclass
class Studied:
    """A table with what its names say and its rows show. `rows`: None where nobody could count them."""

    table: SeenTable
    silent: frozenset[str] = frozenset()
    held: Mapping[str, Held] = field(default_factory=dict)
    rows: int | None = None
    columns: dict[str, Words] = field(init=False)
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        self.words = words_of(self.table.name, self.silent)
        self.columns = {column.name: words_of(column.name, self.silent) for column in self.table.columns}

    @property
    def label(self) -> str:
        """As a mapping calls it."""
        return self.table.label

    def column(self, name: str) -> SeenColumn:
        """Its column of that name."""
        return next(column for column in self.table.columns if column.name == name)

    def named(self, source: str) -> float:
        """How clearly its name says that it is a source, in [0, 1]."""
        if self.table.name.lower() == source:
            return 1.0
        return TABLES[source].fits(self.words, strange=0.45, other=0.4)

    def naive(self, name: str) -> bool:
        """Whether times of a column have no zone, so that somebody must say which."""
        column, found = self.column(name), self.held.get(name)
        if column.family == "timestamp":
            return not column.zoned and not any(word.means("UTC") for word in self.columns[name])
        return column.family == "text" and found is not None and not found.zoned

    def empty(self, name: str) -> float:
        """Share of the sampled rows without a value."""
        return self.held[name].empty if name in self.held else 0.0


def columns_of(
    studied: Studied, source: str, names: tuple[str, ...] | None = None, *, grouped: bool = False
) -> dict[str, Guess]:
    """The best assignment of a table's columns to those of a source (or to `names` alone), worth a comment or more.
    `grouped`: rows are still to be put together, so that a value may well stand in many."""
    wanted = [column for column in SOURCES[source].columns if names is None or column.name in names]
    theirs = studied.table.columns
    score = np.array([[_fit(studied, source, ours, column, grouped) for column in theirs] for ours in wanted])
    if not score.size:
        return {}
    chosen, places = linear_sum_assignment(-np.where(score < WORTH, 0.0, score + _importance(wanted)))
    found = {}
    for row, place in zip(chosen, places, strict=True):
        if score[row, place] < WORTH:
            continue
        near = [
            n for n in np.argsort(-score[row]) if n != place and score[row, n] >= max(WORTH, score[row, place] - 0.25)
        ]
        found[wanted[row].name] = Guess(
            wanted[row].name,
            theirs[place].name,
            float(min(1.0, score[row, place])),
            _why(studied, source, wanted[row], theirs[place]),
            tuple(theirs[n].name for n in near[:3]),
        )
    return found


def _importance(wanted: list[Column]) -> np.ndarray:
    """What is required comes first where two want the same column."""
    return np.array([[0.1 if column.required else 0.0] for column in wanted])


def _fit(studied: Studied, source: str, ours: Column, theirs: SeenColumn, grouped: bool = False) -> float:
    found = studied.held.get(theirs.name)
    fitting = suits(theirs, found, ours)
    if not fitting:
        return 0.0
    score = _named(studied, source, ours, theirs)
    if not score:
        return 0.0
    return score * fitting * (1.0 if grouped else _plausible(studied, source, ours, theirs, found))


def _named(studied: Studied, source: str, ours: Column, theirs: SeenColumn) -> float:
    """What name and keys say."""
    table, name, words = studied.table, theirs.name, studied.columns[theirs.name]
    own = OWN_ID.get(source) == ours.name
    sole_key = table.key == (name,)
    if ours.kind is Kind.ID and not own and sole_key and (source, ours.name) != ("order_lines", "order_id"):
        return 0.0  # the key of these rows: no reference to others, whatever it is called
    score = COLUMNS[source][ours.name].fits(words) if ours.name in COLUMNS[source] else 0.0
    if name.lower() == ours.name:
        score = 1.0
    if own:
        called_key = "".join(word.text for word in words) in _KEYS
        if called_key and (sole_key or not table.key):
            score = max(score, 0.9)
        elif sole_key:
            score = max(min(1.0, score + 0.1), 0.8 if any(word.means("ID") for word in words) else 0.6)
        elif table.key and len(table.key) == 1:
            score *= 0.8  # another column is the key
    if ours.refers_to in OWN_ID and name in table.refers:
        score = max(score, 0.95 * TABLES[ours.refers_to].fits(words_of(table.refers[name][1], studied.silent)))
    if ours.kind in (Kind.TIMESTAMP, Kind.DATE) and any(word.means("UTC") for word in words):
        score = min(1.0, score * 1.03)
    return score


def _plausible(studied: Studied, source: str, ours: Column, theirs: SeenColumn, found: Held | None) -> float:
    """What the values say beside the type."""
    if found is None or not found.rows:
        return 1.0
    if found.distinct == 0:
        return 0.6 if not ours.required and found.rows else 0.3
    score = 1.0
    if ours.required and found.empty > 0.05:
        score *= 0.4 if ours.kind is not Kind.ID or found.empty > 0.5 else 0.8
    enough = found.rows >= 50
    if OWN_ID.get(source) == ours.name and not found.unique and theirs.name not in studied.table.unique:
        score *= 0.5
    if ours.kind is Kind.TEXT and ours.name not in ("kind", "status", "event") and enough and found.distinct == 1:
        score *= 0.7
    if ours.name == "category" and enough and found.unique:
        score *= 0.5
    if ours.name == "title" and enough and found.distinct < 0.2 * found.rows:
        score *= 0.7
    if ours.name == "kind" and source == "interactions":
        score *= 1.0 if clicks_in(found.words) else 0.0
    if ours.name == "item_id" and source in ("order_lines", "interactions") and found.unique and found.rows >= 200:
        score *= 0.7
    if ours.minimum is not None and theirs.family in ("integer", "number") and _below(found, ours.minimum):
        score *= 0.3
    if ours.kind is Kind.TIMESTAMP and not ours.future and found.future:
        score *= 0.3
    return score * _delivery(studied, ours, theirs, found)


def _delivery(studied: Studied, ours: Column, theirs: SeenColumn, found: Held) -> float:
    """A "delivery date" is a promise where it lies ahead, and what happened where orders of late have none."""
    if ours.name not in ("promised_at", "completed_at"):
        return 1.0
    words = studied.columns[theirs.name]
    if not any(word.means("DELIVERY") for word in words) or any(word.means("PROMISED") for word in words):
        return 1.0
    promised = any(
        any(word.means("PROMISED") for word in other) for name, other in studied.columns.items() if name != theirs.name
    )
    if ours.name == "completed_at":
        return 0.2 if found.future else 1.2 if promised or found.empty > 0.01 else 0.8
    return 1.4 if found.future and not promised else 0.7


def _below(found: Held, minimum: float) -> bool:
    return False if not found.words else any(_number(word) < minimum for word in found.words)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _why(studied: Studied, source: str, ours: Column, theirs: SeenColumn) -> str:
    """In words: what spoke for it."""
    table, found = studied.table, studied.held.get(theirs.name)
    said = []
    if theirs.name.lower() == ours.name:
        said.append("it has the canonical name")
    elif ours.refers_to in OWN_ID and theirs.name in table.refers:
        said.append(f"a foreign key to {table.refers[theirs.name][1]}")
    elif OWN_ID.get(source) == ours.name and table.key == (theirs.name,):
        said.append("the primary key")
    elif ours.name in COLUMNS[source] and COLUMNS[source][ours.name].fits(studied.columns[theirs.name]):
        said.append("by its name")
    if OWN_ID.get(source) == ours.name and not table.key and found is not None and found.unique:
        said.append("no value comes twice")
    if ours.kind in (Kind.TIMESTAMP, Kind.DATE):
        alike = [c for c in table.columns if c.name != theirs.name and _fit(studied, source, ours, c) >= WORTH]
        if not alike and theirs.name.lower() != ours.name:
            said.append("the only time that says so")
        if theirs.family in ("text", "integer"):
            said.append(f"{theirs.family} that reads as times")
    if found is not None and found.rows and found.empty >= 0.005:
        said.append(f"{found.empty:.0%} of the first {found.rows:,} rows have none")
    return "; ".join(said)


__all__ = ["SURE", "WORTH", "Guess", "Studied", "columns_of", "facts"]

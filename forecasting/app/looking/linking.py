"""Whether what is proposed fits together: ids of one source found in the key of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

from db.catalogue import joined_share
from db.engines import Warehouse
from forecasting.app.looking.columns import SURE, Guess
from forecasting.app.looking.meanings import OWN_ID
from forecasting.app.looking.proposals import Proposal, links

FACTS = ("orders", "interactions", "sales")
"""What happened: without one of these there is nothing that other tables could belong to."""

_PEOPLE_AND_THINGS = ("customers", "items", "locations")
_ENOUGH = 0.5
_ALL = 0.95
_DOUBTFUL = 0.6


def linked(warehouse: Warehouse, proposals: Mapping[str, Proposal]) -> dict[str, Proposal]:
    """The proposals with other columns where only those fit together, and doubted where nothing does."""
    found = dict(proposals)
    confirmed: set[str] = set()
    refuted: dict[str, str] = {}
    for source, column, other in links(found):
        if found[source].query or found[other].query:
            continue
        share = _joined(warehouse, found, source, column, other)
        if share is not None and share < _ENOUGH and other in _PEOPLE_AND_THINGS and other not in confirmed:
            share = _rival(warehouse, found, source, column, other) or share
        if share is None:
            continue
        if share >= _ENOUGH:
            confirmed.add(other)
            if share >= _ALL and other in ("customers", "items") and not found[other].sure:
                said = f"its key holds the {column} of {found[source].studied.label}"
                found[other] = _raised(found[other], said)
            continue
        said = f"{share:.0%} of the {column} in {found[source].studied.label} are found in {found[other].studied.label}"
        if other in _PEOPLE_AND_THINGS:
            refuted[other] = said
        elif found[source].columns[column].sure:
            found[source] = found[source].doubted(_DOUBTFUL, said)
    for other, said in refuted.items():
        if other not in confirmed:
            found[other] = found[other].doubted(_DOUBTFUL, said)
    if not any(name in found and found[name].sure for name in FACTS):
        return {
            name: one.doubted(_DOUBTFUL, "no orders, clicks or sales stand beside it") for name, one in found.items()
        }
    return {name: _in_use(one, name in confirmed) for name, one in found.items()}


def _in_use(proposal: Proposal, confirmed: bool) -> Proposal:
    if proposal.source == "locations" and not confirmed:
        return proposal.doubted(_DOUBTFUL, "nothing was found that refers to it")
    return proposal


def _joined(warehouse: Warehouse, found: dict[str, Proposal], source: str, column: str, other: str) -> float | None:
    """The share of ids that are found, after trying the columns that came close where the first choice finds few."""
    key = OWN_ID.get(other)
    if key is None or key not in found[other].columns:
        return None
    here, there = found[source], found[other]
    first, last = here.columns[column], there.columns[key]
    best: tuple[float, Guess, Guess] | None = None
    for mine, theirs in product((first.theirs, *first.others), (last.theirs, *last.others)):
        share = joined_share(warehouse, here.studied.table, mine, there.studied.table, theirs)
        if share is not None and (best is None or share > best[0]):
            best = (share, _moved(first, mine, there), _moved(last, theirs, here))
        if best is not None and best[0] >= _ENOUGH:
            break
    if best is None:
        return None
    if best[0] >= _ENOUGH:
        found[source] = here.with_column(best[1])
        found[other] = there.with_column(best[2])
    return best[0]


def _rival(warehouse: Warehouse, found: dict[str, Proposal], source: str, column: str, other: str) -> float | None:
    """The share of ids that one of the tables holds that came close, if it is enough; it takes the place then."""
    first, before = found[other], found[source]
    for rival in first.rivals:
        others = tuple(one for one in (first, *first.rivals) if one is not rival)
        found[other] = replace(rival, rivals=tuple(replace(one, rivals=()) for one in others))
        share = _joined(warehouse, found, source, column, other)
        if share is not None and share >= _ENOUGH:
            return share
    found[other], found[source] = first, before
    return None


def _raised(proposal: Proposal, why: str) -> Proposal:
    """Surer than names alone could make it: what refers to it says that it is the one."""
    key = proposal.columns[OWN_ID[proposal.source]]
    if not proposal.studied.rows or not (key.sure or proposal.studied.held[key.theirs].unique):
        return proposal
    surer = proposal.with_column(replace(key, confidence=max(SURE, key.confidence)))
    return replace(surer, confidence=SURE, why=(*proposal.why, why))


def _moved(guess: Guess, theirs: str, other: Proposal) -> Guess:
    if guess.theirs == theirs:
        return guess
    said = f"its values are found in {other.studied.label}, those of {guess.theirs} are not"
    return replace(guess, theirs=theirs, confidence=max(SURE, guess.confidence), why=said, others=(guess.theirs,))
